package op

import (
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// convOps are convolution and its adjoint; their gradients are in
// grad_conv.go.
func convOps() []*ir.OpDef {
	return []*ir.OpDef{convOp(), convTransposeOp(), convGradXOp(), convGradWOp()}
}

func convOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Conv", Since: []int{1, 11, 22},
		Doc: "Conv is the n-d cross-correlation of X with W, plus B.\n\n" +
			"\tX  T[N, C, in...]        activations, channels first\n" +
			"\tW  T[M, C/group, k...]   filters\n" +
			"\tB  T[M]                  optional\n" +
			"\tY  T[N, M, out...]       out = (in + pads - dil*(k-1) - 1)/stride + 1, floor; SAME: in/stride, ceil\n\n" +
			"Cost: 2*|Y|*(C/group)*|k| FLOP.  Grad: dX = mlc.ConvGradX(dY, W), dW = mlc.ConvGradW(dY, X), dB = dY summed per channel.",
		Source: "ONNX Conv-22",
		In: []ir.Port{{Name: "X", DTypes: floats, Var: "T"}, {Name: "W", DTypes: floats, Var: "T"},
			{Name: "B", DTypes: floats, Var: "T", Optional: true}},
		Out:         []ir.Port{{Name: "Y", DTypes: floats, Var: "T"}},
		Attrs:       windowAttrs(groupAttr()),
		Constraints: convConstraints(false),
		Infer:       inferConv,
		Eval:        ref.Conv, Ref: &ref.ConvDesc,
		Downgrade: map[int]func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error){
			1: withoutBF16(1, nil), 11: withoutBF16(11, nil),
		},
		Grad:     gradConv,
		Cost:     convCost,
		Examples: convExamples(),
	}
}

func convTransposeOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "ConvTranspose", Since: []int{1, 11, 22},
		Doc: "ConvTranspose is the adjoint of Conv in its input: every element of X adds a copy of the filters to Y.\n\n" +
			"\tX  T[N, C, in...]        activations, channels first\n" +
			"\tW  T[C, M/group, k...]   filters\n" +
			"\tB  T[M]                  optional\n" +
			"\tY  T[N, M, out...]       out = stride*(in-1) + output_padding + dil*(k-1) + 1 - pads, or output_shape; SAME: in*stride\n\n" +
			"With output_shape or SAME, the pads are what is too much, halved; the odd one goes to the end under SAME_UPPER, else to the begin.\n" +
			"Cost: 2*|X|*(M/group)*|k| FLOP.  Grad: dX = Conv(dY, W), dW = mlc.ConvGradW(X, dY), dB = dY summed per channel.",
		Source: "ONNX ConvTranspose-22",
		In: []ir.Port{{Name: "X", DTypes: floats, Var: "T"}, {Name: "W", DTypes: floats, Var: "T"},
			{Name: "B", DTypes: floats, Var: "T", Optional: true}},
		Out: []ir.Port{{Name: "Y", DTypes: floats, Var: "T"}},
		Attrs: windowAttrs(groupAttr(),
			ir.Attr{Name: "output_padding", Kind: attr.KindInts, Check: windowInts(0), Doc: "extra extent at the end of each spatial axis, default 0"},
			ir.Attr{Name: "output_shape", Kind: attr.KindInts, Check: windowInts(0), Doc: "spatial extents of Y; pads are found from them"}),
		Constraints: append(convConstraints(true), ir.C{ID: "C8", Text: "output_padding[i] < max(stride[i], dilation[i])", Check: checkOutputPadding},
			ir.C{ID: "C9", Text: "output_shape <= stride*in + output_padding + dil*(k-1)", Check: checkOutputShape}),
		Infer: inferConvTranspose,
		Eval:  ref.ConvTranspose, Ref: &ref.ConvTransposeDesc,
		Downgrade: map[int]func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error){
			1: withoutBF16(1, nil), 11: withoutBF16(11, nil),
		},
		Grad: gradConvTranspose,
		Cost: func(n *ir.Node) (int64, int64) {
			return 2 * elements(n.In[0].Type) * perChannel(n.In[1].Type), bytesOf(n)
		},
		Examples: convTransposeExamples(),
	}
}

// convCost counts two FLOP for each multiply-add.
func convCost(n *ir.Node) (int64, int64) {
	return 2 * elements(n.Out[0].Type) * perChannel(n.In[1].Type), bytesOf(n)
}

// perChannel is the number of weights of one channel of a filter (axis 0).
func perChannel(w ir.Type) int64 {
	if !w.Ranked() || w.Rank() == 0 {
		return 1
	}
	return elements(tensor.T(w.DType, w.Dims[1:]...))
}

// convConstraints are those of Conv and, with axes 0 and 1 of W in other
// roles, of ConvTranspose.
func convConstraints(transposed bool) []ir.C {
	c4, c5, c6 := "dim(W,0) is a multiple of group", "dim(X,1) = dim(W,1)*group", "rank(B) = 1 and dim(B,0) = dim(W,0)"
	channels := checkConvChannels
	if transposed {
		c4, c5, c6 = "dim(W,0) is a multiple of group", "dim(X,1) = dim(W,0)", "rank(B) = 1 and dim(B,0) = dim(W,1)*group"
		channels = checkTransposedChannels
	}
	cs := []ir.C{
		{ID: "C1", Text: "rank(X) = rank(W)", Check: func(q *ir.Query) error {
			x, w := q.In[0].Type, q.In[1].Type
			if x.Ranked() && w.Ranked() && x.Rank() != w.Rank() {
				return ir.Fault("rank of W", fmt.Sprint(w.Rank()), fmt.Sprintf("%d (rank of X)", x.Rank()))
			}
			return nil
		}},
		{ID: "C2", Text: "rank(X) >= 3", Check: func(q *ir.Query) error {
			if r := convRank(q); r >= 0 && r < 3 {
				return ir.Fault("rank of X", fmt.Sprint(r), "3 or more")
			}
			return nil
		}},
		{ID: "C3", Text: "kernel_shape = dims(W)[2:], and all lists fit the spatial axes", Check: checkKernel},
		{ID: "C4", Text: c4, Check: func(q *ir.Query) error {
			if d, ok := dimAt(q.In[1].Type, 0); ok {
				return multipleOf("W channels", d, int64(q.Attrs.Int("group")))
			}
			return nil
		}},
		{ID: "C5", Text: c5, Check: channels},
		{ID: "C6", Text: c6, Check: func(q *ir.Query) error { return checkConvBias(q, transposed) }},
		{ID: "C7", Text: "pads are 0 beside auto_pad", Check: padsOrAuto},
	}
	if !transposed {
		cs = append(cs, ir.C{ID: "C8", Text: "the window fits the padded input", Check: func(q *ir.Query) error {
			return eachSpatial(q, func(i int, w winAxis, in shape.Dim) error { return w.fits(i, in) })
		}})
	}
	return cs
}

// convRank is the rank of X and W, -1 if neither is known.
func convRank(q *ir.Query) int { return max(q.In[0].Type.Rank(), q.In[1].Type.Rank()) }

// kernelDim is the number of taps on spatial axis i: of W, else as stated.
func kernelDim(q *ir.Query, i int) (shape.Dim, bool) {
	if d, ok := dimAt(q.In[1].Type, 2+i); ok {
		return d, true
	}
	if k := q.Attrs.Ints("kernel_shape"); i < len(k) {
		return shape.Int(k[i]), true
	}
	return shape.Dim{}, false
}

// eachSpatial visits the spatial axes on which input and window are known.
func eachSpatial(q *ir.Query, f func(i int, w winAxis, in shape.Dim) error) error {
	n := convRank(q) - 2
	for i := range max(0, n) {
		in, ok := dimAt(q.In[0].Type, 2+i)
		k, ok2 := kernelDim(q, i)
		if ok && ok2 {
			if err := f(i, axisWindow(q.Attrs, i, n, k), in); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkKernel(q *ir.Query) error {
	r := convRank(q)
	if r < 0 {
		return nil
	}
	if err := windowLists(q, r-2); err != nil {
		return err
	}
	for i := range r - 2 {
		if k, ok := kernelDim(q, i); ok && k.Is(0) {
			return ir.Fault(fmt.Sprintf("spatial axis %d of W", i), "0", "1 or more")
		}
	}
	for i, k := range q.Attrs.Ints("kernel_shape") {
		if d, ok := dimAt(q.In[1].Type, 2+i); ok && differ(d, shape.Int(k)) {
			return ir.Fault("attribute kernel_shape", fmt.Sprint(q.Attrs.Ints("kernel_shape")), shape.Format(q.In[1].Type.Dims[2:])+" (of W)")
		}
	}
	return nil
}

func multipleOf(what string, d shape.Dim, group int64) error {
	if c, ok := d.Const(); ok && c%group != 0 {
		return ir.Fault(what, fmt.Sprint(c), fmt.Sprintf("a multiple of group %d", group))
	}
	return nil
}

func checkConvChannels(q *ir.Query) error {
	group := int64(q.Attrs.Int("group"))
	x, ok := dimAt(q.In[0].Type, 1)
	if !ok {
		return nil
	}
	if err := multipleOf("X channels", x, group); err != nil {
		return err
	}
	if w, ok := dimAt(q.In[1].Type, 1); ok && differ(w.Mul(shape.Int(group)), x) {
		return ir.Fault("W input channels", w.String(), fmt.Sprintf("%v (X channels / group %d)", x.Div(shape.Int(group)), group))
	}
	return nil
}

func checkTransposedChannels(q *ir.Query) error {
	x, ok := dimAt(q.In[0].Type, 1)
	w, ok2 := dimAt(q.In[1].Type, 0)
	if ok && ok2 && differ(x, w) {
		return ir.Fault("W input channels", w.String(), fmt.Sprintf("%v (X channels)", x))
	}
	return nil
}

// outChannels is M: axis 0 of W, or group times axis 1.
func outChannels(q *ir.Query, transposed bool) (shape.Dim, bool) {
	if transposed {
		d, ok := dimAt(q.In[1].Type, 1)
		return d.Mul(shape.Int(int64(q.Attrs.Int("group")))), ok
	}
	return dimAt(q.In[1].Type, 0)
}

func checkConvBias(q *ir.Query, transposed bool) error {
	b := q.Input(2)
	if !b.Present() || !b.Type.Ranked() {
		return nil
	}
	if b.Type.Rank() != 1 {
		return ir.Fault("rank of B", fmt.Sprint(b.Type.Rank()), "1")
	}
	if m, ok := outChannels(q, transposed); ok && differ(b.Type.Dims[0], m) {
		return ir.Fault("B", b.Type.Dims[0].String(), fmt.Sprintf("%v (output channels of W)", m))
	}
	return nil
}

func inferConv(q *ir.Query) ([]ir.Fact, error) {
	return inferSpatial(q, false, func(i int, w winAxis, in shape.Dim) shape.Dim { return w.out(in) })
}

func inferConvTranspose(q *ir.Query) ([]ir.Fact, error) {
	given := q.Attrs.Ints("output_shape")
	return inferSpatial(q, true, func(i int, w winAxis, in shape.Dim) shape.Dim {
		if len(given) > 0 {
			return shape.Int(given[i])
		}
		return w.transposedOut(in)
	})
}

// inferSpatial gives Y[N, M, out...].
func inferSpatial(q *ir.Query, transposed bool, extent func(i int, w winAxis, in shape.Dim) shape.Dim) ([]ir.Fact, error) {
	x := q.In[0].Type
	if !x.Ranked() {
		return []ir.Fact{{Type: tensor.TUnranked(x.DType)}}, nil
	}
	dims := make([]shape.Dim, x.Rank())
	dims[0] = x.Dims[0]
	if m, ok := outChannels(q, transposed); ok {
		dims[1] = m
	} else {
		dims[1] = q.NewDim(0, 1)
	}
	n := x.Rank() - 2
	for i := range n {
		if k, ok := kernelDim(q, i); ok {
			dims[2+i] = extent(i, axisWindow(q.Attrs, i, n, k), x.Dims[2+i])
		} else {
			dims[2+i] = q.NewDim(0, 2+i)
		}
	}
	return tt(x.DType, dims...), nil
}

func checkOutputPadding(q *ir.Query) error {
	for i, p := range q.Attrs.Ints("output_padding") {
		if top := max(listed(q.Attrs.Ints("strides"), i, 1), listed(q.Attrs.Ints("dilations"), i, 1)); p >= top {
			return ir.Fault("attribute output_padding", fmt.Sprint(p), fmt.Sprintf("less than %d", top))
		}
	}
	return nil
}

func checkOutputShape(q *ir.Query) error {
	given := q.Attrs.Ints("output_shape")
	if len(given) == 0 {
		return nil
	}
	return eachSpatial(q, func(i int, w winAxis, in shape.Dim) error {
		// What lies beyond the last window, less than a stride, is padding that output_padding could have named.
		if c, ok := w.grown(in).Const(); ok && given[i] >= c+w.stride {
			return ir.Fault("attribute output_shape", fmt.Sprint(given[i]), fmt.Sprintf("at most %d", c+w.stride-1))
		}
		return nil
	})
}
