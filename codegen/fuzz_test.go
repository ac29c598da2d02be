package codegen_test

import (
	"testing"

	"github.com/mlc-go/mlc/ir/irtest"
	"github.com/mlc-go/mlc/ir/op"
)

// FuzzRun compiles random modules and random samples of single operators in
// every way and compares them with the interpreter.
func FuzzRun(f *testing.F) {
	f.Add(uint64(1), uint8(20), uint8(1), uint8(3))
	f.Add(uint64(9), uint8(200), uint8(4), uint8(2))
	ops := op.Builtin()
	defs := ops.All()
	f.Fuzz(func(t *testing.T, seed uint64, size, a, b uint8) {
		if size%2 == 0 {
			m := irtest.Module(ops, seed, int(size%32))
			differ(t, m, randomCalls(t, m, seed, 1+int64(a%4), 1+int64(b%4), 1+int64(a%4))...)
			return
		}
		d := defs[(int(a)<<8|int(b))%len(defs)]
		if regular(d) && d.NumRegions == 0 && len(d.Out) > 0 {
			sampleRun(t, ops, d, seed)
		}
	})
}
