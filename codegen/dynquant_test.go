package codegen_test

import (
	"context"
	"fmt"
	"math/rand"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// dynamicNet is what dynamic quantization makes of convolutions and products by
// weights without zero points (u8 weights are those around 128), with one, and
// with one for each output. The product by weights that are no constant is left
// to the reference function.
func dynamicNet(r *rand.Rand, wd dtype.DType, kind int) *ir.Module {
	m := ir.NewModule("dynamic")
	f := m.AddFunc("main")
	x := f.AddParam("x", tensor.T(dtype.F32, shape.Ints(2, 6, 9, 17)...))
	b := ir.NewBuilder(f, -1, op.Builtin(), "n")
	quantized := func(v *ir.Value) []*ir.Value { return b.OpN("DynamicQuantizeLinear", 3, nil, nil, v) }
	zero := func(v int64, n ...int) *ir.Value {
		t := tensor.New(wd, n...)
		for i := range t.Len() {
			t.SetInt(i, v+int64(i))
		}
		return b.Const(t)
	}
	middle, one := int64(0), int64(-7)
	if wd == dtype.U8 {
		middle, one = 128, 100
	}
	q := quantized(x)
	conv := func(a attr.Map, z *ir.Value, w ...int) *ir.Value {
		return b.Op("ConvInteger", a, q[0], b.Const(bytesLike(r, wd, kind, w...)), q[2], z)
	}
	same := attr.Map{"pads": attr.Ints(1, 1, 1, 1)}
	f.AddResult("conv", conv(same, zero(middle), 10, 6, 3, 3))
	f.AddResult("groups", conv(attr.Map{"group": attr.Int(2), "strides": attr.Ints(2, 1)}, zero(middle), 4, 3, 2, 3))
	f.AddResult("zero", conv(same, zero(one), 5, 6, 3, 3))
	f.AddResult("zeros", conv(nil, zero(one, 7), 7, 6, 3, 1))
	for i, z := range []*ir.Value{zero(middle), zero(one), zero(one, 21), nil} {
		f.AddResult(fmt.Sprint("product", i), b.Op("MatMulInteger", nil, q[0], b.Const(bytesLike(r, wd, kind, 17, 21)), q[2], z))
	}
	f.AddResult("open", b.Op("MatMulInteger", nil, q[0], b.Op("Reshape", nil, b.Op("Slice", nil, q[0], b.Ints(0), b.Ints(1), b.Ints(0)), b.Ints(6, 17, 9)), q[2]))
	f.AddResult("scale", q[1])
	if err := b.Err(); err != nil {
		panic(err)
	}
	return m
}

// TestDynamicQuantization: all ways to run it give the reference's bits, and
// constant weights are multiplied by integer kernels.
func TestDynamicQuantization(t *testing.T) {
	ctx := context.Background()
	r := rand.New(rand.NewSource(8))
	for _, d := range []dtype.DType{dtype.U8, dtype.I8} {
		for kind := range 3 {
			m := dynamicNet(r, d, kind)
			in, want := interpreted(t, m, 2, 6, 9, 17)
			for _, w := range integerWays() {
				e, err := w.x.Compile(ctx, m)
				if err != nil {
					t.Fatal(err)
				}
				got, err := e.Run(ctx, in)
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range got {
					if err := tensor.Exact.Compare(v, want[i]); err != nil {
						t.Errorf("%v %d, %s: output %d: %v", d, kind, w.name, i, err)
					}
				}
				e.Close()
			}
			a, err := codegen.Build(ctx, codegen.Graph(m), codegen.Options{})
			if err != nil {
				t.Fatal(err)
			}
			count := map[string]int{}
			for _, in := range a.Program().Main().Body {
				count[in.Name]++
			}
			a.Close()
			for name, want := range map[string]int{"dynquantize.i8": 1, "conv.i32": 4, "gemm.i32": 4, "ref.MatMulInteger": 1} {
				if count[name] != want {
					t.Errorf("%v: %d calls of %s, want %d (have %v)", d, count[name], name, want, count)
				}
			}
		}
	}
}
