package tflite

import (
	"testing"

	"github.com/mlc-go/mlc/ir/op"
)

// TestTable: what can be written is an operator of the table.
func TestTable(t *testing.T) {
	ops := op.Builtin()
	for name := range builtins {
		if ops.Lookup(name) == nil {
			t.Errorf("%s is no operator", name)
		}
	}
}
