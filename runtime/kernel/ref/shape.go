package ref

import (
	"slices"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// Reshape gives the elements another shape: 0 copies the extent of the same
// axis (unless allowzero), -1 takes what is left.
func Reshape(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x := &in[0].Tensor
	var req [2 * maxRank]int
	dims, err := intsInto(&req, &in[1].Tensor)
	if err != nil {
		return err
	}
	if err := reshapeDims(x.Dims(), dims, a.Bool("allowzero")); err != nil {
		return err
	}
	moveAll(output(c, out, 0, x.DType(), dims...), x)
	return nil
}

// ReshapeDesc describes Reshape.
var ReshapeDesc = kernel.Desc{ID: "ref.Reshape", Op: "ref.Reshape", Ref: Reshape}

// reshapeDims resolves 0 and -1 in dims in place and checks the count. Where
// extents of 0 are copied, -1 is the quotient of the extents other than 0, as
// it would be for any other size of the empty axes.
func reshapeDims(x, dims []int, allowzero bool) error {
	open, rest, zeros := -1, 1, 0
	for i, d := range dims {
		if d == 0 && !allowzero {
			if i >= len(x) {
				return diag.New(diag.Shape, "shape %v copies axis %d of %v", slices.Clone(dims), i, x)
			}
			d = x[i]
			dims[i] = d
		}
		switch {
		case d == -1 && open >= 0:
			return diag.New(diag.Shape, "shape %v has two -1", slices.Clone(dims))
		case d == -1:
			open = i
		case d < 0:
			return diag.New(diag.Shape, "shape %v has a negative extent", slices.Clone(dims))
		case d == 0:
			zeros++
		default:
			rest *= d
		}
	}
	total, xzeros := 1, 0
	for _, d := range x {
		if d == 0 {
			xzeros++
		} else {
			total *= d
		}
	}
	if open >= 0 && zeros == xzeros && rest > 0 && total%rest == 0 {
		dims[open] = total / rest
		return nil
	}
	if open >= 0 && zeros == 0 && xzeros > 0 {
		dims[open] = 0
		return nil
	}
	if n, ok := tensor.Count(dims); open >= 0 || !ok || n != product(x) {
		return diag.New(diag.Shape, "shape %v cannot hold the elements of %v", slices.Clone(dims), x)
	}
	return nil
}

// Flatten gives a matrix: the extents before axis, and those from it on.
func Flatten(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	x := &in[0].Tensor
	k := a.Int("axis")
	if k < 0 {
		k += x.Rank()
	}
	if k < 0 || k > x.Rank() {
		return diag.New(diag.Shape, "axis %d of rank %d", a.Int("axis"), x.Rank())
	}
	moveAll(output(c, out, 0, x.DType(), product(x.Dims()[:k]), product(x.Dims()[k:])), x)
	return nil
}

// FlattenDesc describes Flatten.
var FlattenDesc = kernel.Desc{ID: "ref.Flatten", Op: "ref.Flatten", Ref: Flatten}

// axisSet reads an axes operand as a set of axes of a tensor of that rank.
func axisSet(t *tensor.Tensor, rank int) (set [2 * maxRank]bool, err error) {
	if err := rankFits(rank); err != nil {
		return set, err
	}
	for i := range t.Len() {
		k, err := normAxisIn(satInt(t.Int(i)), rank)
		if err != nil {
			return set, err
		}
		if set[k] {
			return set, diag.New(diag.Shape, "axis %d is named twice", k)
		}
		set[k] = true
	}
	return set, nil
}

// Squeeze removes the axes named, or all of extent 1.
func Squeeze(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	x := &in[0].Tensor
	all := !present(in, 1)
	var set [2 * maxRank]bool
	err := rankFits(x.Rank())
	if !all && err == nil {
		set, err = axisSet(&in[1].Tensor, x.Rank())
	}
	if err != nil {
		return err
	}
	var buf [maxRank]int
	dims := buf[:0]
	for i, d := range x.Dims() {
		switch {
		case set[i] && d != 1:
			return diag.New(diag.Shape, "axis %d of %v is squeezed", i, x.Dims())
		case !set[i] && !(all && d == 1):
			dims = append(dims, d)
		}
	}
	moveAll(output(c, out, 0, x.DType(), dims...), x)
	return nil
}

// SqueezeDesc describes Squeeze.
var SqueezeDesc = kernel.Desc{ID: "ref.Squeeze", Op: "ref.Squeeze", Ref: Squeeze}

// Unsqueeze inserts axes of extent 1 at the positions named, which count in
// the result.
func Unsqueeze(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	x := &in[0].Tensor
	rank := x.Rank() + in[1].Tensor.Len()
	set, err := axisSet(&in[1].Tensor, rank)
	if err != nil {
		return err
	}
	var buf [maxRank]int
	dims := buf[:rank]
	for i, k := 0, 0; i < rank; i++ {
		dims[i] = 1
		if !set[i] {
			dims[i] = x.Dim(k)
			k++
		}
	}
	moveAll(output(c, out, 0, x.DType(), dims...), x)
	return nil
}

// UnsqueezeDesc describes Unsqueeze.
var UnsqueezeDesc = kernel.Desc{ID: "ref.Unsqueeze", Op: "ref.Unsqueeze", Ref: Unsqueeze}

// Identity copies its input, whatever it is.
func Identity(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	copyValue(c, out, 0, &in[0])
	return nil
}

// IdentityDesc describes Identity.
var IdentityDesc = kernel.Desc{ID: "ref.Identity", Op: "ref.Identity", Ref: Identity}

// Shape gives the extents of axes start..end-1 as i64; both count from the
// back if negative and are clamped.
func Shape(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	dims := in[0].Tensor.Dims()
	lo, hi := ShapeSpan(a, len(dims))
	y := output(c, out, 0, dtype.I64, hi-lo)
	for i := lo; i < hi; i++ {
		y.SetInt(i-lo, int64(dims[i]))
	}
	return nil
}

// ShapeDesc describes Shape.
var ShapeDesc = kernel.Desc{ID: "ref.Shape", Op: "ref.Shape", Ref: Shape}

// ShapeSpan is the range of axes that Shape's attributes select.
func ShapeSpan(a attr.Map, rank int) (lo, hi int) {
	clamp := func(k int) int {
		if k < 0 {
			k += rank
		}
		return min(max(k, 0), rank)
	}
	lo, hi = clamp(a.Int("start")), rank
	if a.Has("end") {
		hi = clamp(a.Int("end"))
	}
	return lo, max(lo, hi)
}

// Constant gives the tensor that its one attribute holds.
func Constant(c kernel.Ctx, _, out []tensor.Value, a attr.Map) error {
	t, err := ConstantValue(a)
	if err != nil {
		return err
	}
	v := tensor.V(t)
	copyValue(c, out, 0, &v)
	return nil
}

// ConstantDesc describes Constant.
var ConstantDesc = kernel.Desc{ID: "ref.Constant", Op: "ref.Constant", Ref: Constant}

// ConstantValue makes the tensor of a Constant node: value, value_float(s),
// value_int(s) or value_string(s). Error: none or several of them.
func ConstantValue(a attr.Map) (tensor.Tensor, error) {
	if len(a) != 1 {
		return tensor.Tensor{}, diag.New(diag.BadModel, "have %d attributes, want one of value, value_float, value_floats, value_int, value_ints, value_string, value_strings", len(a))
	}
	switch name := a.Names()[0]; name {
	case "value":
		return *a.Tensor(name), nil
	case "value_float":
		return tensor.Of([]float32{a.Float(name)})
	case "value_floats":
		return tensor.Of(a.Floats(name), len(a.Floats(name)))
	case "value_int":
		return tensor.Of([]int64{a[name].Int})
	case "value_ints":
		return tensor.Of(a.Ints(name), len(a.Ints(name)))
	case "value_string":
		return tensor.OfStrings([]string{a.Str(name)})
	case "value_strings":
		return tensor.OfStrings(a.Strs(name), len(a.Strs(name)))
	}
	return tensor.Tensor{}, diag.New(diag.Unsupported, "attribute %s (supported: value, value_float, value_floats, value_int, value_ints, value_string, value_strings)", a.Names()[0])
}

// ConstantOfShape fills the shape that its input holds with attribute value,
// a one-element tensor, or with f32 zeros.
func ConstantOfShape(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	var buf [2 * maxRank]int
	dims, err := intsInto(&buf, &in[0].Tensor)
	if err != nil {
		return err
	}
	d, v := dtype.F32, a.Tensor("value")
	if v != nil {
		d = v.DType()
	}
	y, err := outputOf(c, out, 0, d, dims...)
	if err != nil {
		return err
	}
	fillWith(y, v)
	return nil
}

// ConstantOfShapeDesc describes ConstantOfShape.
var ConstantOfShapeDesc = kernel.Desc{ID: "ref.ConstantOfShape", Op: "ref.ConstantOfShape", Ref: ConstantOfShape}

// Dropout copies its input outside training; in training each element is
// dropped with probability ratio and the others grow by 1/(1-ratio). The mask
// is true where an element was kept.
func Dropout(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	x := &in[0].Tensor
	train := present(in, 2) && in[2].Tensor.Int(0) != 0
	ratio := 0.5
	if present(in, 1) {
		ratio = in[1].Tensor.Float(0)
	}
	y := output(c, out, 0, x.DType(), x.Dims()...)
	var mask *tensor.Tensor
	if wanted(out, 1) {
		mask = output(c, out, 1, dtype.Bool, x.Dims()...)
		for i := range mask.Bytes() {
			mask.Bytes()[i] = 1
		}
	}
	if !train || ratio == 0 {
		moveAll(y, x)
		return nil
	}
	if !(ratio >= 0 && ratio < 1) {
		return diag.New(diag.BadData, "ratio %v, want 0 <= ratio < 1", ratio)
	}
	r, scale := c.Rand(), 1/(1-ratio)
	for i := range x.Len() {
		if r.Float64() >= ratio {
			y.SetFloat(i, x.Float(i)*scale)
			continue
		}
		y.SetFloat(i, 0)
		if mask != nil {
			mask.Bytes()[i] = 0
		}
	}
	return nil
}

// DropoutDesc describes Dropout.
var DropoutDesc = kernel.Desc{ID: "ref.Dropout", Op: "ref.Dropout", Ref: Dropout}
