package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestFresh keeps the committed models equal to what the generator makes.
func TestFresh(t *testing.T) {
	for _, n := range small {
		want, err := encode(n)
		if err != nil {
			t.Fatal(err)
		}
		have, err := os.ReadFile(filepath.Join("../../testdata/models", n+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("testdata/models/%s.onnx is stale: go run ./tools/mkmodels", n)
		}
	}
}
