package ref

import (
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// And is A and B with broadcasting.
func And(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return logic(c, in, out, func(a, b bool) bool { return a && b })
}

// AndDesc describes And.
var AndDesc = kernel.Desc{ID: "ref.And", Op: "ref.And", Ref: And}

// Or is A or B with broadcasting.
func Or(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return logic(c, in, out, func(a, b bool) bool { return a || b })
}

// OrDesc describes Or.
var OrDesc = kernel.Desc{ID: "ref.Or", Op: "ref.Or", Ref: Or}

// Xor is A or B but not both, with broadcasting.
func Xor(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	return logic(c, in, out, func(a, b bool) bool { return a != b })
}

// XorDesc describes Xor.
var XorDesc = kernel.Desc{ID: "ref.Xor", Op: "ref.Xor", Ref: Xor}

// Not is true where x is false.
func Not(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	x := &in[0].Tensor
	yv := tensor.Slice[bool](output(c, out, 0, dtype.Bool, x.Dims()...))
	for i, v := range tensor.Slice[bool](x) {
		yv[i] = !v
	}
	return nil
}

// NotDesc describes Not.
var NotDesc = kernel.Desc{ID: "ref.Not", Op: "ref.Not", Ref: Not}

func logic(c kernel.Ctx, in, out []tensor.Value, f func(a, b bool) bool) error {
	a, b := &in[0].Tensor, &in[1].Tensor
	var buf [maxRank]int
	dims, ok := bcastDims(&buf, a.Dims(), b.Dims())
	if !ok {
		return bcastError(a.Dims(), b.Dims())
	}
	y := output(c, out, 0, dtype.Bool, dims...)
	r := newBcastRows(y.Dims(), a.Dims(), b.Dims())
	apply2(tensor.Slice[bool](y), tensor.Slice[bool](a), tensor.Slice[bool](b), &r, f)
	return nil
}

// Where is X where the condition holds, else Y, with broadcasting of all
// three, for every element type.
func Where(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	k, a, b := &in[0].Tensor, &in[1].Tensor, &in[2].Tensor
	var buf, tmp [maxRank]int
	dims, ok := bcastDims(&tmp, a.Dims(), b.Dims())
	if !ok {
		return bcastError(a.Dims(), b.Dims())
	}
	dims, ok = bcastDims(&buf, dims, k.Dims())
	if !ok {
		return bcastError(dims, k.Dims())
	}
	y := output(c, out, 0, a.DType(), dims...)
	kv := tensor.Slice[bool](k)
	r := newBcastRows(y.Dims(), k.Dims(), a.Dims(), b.Dims())
	switch {
	case a.DType() == dtype.String:
		choose(y.Strings(), a.Strings(), b.Strings(), kv, &r)
	case a.DType().Size() == 1:
		choose(tensor.Slice[uint8](y), tensor.Slice[uint8](a), tensor.Slice[uint8](b), kv, &r)
	case a.DType().Size() == 2:
		choose(tensor.Slice[uint16](y), tensor.Slice[uint16](a), tensor.Slice[uint16](b), kv, &r)
	case a.DType().Size() == 4:
		choose(tensor.Slice[uint32](y), tensor.Slice[uint32](a), tensor.Slice[uint32](b), kv, &r)
	case a.DType().Size() == 8:
		choose(tensor.Slice[uint64](y), tensor.Slice[uint64](a), tensor.Slice[uint64](b), kv, &r)
	default:
		choose(tensor.Slice[complex128](y), tensor.Slice[complex128](a), tensor.Slice[complex128](b), kv, &r)
	}
	return nil
}

// WhereDesc describes Where.
var WhereDesc = kernel.Desc{ID: "ref.Where", Op: "ref.Where", Ref: Where}

func choose[T any](y, a, b []T, k []bool, r *bcastRows) {
	for i := 0; i < len(y); i += r.n {
		o, p, q := r.off[0], r.off[1], r.off[2]
		for j := i; j < i+r.n; j++ {
			if k[o] {
				y[j] = a[p]
			} else {
				y[j] = b[q]
			}
			o += r.step[0]
			p += r.step[1]
			q += r.step[2]
		}
		r.next()
	}
}
