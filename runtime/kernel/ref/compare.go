package ref

import (
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// Equal is A == B with broadcasting; NaN equals nothing.
func Equal(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return compare(c, in, out, func(a, b float64) bool { return a == b }, func(a, b int64) bool { return a == b },
		func(a, b string) bool { return a == b })
}

// EqualDesc describes Equal.
var EqualDesc = kernel.Desc{ID: "ref.Equal", Op: "ref.Equal", Ref: Equal}

// Less is A < B with broadcasting; NaN compares false.
func Less(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return compare(c, in, out, func(a, b float64) bool { return a < b }, func(a, b int64) bool { return a < b }, nil)
}

// LessDesc describes Less.
var LessDesc = kernel.Desc{ID: "ref.Less", Op: "ref.Less", Ref: Less}

// Greater is A > B with broadcasting; NaN compares false.
func Greater(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return compare(c, in, out, func(a, b float64) bool { return a > b }, func(a, b int64) bool { return a > b }, nil)
}

// GreaterDesc describes Greater.
var GreaterDesc = kernel.Desc{ID: "ref.Greater", Op: "ref.Greater", Ref: Greater}

// LessOrEqual is A <= B with broadcasting; NaN compares false.
func LessOrEqual(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return compare(c, in, out, func(a, b float64) bool { return a <= b }, func(a, b int64) bool { return a <= b }, nil)
}

// LessOrEqualDesc describes LessOrEqual.
var LessOrEqualDesc = kernel.Desc{ID: "ref.LessOrEqual", Op: "ref.LessOrEqual", Ref: LessOrEqual}

// GreaterOrEqual is A >= B with broadcasting; NaN compares false.
func GreaterOrEqual(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return compare(c, in, out, func(a, b float64) bool { return a >= b }, func(a, b int64) bool { return a >= b }, nil)
}

// GreaterOrEqualDesc describes GreaterOrEqual.
var GreaterOrEqualDesc = kernel.Desc{ID: "ref.GreaterOrEqual", Op: "ref.GreaterOrEqual", Ref: GreaterOrEqual}

// compare fills a bool result: floats by ff, integers and bools by fi (in
// their own order), strings by fs.
func compare(c kernel.Ctx, in, out []tensor.Value, ff func(a, b float64) bool, fi func(a, b int64) bool, fs func(a, b string) bool) error {
	a, b := &in[0].Tensor, &in[1].Tensor
	var buf [maxRank]int
	dims, ok := bcastDims(&buf, a.Dims(), b.Dims())
	if !ok {
		return bcastError(a.Dims(), b.Dims())
	}
	y := output(c, out, 0, dtype.Bool, dims...)
	yv := tensor.Slice[bool](y)
	r := newBcastRows(y.Dims(), a.Dims(), b.Dims())
	switch d := a.DType(); d {
	case dtype.F32:
		av, bv := tensor.Slice[float32](a), tensor.Slice[float32](b)
		for i := 0; i < len(yv); i += r.n {
			p, q := r.off[0], r.off[1]
			for j := i; j < i+r.n; j++ {
				yv[j] = ff(float64(av[p]), float64(bv[q]))
				p += r.step[0]
				q += r.step[1]
			}
			r.next()
		}
	case dtype.I64:
		apply2(yv, tensor.Slice[int64](a), tensor.Slice[int64](b), &r, fi)
	case dtype.String:
		apply2(yv, a.Strings(), b.Strings(), &r, fs)
	default:
		float := d.IsFloat()
		for i := 0; i < len(yv); i += r.n {
			for j := range r.n {
				p, q := r.off[0]+j*r.step[0], r.off[1]+j*r.step[1]
				if float {
					yv[i+j] = ff(a.Float(p), b.Float(q))
				} else {
					yv[i+j] = fi(ordered(d, a.Int(p)), ordered(d, b.Int(q)))
				}
			}
			r.next()
		}
	}
	return nil
}
