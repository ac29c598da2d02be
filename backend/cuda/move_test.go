package cuda_test

import (
	"flag"
	"math"
	"slices"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/build"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// close32 is what the order of additions may change.
var close32 = tensor.Custom(1e-5, 1e-6)

func reduced(name string, axes ...int64) func(b *build.B, x *ir.Value) []*ir.Value {
	return func(b *build.B, x *ir.Value) []*ir.Value {
		var list *ir.Value
		if axes != nil {
			list = b.Ints(axes...)
		}
		return []*ir.Value{b.Op(name, nil, x, list), b.Op(name, attr.Map{"keepdims": attr.Int(0)}, x, list)}
	}
}

var reductions = []graph{
	{name: "sum of few", dims: []int{0, 7}, body: reduced("ReduceSum", 1)},
	{name: "sum of one", dims: []int{0, 1}, body: reduced("ReduceSum", 1)},
	{name: "mean by warps", dims: []int{0, 3, 37}, body: reduced("ReduceMean", 2, 1)},
	{name: "mean of 256", dims: []int{0, 256}, body: reduced("ReduceMean", -1)},
	{name: "mean of the batch", dims: []int{0, 5, 3}, body: reduced("ReduceMean", 0), n: []int{1, 3, 67}},
	{name: "sum of the batch", dims: []int{0, 5, 3}, body: reduced("ReduceSum", 0)},
	{name: "max by blocks", dims: []int{0, 1031}, body: reduced("ReduceMax", 1)},
	{name: "max of all", dims: []int{0, 11, 97}, body: reduced("ReduceMax")},
	{name: "min of the outer axes", dims: []int{3, 0, 41}, body: reduced("ReduceMin", 0, 1), n: []int{0, 1, 67}},
	{name: "product of the middle", dims: []int{2, 0, 17, 3}, body: reduced("ReduceProd", 2), tol: tensor.Custom(1e-5, 0)},
	{name: "sum of squares beside", dims: []int{0, 33, 40}, body: reduced("ReduceSumSquare", 1)},
	{name: "l1 of both ends", dims: []int{0, 3, 5, 7}, body: reduced("ReduceL1", 1, 3)},
	{name: "l2 by a large block", dims: []int{0, 40000}, body: reduced("ReduceL2", 1), n: []int{2}},
	{name: "l2 of halves", dt: dtype.F16, dims: []int{0, 35}, body: reduced("ReduceL2", 1), tol: tensor.Custom(2e-3, 1e-3)},
	{name: "softmax of few", dims: []int{0, 7}, body: softmax(-1)},
	{name: "softmax of one", dims: []int{0, 1}, body: softmax(1)},
	{name: "softmax by warps", dims: []int{0, 3, 67}, body: softmax(-1)},
	{name: "softmax by blocks", dims: []int{0, 1031}, body: softmax(1)},
	{name: "softmax of many by warps", dims: []int{0, 33}, body: softmax(1), n: []int{4097}},
	{name: "softmax of columns", dims: []int{0, 37, 5}, body: softmax(1)},
	{name: "softmax of channels", dims: []int{0, 65, 37}, body: softmax(1), n: []int{3, 120}},
	{name: "softmax of the batch", dims: []int{0, 5}, body: softmax(0), n: []int{0, 1, 67}},
	{name: "softmax of large numbers", dims: []int{0, 67}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return softmax(1)(b, b.Mul(x, b.Scalar(dtype.F32, 300)))
	}},
	{name: "softmax of large numbers by blocks", dims: []int{0, 1031}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return softmax(1)(b, b.Mul(x, b.Scalar(dtype.F32, 300)))
	}},
	{name: "global average", dims: []int{0, 3, 13, 13}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.GlobalAveragePool(x))
	}},
	{name: "global maximum", dims: []int{0, 3, 13, 5}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Op("GlobalMaxPool", nil, x))
	}},
	{name: "global average of one axis", dims: []int{0, 3, 5}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.GlobalAveragePool(x))
	}},
}

func softmax(axis int64) func(b *build.B, x *ir.Value) []*ir.Value {
	return func(b *build.B, x *ir.Value) []*ir.Value {
		return []*ir.Value{b.Softmax(x, build.Axis(axis)), b.LogSoftmax(x, build.Axis(axis))}
	}
}

func pools(size []int64, attrs ...build.Attr) func(b *build.B, x *ir.Value) []*ir.Value {
	return func(b *build.B, x *ir.Value) []*ir.Value {
		return []*ir.Value{b.MaxPool(x, size, attrs...), b.AveragePool(x, size, attrs...),
			b.AveragePool(x, size, append(attrs[:len(attrs):len(attrs)], build.CountIncludePad(1))...)}
	}
}

var poolings = []graph{
	{name: "pool 2x2", dims: []int{0, 3, 8, 10}, body: pools([]int64{2, 2}, build.Strides(2, 2))},
	{name: "pool 3x3 padded", dims: []int{0, 2, 7, 9}, body: pools([]int64{3, 3}, build.Strides(2, 1), build.Pads(1, 1, 1, 1))},
	{name: "pool with uneven pads", dims: []int{0, 2, 7, 9}, body: pools([]int64{3, 2}, build.Pads(0, 1, 2, 0))},
	{name: "pool 7x7 dilated", dims: []int{0, 1, 17, 15}, body: pools([]int64{7, 5}, build.Dilations(2, 3), build.Pads(3, 2, 3, 2))},
	{name: "pool rounded up", dims: []int{0, 2, 8, 9}, body: pools([]int64{3, 3}, build.Strides(2, 3), build.CeilMode(1), build.Pads(1, 0, 1, 1))},
	{name: "pool same upper", dims: []int{0, 2, 8, 9}, body: pools([]int64{3, 2}, build.Strides(2, 2), build.AutoPad("SAME_UPPER"))},
	{name: "pool same lower", dims: []int{0, 2, 8, 9}, body: pools([]int64{4, 2}, build.Strides(1, 2), build.AutoPad("SAME_LOWER"))},
	{name: "pool of one axis", dims: []int{0, 5, 31}, body: pools([]int64{5}, build.Strides(3), build.Pads(2, 1))},
	{name: "pool of three axes", dims: []int{0, 2, 5, 6, 4}, body: pools([]int64{3, 2, 5}, build.Strides(2, 1, 1), build.Pads(1, 0, 2, 1, 1, 2))},
	{name: "pool open", dims: []int{2, 3, 0, 6}, body: pools([]int64{3, 3}, build.Strides(2, 2), build.Pads(1, 1, 1, 1)), n: []int{1, 2, 9}},
	{name: "pool open same", dims: []int{2, 3, 0, 6}, body: pools([]int64{3, 3}, build.Strides(2, 2), build.AutoPad("SAME_LOWER")), n: []int{1, 2, 9}},
	{name: "pool open rounded up", dims: []int{2, 1, 0, 6}, body: pools([]int64{2, 2}, build.Strides(2, 2), build.CeilMode(1)), n: []int{2, 3, 9}},
}

func transposed(perm ...int64) func(b *build.B, x *ir.Value) []*ir.Value {
	return func(b *build.B, x *ir.Value) []*ir.Value { return one(b.Transpose(x, build.Perm(perm...))) }
}

func sliced(starts, ends, axes, steps []int64) func(b *build.B, x *ir.Value) []*ir.Value {
	return func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Slice(x, b.Ints(starts...), b.Ints(ends...), b.Ints(axes...), b.Ints(steps...)))
	}
}

func padded(mode string, pads []int64, axes ...int64) func(b *build.B, x *ir.Value) []*ir.Value {
	return func(b *build.B, x *ir.Value) []*ir.Value {
		var list *ir.Value
		if axes != nil {
			list = b.Ints(axes...)
		}
		return one(b.Pad(x, b.Ints(pads...), nil, list, build.Mode(mode)))
	}
}

func joined(axis int64, more ...[]int) func(b *build.B, x *ir.Value) []*ir.Value {
	return func(b *build.B, x *ir.Value) []*ir.Value {
		list := []*ir.Value{x}
		for i, d := range more {
			t, err := tensor.Random(x.Type.DType, uint64(i), d...)
			if err != nil {
				b.Fail(err)
			}
			list = append(list, b.Const(t), x)
		}
		return one(b.Concat(list, axis))
	}
}

func resized(mode, coord, nearest string, scales ...float32) func(b *build.B, x *ir.Value) []*ir.Value {
	return func(b *build.B, x *ir.Value) []*ir.Value {
		t := tensor.New(dtype.F32, len(scales))
		copy(tensor.Slice[float32](&t), scales)
		attrs := []build.Attr{build.Mode(mode), build.CoordinateTransformationMode(coord)}
		if nearest != "" {
			attrs = append(attrs, build.NearestMode(nearest))
		}
		return one(b.Resize(x, nil, b.Const(t), nil, attrs...))
	}
}

var moves = []graph{
	{name: "transpose 2", dims: []int{0, 45}, body: transposed(1, 0), n: []int{0, 1, 3, 70}},
	{name: "transpose of planes", dims: []int{0, 3, 33, 65}, body: transposed(0, 1, 3, 2)},
	{name: "transpose to channels last", dims: []int{0, 17, 5, 7}, body: transposed(0, 2, 3, 1)},
	{name: "transpose of three channels", dims: []int{0, 4, 5, 3}, body: transposed(0, 3, 1, 2)},
	{name: "transpose that keeps the last", dims: []int{0, 3, 2, 8}, body: transposed(2, 0, 1, 3)},
	{name: "transpose of all", dims: []int{2, 3, 0, 5}, body: transposed(3, 2, 1, 0)},
	{name: "transpose of far tiles", dims: []int{0, 20, 3, 35}, body: transposed(3, 0, 2, 1)},
	{name: "transpose of nothing", dims: []int{0, 1, 1}, body: transposed(2, 0, 1)},
	{name: "transpose of bytes", dt: dtype.U8, dims: []int{0, 40, 33}, body: transposed(2, 0, 1)},
	{name: "transpose of i64", dt: dtype.I64, dims: []int{0, 40, 33}, body: transposed(0, 2, 1)},
	{name: "transpose of halves", dt: dtype.F16, dims: []int{0, 40, 33}, body: transposed(0, 2, 1)},
	{name: "slice", dims: []int{0, 9, 8}, body: sliced([]int64{1, 5}, []int64{9, -9}, []int64{1, 2}, []int64{2, -1})},
	{name: "slice of channels", dims: []int{0, 6, 4, 4}, body: sliced([]int64{2}, []int64{5}, []int64{1}, []int64{1})},
	{name: "slice of an open axis", dims: []int{5, 0, 3}, body: sliced([]int64{-2, 1}, []int64{math.MaxInt64, 4}, []int64{1, 0}, []int64{1, 3}), lo: 2, n: []int{2, 3, 7}},
	{name: "slice of one", dims: []int{0, 6}, body: sliced([]int64{-1}, []int64{100}, []int64{-1}, []int64{7})},
	{name: "slice turned round", dt: dtype.I32, dims: []int{0, 6}, body: sliced([]int64{100}, []int64{-100}, []int64{1}, []int64{-1})},
	{name: "pad", dims: []int{0, 3, 5, 6}, body: padded("constant", []int64{0, 0, 1, 2, 0, 0, 3, 0})},
	{name: "pad of channels", dims: []int{0, 3, 4, 4}, body: padded("constant", []int64{2, 1}, 1)},
	{name: "pad with a value", dims: []int{0, 3, 4}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Pad(x, b.Ints(0, 1, 0, 0, 2, 0), b.Scalar(dtype.F32, -2), nil))
	}},
	{name: "pad that takes away", dims: []int{0, 6, 5}, body: padded("constant", []int64{-2, 1, -1, -3}, 1, 2)},
	{name: "pad the batch", dims: []int{0, 3}, body: padded("constant", []int64{2, 1}, 0)},
	{name: "pad by reflection", dims: []int{0, 3, 5}, body: padded("reflect", []int64{2, 1, 2, 4}, 1, 2)},
	{name: "pad by reflections", dims: []int{0, 3}, body: padded("reflect", []int64{7, 9}, 1)},
	{name: "pad by edges", dims: []int{0, 3, 1}, body: padded("edge", []int64{2, 1, 2, 4}, 1, 2)},
	{name: "pad around", dims: []int{0, 3, 5}, body: padded("wrap", []int64{5, -1, 4, 7}, 1, 2)},
	{name: "concat", dims: []int{3, 5}, body: joined(1, []int{3, 4}, []int{3, 1})},
	{name: "concat of channels", dims: []int{2, 4, 3, 4}, body: joined(-3, []int{2, 1, 3, 4})},
	{name: "concat of the batch", dims: []int{0, 3}, body: joined(0, []int{2, 3}, []int{1, 3})},
	{name: "concat of many", dims: []int{0, 2}, body: joined(0, slices.Repeat([][]int{{1, 2}, {3, 2}}, 10)...)},
	{name: "concat of bytes", dt: dtype.U8, dims: []int{0, 8}, body: joined(0, []int{2, 8})},
	{name: "split", dims: []int{0, 7, 3}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return b.Split(3, x, b.Ints(2, 1, 4), build.Axis(1))
	}},
	{name: "split with a part of nothing", dims: []int{0, 7}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		y := b.Split(3, x, b.Ints(2, 0, 5), build.Axis(1))
		return append(y, b.Concat([]*ir.Value{y[2], y[1], y[0]}, 1))
	}},
	{name: "slice of nothing", dims: []int{0, 6}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return []*ir.Value{b.Slice(x, b.Ints(4), b.Ints(2), b.Ints(1), nil), b.Neg(x)}
	}},
	{name: "gather", dims: []int{0, 5, 4}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return []*ir.Value{b.Gather(x, b.Ints(1, -1, 0, -5, 4), build.Axis(1)), b.Gather(x, b.Scalar(dtype.I32, -2), build.Axis(2))}
	}},
	{name: "gather by bytes", dt: dtype.U8, dims: []int{0, 5}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		w, err := tensor.Random(dtype.F32, 3, 256, 6)
		if err != nil {
			b.Fail(err)
		}
		return one(b.Gather(b.Const(w), b.Cast(x, 7), build.Axis(0)))
	}},
	{name: "where", dims: []int{0, 3, 1}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Where(b.Const(flags(2)), x, b.Scalar(dtype.F32, 3)))
	}},
	{name: "expand", dims: []int{0, 1, 4}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		return one(b.Expand(x, b.Ints(2, 1, 3, 1)))
	}},
	{name: "tile", dims: []int{0, 3}, body: func(b *build.B, x *ir.Value) []*ir.Value { return one(b.Tile(x, b.Ints(2, 3))) }},
	{name: "shape", dims: []int{0, 3}, body: func(b *build.B, x *ir.Value) []*ir.Value {
		s := b.Shape(x)
		return []*ir.Value{s, b.ConstantOfShape(s), b.Cast(s, 6)}
	}},
	{name: "casts of i8", dt: dtype.I8, dims: []int{0, 7}, body: casts(1, 10, 2, 3, 4, 5, 6, 7, 9, 12, 13)},
	{name: "casts of u8", dt: dtype.U8, dims: []int{0, 7}, body: casts(1, 10, 3, 4, 5, 6, 7, 9, 12, 13)},
	{name: "casts of i16", dt: dtype.I16, dims: []int{0, 7}, body: casts(1, 2, 3, 4, 6, 7, 9, 13)},
	{name: "casts of u16", dt: dtype.U16, dims: []int{0, 7}, body: casts(1, 2, 3, 5, 6, 7, 9)},
	{name: "casts of i32", dt: dtype.I32, dims: []int{0, 7}, body: casts(1, 2, 3, 5, 7, 9, 12, 13)},
	{name: "casts of i64", dt: dtype.I64, dims: []int{0, 7}, body: casts(2, 3, 5, 6, 12, 13)},
	{name: "resize by whole factors", dims: []int{0, 3, 4, 5}, body: resized("nearest", "asymmetric", "floor", 1, 1, 2, 3)},
	{name: "resize open", dims: []int{1, 2, 0, 5}, body: resized("nearest", "half_pixel", "", 1, 1, 2, 2)},
}

var resizes = []graph{
	{name: "resize down", dims: []int{2, 3, 7, 5}, body: resized("nearest", "half_pixel", "round_prefer_ceil", 1, 1, 0.6, 1.7)},
	{name: "resize linear", dims: []int{2, 3, 4, 5}, body: resized("linear", "half_pixel", "", 1, 1, 2, 1.5)},
	{name: "resize linear corners", dims: []int{2, 3, 4, 5}, body: resized("linear", "align_corners", "", 1, 1, 3, 0.7)},
	{name: "resize cubic", dims: []int{1, 2, 6, 5}, body: resized("cubic", "half_pixel", "", 1, 1, 2, 1.3)},
	{name: "resize linear halves", dt: dtype.F16, dims: []int{1, 2, 6, 5}, body: resized("linear", "asymmetric", "", 1, 1, 2, 1), tol: tensor.Custom(1e-3, 1e-3)},
}

func flags(n int) tensor.Tensor {
	t := tensor.New(dtype.Bool, n, 1, 3, 5)
	for i := range t.Len() {
		t.SetInt(i, int64(i*i%5%2))
	}
	return t
}

func casts(to ...int64) func(b *build.B, x *ir.Value) []*ir.Value {
	return func(b *build.B, x *ir.Value) []*ir.Value {
		var out []*ir.Value
		for _, d := range to {
			out = append(out, b.Cast(x, d))
		}
		return out
	}
}

// graphs are all, those that add with their tolerance.
func graphs() []graph {
	var list []graph
	for i, part := range [][]graph{reductions, poolings, resizes, products, moves} {
		for _, g := range part {
			if g.tol.Name == "" && i < 4 {
				g.tol = close32
			}
			if g.dt == dtype.Invalid {
				g.dt = dtype.F32
			}
			list = append(list, g)
		}
	}
	return list
}

// Every kernel gives what the interpreter of modules gives.
func TestKernels(t *testing.T) {
	for _, g := range graphs() {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			g.check(t)
		})
	}
}

// Every kernel assembles, without spills. The flag is that of the package's own
// tests.
func TestAssemble(t *testing.T) {
	for _, g := range graphs() {
		t.Run(g.name, func(t *testing.T) { g.assemble(t, flag.Lookup("ptxas").Value.String()) })
	}
}

// What is empty, and indices that nobody knows, are the host's.
func TestMovesOnHost(t *testing.T) {
	run(t, []kernelCase{
		{name: "empty", host: []string{"slice", "transpose", "softmax.f32"}, exact: true, text: `func main(%x: f32[4,6], %z: f32[2000,0,2]) -> (%y: f32[4,6], %s: f32[4,0], %t: f32[2,2000,0], %u: f32[2000,0,2]) {
	%y = Relu %x : f32[4,6]
	%from = Constant {value_ints=[4]} : i64[1]
	%to = Constant {value_ints=[2]} : i64[1]
	%axis = Constant {value_ints=[1]} : i64[1]
	%s = Slice %x, %from, %to, %axis : f32[4,0]
	%t = Transpose %z {perm=[2,0,1]} : f32[2,2000,0]
	%u = Softmax %z {axis=0} : f32[2000,0,2]
	return %y, %s, %t, %u
}
`},
		{name: "indices", host: []string{"ref.Gather"}, exact: true, inputs: func(i int, x *tensor.Tensor) {
			for k := 0; i == 1 && k < x.Len(); k++ {
				x.SetInt(k, int64(k*3%8-4))
			}
		}, text: `func main(%x: f32[4,6], %i: i64[5]) -> (%y: f32[5,6]) {
	%a = Relu %x : f32[4,6]
	%y = Gather %a, %i : f32[5,6]
	return %y
}
`},
	})
}

// Which operand is broadcast is known when the kernel runs.
func TestBroadcastOpen(t *testing.T) {
	for _, d := range []map[string]int64{{"N": 1, "M": 3}, {"N": 3, "M": 1}, {"N": 3, "M": 3}, {"N": 1, "M": 1}, {"N": 0, "M": 1}, {"N": 300, "M": 1}} {
		kernelCase{exact: true, dims: d, text: `dim N 0..999
dim M 0..999
func main(%x: f32[N,2], %z: f32[2,M,1], %w: f32[N,1]) -> (%y: f32[2,bcast(M,N),2], %e: f32[2,bcast(N,bcast(M,N)),2]) {
	%y = Add %x, %z : f32[2,bcast(M,N),2]
	%zero = Constant {value_float=0.0} : f32[]
	%c = Less %z, %zero : bool[2,M,1]
	%e = Where %c, %x, %w : f32[2,bcast(N,bcast(M,N)),2]
	return %y, %e
}
`, host: []string{"ref.Less", "less.f32"}}.check(t)
	}
}
