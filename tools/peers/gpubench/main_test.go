package main

import (
	"strings"
	"testing"
)

// The kernels compute what they should and the report is whole, in the
// interpreter.
func TestSim(t *testing.T) {
	var out strings.Builder
	file := t.TempDir() + "/r.json"
	if err := run(&out, file, true); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if n := strings.Count(out.String(), "\nok  "); n != 6 {
		t.Errorf("%d measurements, want 6\n%s", n, &out)
	}
}
