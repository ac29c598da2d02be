package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/mlc-go/mlc/ir/op"
)

// Every generated file is what its generator makes of the table.
func TestFresh(t *testing.T) {
	for _, o := range outputs {
		want, err := o.make(op.Builtin())
		if err != nil {
			t.Fatal(err)
		}
		have, err := os.ReadFile("../../" + o.path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%s is stale: run go run ./tools/opdoc %s", o.path, o.name)
		}
	}
}

func TestUnknownOutput(t *testing.T) {
	if err := run([]string{"nothing"}); err == nil {
		t.Error("an unknown output was accepted")
	}
}
