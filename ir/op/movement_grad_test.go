package op

import (
	"math"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Gradients against central differences, in f64. Every operator here is linear
// in its data, so the difference is exact up to rounding.
func TestMovementGrad(t *testing.T) {
	fs := func(v ...float32) *tensor.Tensor { x := f32s([]int{len(v)}, v...); return &x }
	is := func(v ...int64) *tensor.Tensor { x := i64s(v...); return &x }
	cases := []struct {
		name, op string
		nout     int
		attrs    attr.Map
		dims     []int
		more     []*tensor.Tensor
		onlyLast bool // only the last output has a gradient
	}{
		{"reshape", "Reshape", 1, nil, []int{2, 3}, []*tensor.Tensor{is(3, -1)}, false},
		{"flatten", "Flatten", 1, nil, []int{2, 3, 2}, nil, false},
		{"squeeze", "Squeeze", 1, nil, []int{2, 1}, []*tensor.Tensor{is(1)}, false},
		{"unsqueeze", "Unsqueeze", 1, nil, []int{2}, []*tensor.Tensor{is(0)}, false},
		{"transpose", "Transpose", 1, attr.Map{"perm": attr.Ints(2, 0, 1)}, []int{2, 3, 2}, nil, false},
		{"transpose reversed", "Transpose", 1, nil, []int{2, 3}, nil, false},
		{"split", "Split", 3, attr.Map{"num_outputs": attr.Int(3), "axis": attr.Int(1)}, []int{2, 5}, nil, false},
		{"split, one gradient", "Split", 3, attr.Map{"num_outputs": attr.Int(3), "axis": attr.Int(1)}, []int{2, 5}, nil, true},
		{"slice with steps", "Slice", 1, nil, []int{4, 5}, []*tensor.Tensor{is(1, -1), is(4, -6), is(0, 1), is(2, -3)}, false},
		{"gather", "Gather", 1, attr.Map{"axis": attr.Int(1)}, []int{2, 3}, []*tensor.Tensor{is(0, -1, 0, 2)}, false},
		{"expand", "Expand", 1, nil, []int{2, 1}, []*tensor.Tensor{is(3, 2, 4)}, false},
		{"tile", "Tile", 1, nil, []int{2, 3}, []*tensor.Tensor{is(2, 3)}, false},
		{"pad", "Pad", 1, nil, []int{2, 3}, []*tensor.Tensor{is(1, -1, 0, 2)}, false},
		{"pad reflect", "Pad", 1, attr.Map{"mode": attr.Str("reflect")}, []int{3, 3}, []*tensor.Tensor{is(2, -1, 1, 2)}, false},
		{"pad edge, axes", "Pad", 1, attr.Map{"mode": attr.Str("edge")}, []int{2, 3}, []*tensor.Tensor{is(2, 1), nil, is(-1)}, false},
		{"pad wrap", "Pad", 1, attr.Map{"mode": attr.Str("wrap")}, []int{3}, []*tensor.Tensor{is(4, 2)}, false},
		{"resize nearest", "Resize", 1, nil, []int{1, 2, 3}, []*tensor.Tensor{nil, fs(1, 2, 1.5)}, false},
		{"resize linear by sizes", "Resize", 1, attr.Map{"mode": attr.Str("linear"), "axes": attr.Ints(1)}, []int{2, 3}, []*tensor.Tensor{nil, nil, is(5)}, false},
		{"resize cubic", "Resize", 1, attr.Map{"mode": attr.Str("cubic")}, []int{4, 3}, []*tensor.Tensor{nil, fs(0.5, 2)}, false},
		{"resize antialias", "Resize", 1, attr.Map{"mode": attr.Str("cubic"), "antialias": attr.Int(1)}, []int{6, 3}, []*tensor.Tensor{nil, fs(0.4, 1.5)}, false},
		{"resize crop", "Resize", 1, attr.Map{"mode": attr.Str("linear"), "coordinate_transformation_mode": attr.Str("tf_crop_and_resize")}, []int{4}, []*tensor.Tensor{fs(0.3, 1.2), fs(1.5)}, false},
		{"dropout", "Dropout", 1, nil, []int{3}, nil, false},
		{"gather gradient", "mlc.GatherGrad", 1, nil, []int{4, 2}, []*tensor.Tensor{is(1, 0, 1, 1), is(3)}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := ir.NewModule("m")
			f := m.AddFunc("main")
			b := ir.NewBuilder(f, -1, Builtin())
			data := tensor.New(dtype.F64, c.dims...)
			for k := range data.Len() {
				data.SetFloat(k, float64(k*k%7)-2.5)
			}
			x := f.AddParam("x", data.Type())
			in := []*ir.Value{x}
			for _, v := range c.more {
				if v == nil {
					in = append(in, nil)
				} else {
					in = append(in, b.Const(*v))
				}
			}
			ys := b.OpN(c.op, c.nout, c.attrs, nil, in...)
			if b.Err() != nil {
				t.Fatal(b.Err())
			}
			env := map[*ir.Value]tensor.Value{x: tensor.V(data)}
			if _, err := runNodes(t.Context(), f.Nodes, env); err != nil {
				t.Fatal(err)
			}
			dy := make([]*ir.Value, c.nout)
			weights := make([]tensor.Tensor, c.nout)
			for k, y := range ys {
				if c.onlyLast && k < c.nout-1 {
					continue
				}
				weights[k] = tensor.New(dtype.F64, addrOf(env[y].Tensor).Dims()...)
				for j := range weights[k].Len() {
					weights[k].SetFloat(j, math.Mod(float64(j)*0.37, 1)+0.1)
				}
				dy[k] = b.Const(weights[k])
			}
			loss := func() float64 {
				env[x] = tensor.V(data)
				if _, err := runNodes(t.Context(), f.Nodes, env); err != nil {
					t.Fatal(err)
				}
				sum := 0.0
				for k, y := range ys {
					v := env[y].Tensor
					for j := 0; weights[k].Valid() && j < v.Len(); j++ {
						sum += v.Float(j) * weights[k].Float(j)
					}
				}
				return sum
			}
			n := ys[0].Node
			dx := n.Def.Grad(b, n, dy)[0]
			if b.Err() != nil {
				t.Fatal(b.Err())
			}
			loss()
			got := env[dx].Tensor.Clone()
			if err := tensor.Exact.CompareTensors(addrOf(tensor.New(dtype.F64, got.Dims()...)), addrOf(tensor.New(dtype.F64, c.dims...))); err != nil {
				t.Fatalf("shape: %v", err)
			}
			for k := range data.Len() {
				at := data.Float(k)
				data.SetFloat(k, at+0.5)
				hi := loss()
				data.SetFloat(k, at-0.5)
				lo := loss()
				data.SetFloat(k, at)
				if d := math.Abs(hi - lo - got.Float(k)); d > 1e-9 {
					t.Errorf("element %d: have %g, differences give %g", k, got.Float(k), hi-lo)
				}
			}
		})
	}
}

func addrOf(t tensor.Tensor) *tensor.Tensor { return &t }
