package op

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// noSecondGrad is why gradient operators have no gradient themselves.
const noSecondGrad = "second derivatives are not formed"

func convGradXOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "ConvGradX", Domain: "mlc", Since: []int{1},
		Doc: "ConvGradX is the gradient of Conv in X: the adjoint of Conv, for an X of the shape given.\n\n" +
			"\tdY     T[N, M, out...]      gradient of Conv's output\n" +
			"\tW      T[M, C/group, k...]  Conv's filters\n" +
			"\tshape  i64[rank]            N, C, in...\n" +
			"\tdX     T[N, C, in...]\n\n" +
			"The attributes are those of the Conv. Cost: 2*|dY|*(C/group)*|k| FLOP.",
		Source: "the transpose of ONNX Conv-22 in X",
		In:     []ir.Port{{Name: "dY", DTypes: floats, Var: "T"}, {Name: "W", DTypes: floats, Var: "T"}, shapePort()},
		Out:    []ir.Port{{Name: "dX", DTypes: floats, Var: "T"}},
		Attrs:  windowAttrs(groupAttr()),
		Constraints: []ir.C{shapeLength(2), {ID: "C2", Text: "a Conv of such an X with W is legal and has the dims of dY", Check: func(q *ir.Query) error {
			return likeConv(q, typeFromShape(q, 2), q.In[1].Type, false)
		}}},
		Infer: inferFromShape(2),
		Eval:  ref.ConvGradX, Ref: &ref.ConvGradXDesc,
		NoGrad: noSecondGrad,
		Cost: func(n *ir.Node) (int64, int64) {
			return 2 * elements(n.In[0].Type) * perChannel(n.In[1].Type), bytesOf(n)
		},
		Examples: []ir.Case{
			{Name: "every window adds its filter",
				In:     tensor.Vs(tensor.MustOf([]float32{1, 100}, 1, 1, 2), tensor.MustOf([]float32{1, 2}, 1, 1, 2), tensor.Int64s(1, 1, 3)),
				Out:    tensor.Vs(tensor.MustOf([]float32{1, 102, 200}, 1, 1, 3)),
				Source: "hand calculation: [1 2 0] + 100*[0 1 2]"},
			{Name: "stride leaves the last input untouched", Attrs: attr.Map{"strides": attr.Ints(2)},
				In:     tensor.Vs(tensor.MustOf([]float32{1, 100}, 1, 1, 2), tensor.MustOf([]float32{1, 2}, 1, 1, 2), tensor.Int64s(1, 1, 5)),
				Out:    tensor.Vs(tensor.MustOf([]float32{1, 2, 100, 200, 0}, 1, 1, 5)),
				Source: "hand calculation"},
		},
	}
}

func convGradWOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "ConvGradW", Domain: "mlc", Since: []int{1},
		Doc: "ConvGradW is the gradient of Conv in W: the correlation of X with dY over batch and positions.\n\n" +
			"\tdY     T[N, M, out...]      gradient of Conv's output; it may stop short of all positions\n" +
			"\tX      T[N, C, in...]       Conv's input\n" +
			"\tshape  i64[rank]            M, C/group, k...\n" +
			"\tdW     T[M, C/group, k...]\n\n" +
			"The attributes are those of the Conv. Cost: 2*|dY|*(C/group)*|k| FLOP.",
		Source: "the transpose of ONNX Conv-22 in W",
		In:     []ir.Port{{Name: "dY", DTypes: floats, Var: "T"}, {Name: "X", DTypes: floats, Var: "T"}, shapePort()},
		Out:    []ir.Port{{Name: "dW", DTypes: floats, Var: "T"}},
		Attrs:  windowAttrs(groupAttr()),
		Constraints: []ir.C{shapeLength(2), {ID: "C2", Text: "a Conv of X with such a W is legal and has the dims of dY, or more positions", Check: func(q *ir.Query) error {
			return likeConv(q, q.In[1].Type, typeFromShape(q, 2), true)
		}}},
		Infer: inferFromShape(2),
		Eval:  ref.ConvGradW, Ref: &ref.ConvGradWDesc,
		NoGrad: noSecondGrad,
		Cost: func(n *ir.Node) (int64, int64) {
			return 2 * elements(n.In[0].Type) * perChannel(n.Out[0].Type), bytesOf(n)
		},
		Examples: []ir.Case{
			{Name: "taps collect what they met",
				In:     tensor.Vs(tensor.MustOf([]float32{1, 100}, 1, 1, 2), tensor.MustOf([]float32{1, 2, 3}, 1, 1, 3), tensor.Int64s(1, 1, 2)),
				Out:    tensor.Vs(tensor.MustOf([]float32{201, 302}, 1, 1, 2)),
				Source: "hand calculation: 1*[1 2] + 100*[2 3]"},
			{Name: "the batch is summed, padding adds nothing", Attrs: attr.Map{"pads": attr.Ints(1, 0)},
				In:     tensor.Vs(tensor.MustOf([]float32{1, 10, 100, 1000}, 2, 1, 2), tensor.MustOf([]float32{1, 2, 3, 4}, 2, 1, 2), tensor.Int64s(1, 1, 2)),
				Out:    tensor.Vs(tensor.MustOf([]float32{10*1 + 1000*3, 1*1 + 10*2 + 100*3 + 1000*4}, 1, 1, 2)),
				Source: "hand calculation"},
		},
	}
}

// shapePort takes the extents of a gradient operator's result.
func shapePort() ir.Port { return ir.Port{Name: "shape", DTypes: indices[1:]} }

// shapeLength is the constraint that operand i, a shape, is a vector as long
// as the rank of the first.
func shapeLength(i int) ir.C {
	return ir.C{ID: "C1", Text: "shape is a vector of rank(input 0) extents", Check: func(q *ir.Query) error {
		t := q.In[i].Type
		if t.Ranked() && t.Rank() != 1 {
			return ir.Fault("rank of shape", fmt.Sprint(t.Rank()), "1")
		}
		if d, ok := dimAt(t, 0); ok && q.In[0].Type.Ranked() && differ(d, shape.Int(int64(q.In[0].Type.Rank()))) {
			return ir.Fault("shape", d.String()+" extents", fmt.Sprint(q.In[0].Type.Rank()))
		}
		return nil
	}}
}

// inferFromShape gives the result the extents that operand i holds.
func inferFromShape(i int) func(q *ir.Query) ([]ir.Fact, error) {
	return func(q *ir.Query) ([]ir.Fact, error) {
		d := q.In[0].Type.DType
		if q.In[i].Ints != nil {
			return tt(d, q.In[i].Ints...), nil
		}
		n, ok := dimAt(q.In[i].Type, 0)
		r, known := n.Const()
		if !ok || !known {
			r = int64(q.In[0].Type.Rank())
		}
		if r < 0 || r > 64 {
			return []ir.Fact{{Type: tensor.TUnranked(d)}}, nil
		}
		dims := make([]shape.Dim, r)
		for j := range dims {
			dims[j] = q.NewDim(0, j)
		}
		return tt(d, dims...), nil
	}
}

// typeFromShape is the type whose extents operand i holds.
func typeFromShape(q *ir.Query, i int) ir.Type {
	if q.In[i].Ints == nil {
		return tensor.TUnranked(q.In[0].Type.DType)
	}
	return tensor.T(q.In[0].Type.DType, q.In[i].Ints...)
}

// forwardQuery asks about the node that a gradient operator belongs to, with
// the operand types given; an extent that nobody knows is a symbol of no name.
func forwardQuery(q *ir.Query, types ...ir.Type) *ir.Query {
	f := &ir.Query{Def: q.Def, Attrs: q.Attrs, NOut: 1, Fresh: func() shape.Dim { return shape.Sym("_") }}
	for _, t := range types {
		f.In = append(f.In, ir.Fact{Type: t})
	}
	return f
}

// likeConv is the fault of a gradient whose Conv of x and w would be illegal,
// or would give something else than dY, the first operand; with shorter, dY
// may have fewer positions.
func likeConv(q *ir.Query, x, w ir.Type, shorter bool) error {
	f := forwardQuery(q, x, w)
	for _, c := range convConstraints(false) {
		if err := c.Check(f); err != nil {
			return err
		}
	}
	fs, err := inferConv(f)
	if err != nil {
		return err
	}
	return gradientOf("dY", q.In[0].Type, fs[0].Type, shorter)
}

// gradientOf is the fault where have provably has not the extents of want;
// with shorter, those from axis 2 on may be less.
func gradientOf(name string, have, want ir.Type, shorter bool) error {
	if !have.Ranked() || !want.Ranked() {
		return nil
	}
	ok := have.Rank() == want.Rank()
	for i := 0; ok && i < have.Rank(); i++ {
		c, known := have.Dims[i].Sub(want.Dims[i]).Const()
		ok = !known || c == 0 || shorter && i >= 2 && c < 0
	}
	if !ok {
		return ir.Fault(name, shape.Format(have.Dims), shape.Format(want.Dims))
	}
	return nil
}

// emitShape emits the extents of v.
func emitShape(e ir.Emitter, v *ir.Value) *ir.Value { return e.Op("Shape", nil, v) }

func gradConv(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
	dx := make([]*ir.Value, len(n.In))
	if dy[0] == nil {
		return dx
	}
	dx[0] = e.Op("mlc.ConvGradX", n.Attrs, dy[0], n.In[1], emitShape(e, n.In[0]))
	dx[1] = e.Op("mlc.ConvGradW", n.Attrs, dy[0], n.In[0], emitShape(e, n.In[1]))
	if len(n.In) > 2 && n.In[2] != nil {
		dx[2] = sumChannels(e, dy[0])
	}
	return dx
}

// sumChannels sums v over all axes but the channels.
func sumChannels(e ir.Emitter, v *ir.Value) *ir.Value {
	return e.Op("ReduceSum", attr.Map{"keepdims": attr.Int(0)}, v, e.Ints(otherAxes(v.Type.Rank())...))
}

// otherAxes are all axes but axis 1.
func otherAxes(rank int) []int64 {
	var axes []int64
	for i := range rank {
		if i != 1 {
			axes = append(axes, int64(i))
		}
	}
	return axes
}

func gradConvTranspose(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
	dx := make([]*ir.Value, len(n.In))
	if dy[0] == nil {
		return dx
	}
	x, w := n.In[0], n.In[1]
	if slices.ContainsFunc(x.Type.Dims, func(d shape.Dim) bool { return d.Is(0) }) {
		// Nothing reached Y but the bias; a Conv of what is smaller than its
		// window would be illegal.
		for i, v := range n.In[:2] {
			dx[i] = e.Op("Expand", nil, e.Scalar(v.Type.DType, 0), emitShape(e, v))
		}
		if len(n.In) > 2 && n.In[2] != nil {
			dx[2] = sumChannels(e, dy[0])
		}
		return dx
	}
	a, longer, err := adjointConv(n)
	if err != nil {
		e.Fail(err)
		return dx
	}
	dx[0] = e.Op("Conv", a, dy[0], w)
	if longer {
		// output_padding of a whole stride or more: Conv finds positions beyond X.
		r := x.Type.Rank()
		starts, axes := make([]int64, r), make([]int64, r)
		for i := range axes {
			axes[i] = int64(i)
		}
		dx[0] = e.Op("Slice", nil, dx[0], e.Ints(starts...), emitShape(e, x), e.Ints(axes...))
	}
	dx[1] = e.Op("mlc.ConvGradW", a, x, dy[0], emitShape(e, w))
	if len(n.In) > 2 && n.In[2] != nil {
		dx[2] = sumChannels(e, dy[0])
	}
	return dx
}

// adjointConv gives the attributes of the Conv that takes ConvTranspose's
// output back to its input, pads spelled out; longer says that it makes more
// positions than X has. Error: pads depend on extents that only the run knows.
func adjointConv(n *ir.Node) (a attr.Map, longer bool, err error) {
	x, w := n.In[0].Type, n.In[1].Type
	a = n.Attrs.Clone()
	delete(a, "output_padding")
	delete(a, "output_shape")
	delete(a, "kernel_shape")
	a["auto_pad"] = attr.Str("NOTSET")
	r := x.Rank() - 2
	pads := make([]int64, 2*max(0, r))
	given := n.Attrs.Ints("output_shape")
	for i := range max(0, r) {
		k, ok := dimAt(w, 2+i)
		if !ok {
			return nil, false, diag.New(diag.Unsupported, "gradient of ConvTranspose with filters of unknown rank")
		}
		win := axisWindow(n.Attrs, i, r, k)
		longer = longer || win.more >= win.stride
		if len(given) == 0 && !win.same() {
			pads[i], pads[r+i] = win.pads()
			continue
		}
		out := x.Dims[2+i].Mul(shape.Int(win.stride))
		if len(given) > 0 {
			out = shape.Int(given[i])
		}
		total, ok := win.grown(x.Dims[2+i]).Sub(out).Const()
		if !ok {
			return nil, false, diag.New(diag.Unsupported, "gradient of ConvTranspose with output_shape over an open extent %v (supported: known extents, or pads instead of output_shape)", x.Dims[2+i])
		}
		longer = longer || win.more-min(0, total) >= win.stride
		total = max(0, total)
		pads[i], pads[r+i] = total-total/2, total/2
		if win.auto == "SAME_UPPER" {
			pads[i], pads[r+i] = pads[r+i], pads[i]
		}
	}
	a["pads"] = attr.Ints(pads...)
	return a, longer, nil
}
