package op

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// resizeOps sample tensors on another grid.
func resizeOps() []*ir.OpDef { return []*ir.OpDef{resizeOp(), upsampleOp()} }

func resizeOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Resize", Since: []int{10, 11, 13, 18, 19},
		Doc: "Resize samples its input on another grid, axis by axis: nearest, linear or cubic.\n\n" +
			"\tX       T1[...]\n\troi     T2[2n]   of tf_crop_and_resize: n begins, then n ends, normalized\n" +
			"\tscales  f32[n]   factors; an extent becomes floor(extent * scale)\n\tsizes   i64[n]   or extents\n\tY       T1[...]\n\n" +
			"n is the rank, or the length of axes. An empty scales or sizes counts as absent. Coordinates are computed in float32; integers drop the fraction (with antialias they round to nearest even) and saturate.\n\n" +
			"Cost: |Y| times the taps, twice.  Errors: C1..C5.  Grad: dY through the transposed weights.",
		Source: "ONNX Resize-19",
		In: []ir.Port{{Name: "X", DTypes: classic, Var: "T1"}, {Name: "roi", DTypes: []dtype.DType{dtype.F32, dtype.F64, dtype.F16}, Optional: true},
			{Name: "scales", DTypes: []dtype.DType{dtype.F32}, Optional: true}, {Name: "sizes", DTypes: []dtype.DType{dtype.I64}, Optional: true}},
		Out:   []ir.Port{{Name: "Y", DTypes: classic, Var: "T1"}},
		Attrs: resizeAttrs(),
		Constraints: []ir.C{
			{ID: "C1", Text: "one of scales and sizes is given", Check: func(q *ir.Query) error {
				some, perhaps := 0, 0
				for i := 2; i < 4; i++ {
					switch n := lengthOf(q.Input(i)); {
					case !given(q, i) || n == 0:
					case n > 0:
						some++
					default:
						perhaps++
					}
				}
				if some > 1 || some+perhaps == 0 {
					return ir.Fault("scales, sizes", fmt.Sprintf("%d of them", some), "one")
				}
				return nil
			}},
			{ID: "C2", Text: "axes: distinct and within the rank of X", Check: func(q *ir.Query) error {
				_, err := resizeAxes(q)
				return err
			}},
			{ID: "C3", Text: "scales, sizes: one per axis and, scales, above 0; roi: two per axis, of tf_crop_and_resize", Check: resizeC3},
			{ID: "C4", Text: "X: numbers, unless mode is nearest and nothing is extrapolated", Check: func(q *ir.Query) error {
				d := q.In[0].Type.DType
				if !d.IsFloat() && !d.IsInt() && (q.Attrs.Str("mode") != "nearest" || q.Attrs.Str("coordinate_transformation_mode") == "tf_crop_and_resize") {
					return ir.Fault("element type of X", d.String(), "a number")
				}
				return nil
			}},
			{ID: "C5", Text: "antialias: of modes linear and cubic", Check: func(q *ir.Query) error {
				if q.Attrs.Bool("antialias") && q.Attrs.Str("mode") == "nearest" {
					return ir.Fault("antialias", "mode nearest", "linear or cubic")
				}
				return nil
			}},
		},
		Infer: inferResize,
		Eval:  ref.Resize, Ref: &ref.ResizeDesc,
		Upgrade: map[int]func(ir.Emitter, ir.Raw) ([]*ir.Value, error){10: resizeFrom10, 11: resizeFrom11},
		Downgrade: map[int]func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error){
			13: resizeTo13, 18: resizeTo18,
		},
		Grad: resizeGrad,
		Cost: func(n *ir.Node) (int64, int64) {
			taps := int64(1)
			if n.Attrs.Str("mode") != "nearest" {
				taps = 4
			}
			return 2 * taps * elements(n.Out[0].Type), bytesOf(n)
		},
		Examples: []ir.Case{
			{Name: "nearest twice as large", Source: "ONNX test_resize_upsample_scales_nearest, one axis",
				In:  append(tensor.Vs(f32s([]int{2}, 1, 2)), tensor.Value{}, tensor.V(f32s([]int{1}, 2))),
				Out: tensor.Vs(f32s([]int{4}, 1, 1, 2, 2))},
			{Name: "linear", Attrs: attr.Map{"mode": attr.Str("linear")}, Source: "hand calculation: coordinates -0.25, 0.25, 0.75, 1.25",
				In:  append(tensor.Vs(f32s([]int{2}, 1, 2)), tensor.Value{}, tensor.V(f32s([]int{1}, 2))),
				Out: tensor.Vs(f32s([]int{4}, 1, 1.25, 1.75, 2))},
			{Name: "a coordinate that float32 makes whole", Attrs: attr.Map{"nearest_mode": attr.Str("floor")},
				Source: "onnxruntime 1.32; 1.5/0.6 is 2.5 in float32 and less in float64",
				In:     append(tensor.Vs(f32s([]int{5}, 1, 2, 3, 4, 5)), tensor.Value{}, tensor.V(f32s([]int{1}, 0.6))),
				Out:    tensor.Vs(f32s([]int{3}, 1, 3, 4))},
			{Name: "integers drop the fraction", Attrs: attr.Map{"mode": attr.Str("linear")}, Source: "onnxruntime 1.32",
				In:  append(tensor.Vs(tensor.MustOf([]uint8{0, 10, 25}, 3)), tensor.Value{}, tensor.V(f32s([]int{1}, 2))),
				Out: tensor.Vs(tensor.MustOf([]uint8{0, 2, 7, 13, 21, 25}, 6))},
			{Name: "corners aligned, by size", Attrs: attr.Map{"mode": attr.Str("linear"), "coordinate_transformation_mode": attr.Str("align_corners"), "axes": attr.Ints(1)},
				Source: "hand calculation",
				In:     append(tensor.Vs(f32s([]int{1, 2}, 0, 3)), tensor.Value{}, tensor.Value{}, tensor.V(i64s(4))),
				Out:    tensor.Vs(f32s([]int{1, 4}, 0, 1, 2, 3))},
		},
	}
}

func resizeAttrs() []ir.Attr {
	return []ir.Attr{
		{Name: "mode", Kind: attr.KindString, Default: attr.Str("nearest"), Check: oneOf("nearest", "linear", "cubic"), Doc: "interpolation"},
		{Name: "coordinate_transformation_mode", Kind: attr.KindString, Default: attr.Str("half_pixel"),
			Check: oneOf("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"), Doc: "where a position lies in X"},
		{Name: "nearest_mode", Kind: attr.KindString, Default: attr.Str("round_prefer_floor"),
			Check: oneOf("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"), Doc: "rounding of mode nearest"},
		{Name: "cubic_coeff_a", Kind: attr.KindFloat, Default: attr.Float(-0.75), Doc: "coefficient of the cubic kernel"},
		{Name: "exclude_outside", Kind: attr.KindInt, Default: attr.Int(0), Doc: "1: weights outside X count as 0 and the others are scaled to a sum of 1"},
		{Name: "extrapolation_value", Kind: attr.KindFloat, Default: attr.Float(0), Doc: "of tf_crop_and_resize, outside X"},
		{Name: "antialias", Kind: attr.KindInt, Default: attr.Int(0), Doc: "1: linear and cubic filters widen along axes that shrink"},
		{Name: "axes", Kind: attr.KindInts, Doc: "axes that roi, scales and sizes speak of; absent: all"},
		{Name: "keep_aspect_ratio_policy", Kind: attr.KindString, Default: attr.Str("stretch"),
			Check: oneOf("stretch", "not_larger", "not_smaller"), Doc: "how sizes are met"},
	}
}

// resizeAxes are the axes that the operands speak of; nil if the rank is not
// known.
func resizeAxes(q *ir.Query) ([]int, error) {
	r := q.In[0].Type.Rank()
	if r < 0 {
		return nil, nil
	}
	list := q.Attrs.Ints("axes")
	if !q.Attrs.Has("axes") {
		for i := range r {
			list = append(list, int64(i))
		}
	}
	return axesFrom(list, r)
}

func resizeC3(q *ir.Query) error {
	for i := 1; i < 4; i++ {
		if f := q.Input(i); f.Present() && f.Type.Ranked() && f.Type.Rank() != 1 {
			return ir.Fault(q.Def.In[i].Name, f.Type.String(), "a vector")
		}
	}
	axes, err := resizeAxes(q)
	if err != nil || axes == nil {
		return err
	}
	n := len(axes)
	crop := q.Attrs.Str("coordinate_transformation_mode") == "tf_crop_and_resize"
	for i, want := range []int{1: 2 * n, 2: n, 3: n} {
		k := lengthOf(q.Input(i))
		if i == 0 || i == 1 && !crop || !given(q, i) || k == want || k < 0 || k == 0 && i > 1 {
			continue
		}
		return ir.Fault(q.Def.In[i].Name, fmt.Sprintf("%d elements", k), fmt.Sprint(want))
	}
	if crop && !given(q, 1) {
		return ir.Fault("roi", "none", "one")
	}
	if s := q.Input(2).Const; s != nil {
		for i := range s.Len() {
			if v := s.Float(i); !(v > 0) {
				return ir.Fault("scales", fmt.Sprint(v), "above 0")
			}
		}
	}
	for i, d := range q.Input(3).Ints {
		if c, ok := d.Const(); ok && (c < 0 || c > math.MaxInt32 || c > 0 && q.In[0].Type.Dims[axes[i]].Is(0)) {
			return ir.Fault("sizes", d.String(), "0 or more, and 0 along axes of extent 0")
		}
	}
	return nil
}

func inferResize(q *ir.Query) ([]ir.Fact, error) {
	x := q.In[0].Type
	axes, err := resizeAxes(q)
	if err != nil {
		return nil, err
	}
	if axes == nil && !x.Ranked() {
		return unranked(x.DType), nil
	}
	dims := append([]shape.Dim{}, x.Dims...)
	scales, sizes := q.Input(2), q.Input(3)
	fit := resizeFit(q, axes)
	for i, a := range axes {
		d, ok := shape.Dim{}, false
		switch {
		case scales.Const != nil && i < scales.Const.Len():
			d, ok = scaledDim(x.Dims[a], float32(scales.Const.Float(i)))
		case i < len(sizes.Ints) && q.Attrs.Str("keep_aspect_ratio_policy") == "stretch":
			d, ok = sizes.Ints[i], notNegative(q, sizes.Ints[i])
		case fit > 0:
			n, _ := x.Dims[a].Const()
			d, ok = shape.Int(int64(math.Floor(float64(fit*float64(n))+0.5))), true
		}
		if !ok {
			d = q.NewDim(0, a)
		}
		dims[a] = d
	}
	return tt(x.DType, dims...), nil
}

// resizeFit is the one factor that keeps the aspect ratio, 0 where it is not
// known.
func resizeFit(q *ir.Query, axes []int) float64 {
	policy, fit := q.Attrs.Str("keep_aspect_ratio_policy"), 0.0
	sizes, ok := constInts(q.Input(3))
	if policy == "stretch" || !ok || len(sizes) != len(axes) {
		return 0
	}
	for i, a := range axes {
		n, known := q.In[0].Type.Dims[a].Const()
		if !known || n == 0 {
			return 0
		}
		s := float64(sizes[i]) / float64(n)
		if i == 0 || policy == "not_larger" && s < fit || policy == "not_smaller" && s > fit {
			fit = s
		}
	}
	return fit
}

// scaledDim is floor(d * scale): by value for known extents, as an expression
// for symbols where the factor is a fraction of small integers, so that
// float32 gives the exact product.
func scaledDim(d shape.Dim, scale float32) (shape.Dim, bool) {
	if n, ok := d.Const(); ok {
		m := ref.ResizeExtent(n, scale)
		return shape.Int(m), m >= 0
	}
	const den = 64
	num := float64(scale) * den
	if num != math.Floor(num) || num > 1<<12 {
		return shape.Dim{}, false
	}
	n, k := int64(num), int64(den)
	for n%2 == 0 && k > 1 {
		n, k = n/2, k/2
	}
	return d.Mul(shape.Int(n)).Div(shape.Int(k)), true
}
