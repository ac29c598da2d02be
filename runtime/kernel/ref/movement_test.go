package ref

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// plainCtx allocates whatever is asked for.
type plainCtx struct{ context.Context }

func (plainCtx) New(_ int, d dtype.DType, dims ...int) *tensor.Tensor {
	t := tensor.New(d, dims...)
	return &t
}
func (plainCtx) Region(int, []tensor.Value, []tensor.Value) error { return nil }
func (plainCtx) Rand() *rand.Rand                                 { return rand.New(rand.NewPCG(1, 2)) }

// A planned run (outputs in place) must not make garbage.
func TestMovementAllocates(t *testing.T) {
	x := tensor.New(dtype.F32, 2, 3, 8, 8)
	h := tensor.New(dtype.F16, 2, 3, 8, 8)
	is := func(v ...int64) tensor.Value { return tensor.V(tensor.Int64s(v...)) }
	fs := func(v ...float32) tensor.Value { return tensor.V(tensor.MustOf(v, len(v))) }
	resize := func(mode, coord string) attr.Map {
		return attr.Map{"mode": attr.Str(mode), "coordinate_transformation_mode": attr.Str(coord), "nearest_mode": attr.Str("floor"),
			"keep_aspect_ratio_policy": attr.Str("stretch"), "cubic_coeff_a": attr.Float(-0.75)}
	}
	cases := []struct {
		f    kernel.RefFunc
		name string
		a    attr.Map
		in   []tensor.Value
		nout int
	}{
		{Reshape, "Reshape", nil, []tensor.Value{tensor.V(x), is(0, -1, 4)}, 1},
		{Flatten, "Flatten", attr.Map{"axis": attr.Int(1)}, tensor.Vs(x), 1},
		{Squeeze, "Squeeze", nil, []tensor.Value{tensor.V(tensor.New(dtype.F32, 1, 4)), is(0)}, 1},
		{Unsqueeze, "Unsqueeze", nil, []tensor.Value{tensor.V(x), is(0, -1)}, 1},
		{Identity, "Identity", nil, tensor.Vs(x), 1},
		{Shape, "Shape", nil, tensor.Vs(x), 1},
		{ConstantOfShape, "ConstantOfShape", nil, []tensor.Value{is(2, 3)}, 1},
		{Dropout, "Dropout", nil, tensor.Vs(x), 2},
		{Transpose, "Transpose", attr.Map{"perm": attr.Ints(0, 2, 3, 1)}, tensor.Vs(x), 1},
		{Transpose, "Transpose f16", nil, tensor.Vs(h), 1},
		{Concat, "Concat", attr.Map{"axis": attr.Int(1)}, tensor.Vs(x, x), 1},
		{Split, "Split", attr.Map{"axis": attr.Int(2)}, tensor.Vs(x), 3},
		{Slice, "Slice", nil, []tensor.Value{tensor.V(x), is(1, -1), is(7, -9), is(2, 3), is(2, -1)}, 1},
		{Expand, "Expand", nil, []tensor.Value{tensor.V(x), is(4, 1, 1, 1, 1)}, 1},
		{Tile, "Tile", nil, []tensor.Value{tensor.V(x), is(1, 2, 1, 2)}, 1},
		{Pad, "Pad", attr.Map{"mode": attr.Str("constant")}, []tensor.Value{tensor.V(x), is(0, 0, 1, 1, 0, 0, -1, 1)}, 1},
		{Pad, "Pad reflect", attr.Map{"mode": attr.Str("reflect")}, []tensor.Value{tensor.V(x), is(0, 0, 1, 1, 0, 0, -1, 1)}, 1},
		{Gather, "Gather", attr.Map{"axis": attr.Int(1)}, []tensor.Value{tensor.V(x), is(0, -1)}, 1},
		{Resize, "Resize nearest", resize("nearest", "asymmetric"), []tensor.Value{tensor.V(x), {}, fs(1, 1, 2, 2)}, 1},
		{Resize, "Resize linear", resize("linear", "half_pixel"), []tensor.Value{tensor.V(x), {}, {}, is(2, 3, 5, 9)}, 1},
		{Resize, "Resize cubic f16", resize("cubic", "align_corners"), []tensor.Value{tensor.V(h), {}, fs(1, 1, 2, 2)}, 1},
		{Upsample, "Upsample", attr.Map{"mode": attr.Str("nearest")}, []tensor.Value{tensor.V(x), fs(1, 1, 2, 2)}, 1},
	}
	for _, c := range cases {
		if n := plannedAllocs(t, c.f, c.in, c.nout, c.a); n != 0 {
			t.Errorf("%s allocates %v times", c.name, n)
		}
	}
}

// plannedAllocs runs f once to learn the outputs, then counts.
func plannedAllocs(t *testing.T, f kernel.RefFunc, in []tensor.Value, nout int, a attr.Map) float64 {
	t.Helper()
	var c kernel.Ctx = plainCtx{t.Context()}
	out := make([]tensor.Value, nout)
	if err := f(c, in, out, a); err != nil {
		t.Fatal(err)
	}
	return testing.AllocsPerRun(10, func() {
		if err := f(c, in, out, a); err != nil {
			t.Error(err)
		}
	})
}
