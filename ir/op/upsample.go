package op

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// upsampleOp is the older name of Resize; importing rewrites it, so that no
// Module that comes from a file holds one.
func upsampleOp() *ir.OpDef {
	up := func(e ir.Emitter, r ir.Raw) ([]*ir.Value, error) {
		scales := rawIn(&r, 1)
		if r.Version < 9 {
			scales = e.Const(tensor.MustOf(r.Attrs.Floats("scales"), len(r.Attrs.Floats("scales"))))
		}
		mode := r.Attrs.Str("mode")
		if mode == "bilinear" { // of the first version, which exporters kept
			mode = "linear"
		}
		return resizeSimple(e, rawIn(&r, 0), scales, mode, "floor"), nil
	}
	return &ir.OpDef{
		Name: "Upsample", Since: []int{1, 7, 9},
		Doc: "Upsample samples its input on a finer grid: Resize at x/scale, rounded down. Importing turns it into Resize.\n\n" +
			"\tX       T[...]\n\tscales  f32[rank]   an extent becomes floor(extent * scale)\n\tY       T[...]\n\n" +
			"Cost: |Y| times the taps, twice.  Errors: C1.",
		Source: "ONNX Upsample-9",
		In:     []ir.Port{{Name: "X", DTypes: classic, Var: "T"}, {Name: "scales", DTypes: []dtype.DType{dtype.F32}}},
		Out:    []ir.Port{{Name: "Y", DTypes: classic, Var: "T"}},
		Attrs:  []ir.Attr{{Name: "mode", Kind: attr.KindString, Default: attr.Str("nearest"), Check: oneOf("nearest", "linear"), Doc: "interpolation"}},
		Constraints: []ir.C{{ID: "C1", Text: "scales: one per axis of X, above 0; X: numbers unless mode is nearest", Check: func(q *ir.Query) error {
			x := q.In[0].Type
			if n := lengthOf(q.In[1]); n >= 0 && x.Ranked() && n != len(x.Dims) {
				return ir.Fault("scales", fmt.Sprint(n), fmt.Sprint(len(x.Dims)))
			}
			for i := 0; q.In[1].Const != nil && i < q.In[1].Const.Len(); i++ {
				if v := q.In[1].Const.Float(i); !(v > 0) {
					return ir.Fault("scales", fmt.Sprint(v), "above 0")
				}
			}
			if d := x.DType; !d.IsFloat() && !d.IsInt() && q.Attrs.Str("mode") != "nearest" {
				return ir.Fault("element type of X", d.String(), "a number")
			}
			return nil
		}}},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			x := q.In[0].Type
			if !x.Ranked() {
				return unranked(x.DType), nil
			}
			dims := make([]shape.Dim, len(x.Dims))
			for a := range dims {
				d, ok := shape.Dim{}, false
				if s := q.In[1].Const; s != nil {
					d, ok = scaledDim(x.Dims[a], float32(s.Float(a)))
				}
				if !ok {
					d = q.NewDim(0, a)
				}
				dims[a] = d
			}
			return tt(x.DType, dims...), nil
		},
		Eval: ref.Upsample, Ref: &ref.UpsampleDesc,
		Upgrade: map[int]func(ir.Emitter, ir.Raw) ([]*ir.Value, error){7: up, 9: up},
		NoGrad:  "importing turns it into Resize, which has one",
		Cost:    func(n *ir.Node) (int64, int64) { return 2 * elements(n.Out[0].Type), bytesOf(n) },
		Examples: []ir.Case{
			tensorCase("nearest", "ONNX test_upsample_nearest, one axis", nil, f32s([]int{6}, 1, 1, 1, 2, 2, 2), f32s([]int{2}, 1, 2), f32s([]int{1}, 3)),
			tensorCase("linear", "hand calculation: coordinates 0, 0.5, 1, 1.5", attr.Map{"mode": attr.Str("linear")},
				f32s([]int{4}, 1, 1.5, 2, 2), f32s([]int{2}, 1, 2), f32s([]int{1}, 2)),
		},
	}
}

// resizeSimple emits the Resize of opsets before 11: position x lies at
// x/scale.
func resizeSimple(e ir.Emitter, x, scales *ir.Value, mode, nearest string) []*ir.Value {
	if mode == "" {
		mode = "nearest"
	}
	return []*ir.Value{e.Op("Resize", attr.Map{"mode": attr.Str(mode), "nearest_mode": attr.Str(nearest),
		"coordinate_transformation_mode": attr.Str("asymmetric")}, x, nil, scales)}
}

// resizeFrom10 keeps what runtimes do for the first Resize: nearest rounds
// down along axes that grow and up along axes that shrink, so that the two
// kinds take two nodes where both occur. Scales that only the run knows are
// taken to grow, as all exporters of that time had it.
func resizeFrom10(e ir.Emitter, r ir.Raw) ([]*ir.Value, error) {
	x, scales, mode := rawIn(&r, 0), rawIn(&r, 1), r.Attrs.Str("mode")
	t := ir.FactOf(scales).Const
	if mode == "linear" || t == nil {
		return resizeSimple(e, x, scales, mode, "floor"), nil
	}
	grow, shrink := make([]float32, t.Len()), make([]float32, t.Len())
	for i := range grow {
		s := float32(t.Float(i))
		grow[i], shrink[i] = max(s, 1), min(s, 1)
	}
	one := func(v float32) bool { return v == 1 }
	if !slices.ContainsFunc(shrink, func(v float32) bool { return !one(v) }) {
		return resizeSimple(e, x, scales, mode, "floor"), nil
	}
	if slices.ContainsFunc(grow, func(v float32) bool { return !one(v) }) {
		x = resizeSimple(e, x, e.Const(tensor.MustOf(grow, len(grow))), mode, "floor")[0]
	}
	return resizeSimple(e, x, e.Const(tensor.MustOf(shrink, len(shrink))), mode, "ceil"), nil
}

// resizeFrom11 replaces the mode that Resize-13 dropped: floor((x+0.5)/scale)
// is half_pixel with halves rounded up.
func resizeFrom11(e ir.Emitter, r ir.Raw) ([]*ir.Value, error) {
	a := r.Attrs
	if a.Str("coordinate_transformation_mode") == "tf_half_pixel_for_nn" {
		if a.Str("mode") == "linear" || a.Str("mode") == "cubic" || a.Str("nearest_mode") != "floor" {
			return nil, diag.New(diag.Unsupported, "tf_half_pixel_for_nn (supported: with mode nearest and nearest_mode floor)")
		}
		a = without(a, "coordinate_transformation_mode")
		a["nearest_mode"] = attr.Str("round_prefer_ceil")
	}
	return e.OpN("Resize", 1, a, nil, r.In...), nil
}

// resizeTo18 refuses what Resize-19 added.
func resizeTo18(_ ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
	if n.Attrs.Str("coordinate_transformation_mode") == "half_pixel_symmetric" {
		return nil, nil, diag.New(diag.Unsupported, "half_pixel_symmetric (since Resize-19)")
	}
	return n.In, n.Attrs, nil
}

// resizeTo13 speaks of all axes and refuses the policies of Resize-18.
func resizeTo13(e ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
	if _, _, err := resizeTo18(e, n); err != nil {
		return nil, nil, err
	}
	if p := n.Attrs.Str("keep_aspect_ratio_policy"); p != "stretch" {
		return nil, nil, diag.New(diag.Unsupported, "keep_aspect_ratio_policy=%s (since Resize-18)", p)
	}
	if n.Attrs.Bool("antialias") {
		return nil, nil, diag.New(diag.Unsupported, "antialias=1 (since Resize-18)")
	}
	a := without(n.Attrs, "axes", "antialias", "keep_aspect_ratio_policy")
	if !n.Attrs.Has("axes") {
		return n.In, a, nil
	}
	x := n.In[0].Type
	dims, known := x.Static()
	bySize := len(n.In) > 3 && n.In[3] != nil
	if !x.Ranked() || bySize && !known || a.Str("coordinate_transformation_mode") == "tf_crop_and_resize" {
		return nil, nil, diag.New(diag.Unsupported, "axes of a Resize by sizes or regions of interest with extents that are not known (Resize-13 speaks of all axes)")
	}
	axes, err := axesFrom(n.Attrs.Ints("axes"), len(x.Dims))
	if err != nil {
		return nil, nil, err
	}
	if bySize {
		list, ok := constInts(ir.FactOf(n.In[3]))
		if !ok {
			return nil, nil, diag.New(diag.Unsupported, "axes with sizes that are not constant (Resize-13 speaks of all axes)")
		}
		all := make([]int64, len(dims))
		for i, d := range dims {
			all[i] = int64(d)
		}
		for i, k := range axes {
			all[k] = list[i]
		}
		return []*ir.Value{n.In[0], nil, nil, e.Ints(all...)}, a, nil
	}
	t := ir.FactOf(n.In[2]).Const
	if t == nil {
		return nil, nil, diag.New(diag.Unsupported, "axes with scales that are not constant (Resize-13 speaks of all axes)")
	}
	all := make([]float32, len(x.Dims))
	for i := range all {
		all[i] = 1
	}
	for i, k := range axes {
		all[k] = float32(t.Float(i))
	}
	return []*ir.Value{n.In[0], nil, e.Const(tensor.MustOf(all, len(all)))}, a, nil
}

// resizeGrad uses that Resize is linear in X, axis by axis: resizing the
// identity along one axis gives the weights, and dY is multiplied by them.
func resizeGrad(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
	out := make([]*ir.Value, len(n.In))
	x := n.In[0]
	q := ir.Query{Def: n.Def, In: []ir.Fact{ir.FactOf(x)}, Attrs: n.Attrs}
	axes, err := resizeAxes(&q)
	switch {
	case err == nil && !x.Type.Ranked():
		err = ir.Fault("X", x.Type.String(), "a known rank")
	case err == nil && n.Attrs.Str("keep_aspect_ratio_policy") != "stretch":
		err = diag.New(diag.Unsupported, "the gradient of a Resize that keeps the aspect ratio")
	}
	if err != nil {
		e.Fail(err)
		return out
	}
	d := x.Type.DType
	a := without(n.Attrs, "axes")
	a["axes"], a["extrapolation_value"] = attr.Ints(0), attr.Float(0)
	at := func(k int, pos ...int64) *ir.Value {
		if k >= len(n.In) || n.In[k] == nil || ir.FactOf(n.In[k]).Type.Rank() == 1 && n.In[k].Type.Dims[0].Is(0) {
			return nil
		}
		return e.Op("Gather", nil, n.In[k], e.Ints(pos...))
	}
	out[0] = dy[0]
	for i, k := range axes {
		if resizeKeeps(n, i, k) {
			continue
		}
		pos := positions(e, x, k)
		eye := e.Op("Equal", nil, e.Op("Unsqueeze", nil, pos, e.Ints(1)), e.Op("Unsqueeze", nil, pos, e.Ints(0)))
		eye = e.Op("Cast", attr.Map{"to": attr.Int(d.ONNX())}, eye)
		var roi *ir.Value
		if n.Attrs.Str("coordinate_transformation_mode") == "tf_crop_and_resize" {
			roi = at(1, int64(i), int64(len(axes)+i))
		}
		w := e.Op("Resize", a, eye, roi, at(2, int64(i)), at(3, int64(i)))
		last := int64(len(x.Type.Dims) - 1)
		perm := make([]int64, last+1) // swaps axis k with the last
		for j := range perm {
			perm[j] = int64(j)
		}
		perm[k], perm[last] = last, int64(k)
		swap := attr.Map{"perm": attr.Ints(perm...)}
		out[0] = e.Op("Transpose", swap, e.Op("MatMul", nil, e.Op("Transpose", swap, out[0]), w))
	}
	return out
}

// resizeKeeps says whether entry i of the operands leaves axis k as it is.
func resizeKeeps(n *ir.Node, i, k int) bool {
	if n.Attrs.Str("coordinate_transformation_mode") == "tf_crop_and_resize" {
		return false
	}
	if len(n.In) > 2 && n.In[2] != nil {
		if t := ir.FactOf(n.In[2]).Const; t != nil && i < t.Len() {
			return t.Float(i) == 1
		}
	}
	if len(n.In) > 3 && n.In[3] != nil {
		s := ir.FactOf(n.In[3]).Ints
		return i < len(s) && s[i].Equal(n.In[0].Type.Dims[k])
	}
	return false
}
