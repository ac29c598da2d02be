package op

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// rnnOps are the recurrent layers; their gradients are in grad_rnn.go.
func rnnOps() []*ir.OpDef {
	return []*ir.OpDef{lstmOp(), lstmGradOp()}
}

// lstmIn are the inputs of LSTM.
func lstmIn() []ir.Port {
	return []ir.Port{{Name: "X", DTypes: floats, Var: "T"}, {Name: "W", DTypes: floats, Var: "T"}, {Name: "R", DTypes: floats, Var: "T"},
		{Name: "B", DTypes: floats, Var: "T", Optional: true}, {Name: "sequence_lens", DTypes: indices[:1], Optional: true},
		{Name: "initial_h", DTypes: floats, Var: "T", Optional: true}, {Name: "initial_c", DTypes: floats, Var: "T", Optional: true},
		{Name: "P", DTypes: floats, Var: "T", Optional: true}}
}

func lstmAttrs() []ir.Attr {
	return []ir.Attr{
		{Name: "activation_alpha", Kind: attr.KindFloats, Doc: "alphas of those activations that take one, in order"},
		{Name: "activation_beta", Kind: attr.KindFloats, Doc: "betas of those activations that take one, in order"},
		{Name: "activations", Kind: attr.KindStrings, Doc: "f, g, h of each direction; default Sigmoid, Tanh, Tanh",
			Check: func(v attr.Value) error {
				for _, s := range v.Strs {
					if !slices.Contains(ref.RNNActivations(), s) {
						return &diag.Error{Kind: diag.Unsupported, Have: strconv.Quote(s), Want: fmt.Sprintf("one of %q", ref.RNNActivations())}
					}
				}
				return nil
			}},
		{Name: "clip", Kind: attr.KindFloat, Doc: "bounds what enters the activations of the gates",
			Check: func(v attr.Value) error {
				if !(v.Float >= 0) {
					return &diag.Error{Kind: diag.Shape, Have: fmt.Sprint(v.Float), Want: "0 or more"}
				}
				return nil
			}},
		{Name: "direction", Kind: attr.KindString, Default: attr.Str("forward"), Check: oneOf("forward", "reverse", "bidirectional"), Doc: "order of the steps"},
		{Name: "hidden_size", Kind: attr.KindInt, Doc: "H; that of R where missing"},
		{Name: "input_forget", Kind: attr.KindInt, Default: attr.Int(0), Check: flag, Doc: "1: the forget gate is 1 minus the input gate"},
		{Name: "layout", Kind: attr.KindInt, Default: attr.Int(0), Check: flag, Doc: "1: the batch is the first axis of X, Y and the states"},
	}
}

func lstmOp() *ir.OpDef {
	in := lstmIn()
	return &ir.OpDef{
		Name: "LSTM", Since: []int{1, 7, 14, 22},
		Doc: "LSTM runs one layer of long short-term memory over a sequence, in D = 1 or 2 directions.\n\n" +
			"\tX                     T[S, N, I]     S steps of a batch; T[N, S, I] with layout 1\n" +
			"\tW                     T[D, 4H, I]    gates in the order i, o, f, c\n" +
			"\tR                     T[D, 4H, H]\n" +
			"\tB                     T[D, 8H]       optional: of W, then of R\n" +
			"\tsequence_lens         i32[N]         optional\n" +
			"\tinitial_h, initial_c  T[D, N, H]     optional; T[N, D, H] with layout 1\n" +
			"\tP                     T[D, 3H]       optional: peepholes of i, o, f\n" +
			"\tY                     T[S, D, N, H]  optional; T[N, S, D, H] with layout 1; 0 beyond a sequence's length\n" +
			"\tY_h, Y_c              T[D, N, H]     optional: the last states\n\n" +
			"C = f.C + i.g(...), H = o.h(C). clip bounds what enters the gates' activations, not C (as onnxruntime does).\n" +
			"Cost: 2*S*N*D*4H*(I+H) FLOP.  Grad: mlc.LSTMGrad, back through time.",
		Source: "ONNX LSTM-22",
		In:     in,
		Out: []ir.Port{{Name: "Y", DTypes: floats, Var: "T", Optional: true}, {Name: "Y_h", DTypes: floats, Var: "T", Optional: true},
			{Name: "Y_c", DTypes: floats, Var: "T", Optional: true}},
		Attrs:       lstmAttrs(),
		Constraints: lstmConstraints(),
		Infer:       inferLSTM,
		Eval:        ref.LSTM, Ref: &ref.LSTMDesc,
		Upgrade: map[int]func(ir.Emitter, ir.Raw) ([]*ir.Value, error){
			1: func(e ir.Emitter, r ir.Raw) ([]*ir.Value, error) {
				a := r.Attrs.Clone()
				delete(a, "output_sequence") // a Y that nobody reads is no output here
				return e.OpN("LSTM", r.NOut, a, nil, r.In...), e.Err()
			},
		},
		Downgrade: map[int]func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error){
			14: withoutBF16(14, nil), 7: withoutBF16(7, dropAttr("layout", isZero)),
		},
		Grad:     gradLSTM,
		Cost:     lstmCost,
		Examples: lstmExamples(),
	}
}

func lstmCost(n *ir.Node) (int64, int64) {
	x, w, r := n.In[0].Type, n.In[1].Type, n.In[2].Type
	steps := int64(1)
	if x.Rank() == 3 {
		steps = elements(tensor.T(x.DType, x.Dims[:2]...))
	}
	return 2 * steps * (elements(w) + elements(r)), bytesOf(n)
}

// lstmDims are the extents that the operands of an LSTM agree on.
type lstmDims struct {
	steps, batch, width, dirs, hidden shape.Dim
	known                             [5]bool
}

// state gives the extents of the states in the order of layout.
func (d *lstmDims) state(q *ir.Query) []shape.Dim {
	if q.Attrs.Bool("layout") {
		return []shape.Dim{d.batch, d.dirs, d.hidden}
	}
	return []shape.Dim{d.dirs, d.batch, d.hidden}
}

// dimsOfLSTM reads the extents from attributes, X and R.
func dimsOfLSTM(q *ir.Query) lstmDims {
	var d lstmDims
	x := q.In[0].Type
	d.steps, d.known[0] = dimAt(x, 0)
	d.batch, d.known[1] = dimAt(x, 1)
	if q.Attrs.Bool("layout") {
		d.steps, d.batch = d.batch, d.steps
	}
	d.width, d.known[2] = dimAt(x, 2)
	d.dirs, d.known[3] = shape.Int(1), true
	if q.Attrs.Str("direction") == "bidirectional" {
		d.dirs = shape.Int(2)
	}
	if q.Attrs.Has("hidden_size") {
		d.hidden, d.known[4] = shape.Int(int64(q.Attrs.Int("hidden_size"))), true
	} else {
		d.hidden, d.known[4] = dimAt(q.In[2].Type, 2)
	}
	return d
}

// rnnOperand is the constraint that operand i has the extents that dims gives,
// as far as those of numbers needs are known.
func rnnOperand(id, text string, i int, dims func(q *ir.Query, d lstmDims) []shape.Dim, needs ...int) ir.C {
	return ir.C{ID: id, Text: text, Check: func(q *ir.Query) error {
		f := q.Input(i)
		if !f.Present() || !f.Type.Ranked() {
			return nil
		}
		d := dimsOfLSTM(q)
		want := dims(q, d)
		if f.Type.Rank() != len(want) {
			return ir.Fault("rank of "+q.Def.In[i].Name, fmt.Sprint(f.Type.Rank()), fmt.Sprint(len(want)))
		}
		for _, k := range needs {
			if !d.known[k] {
				return nil
			}
		}
		for j, w := range want {
			if differ(f.Type.Dims[j], w) {
				return ir.Fault(q.Def.In[i].Name, shape.Format(f.Type.Dims), shape.Format(want))
			}
		}
		return nil
	}}
}

// Numbers of the extents in lstmDims.known.
const (
	dimS = iota
	dimN
	dimI
	dimD
	dimH
)

func stateDims(q *ir.Query, d lstmDims) []shape.Dim { return d.state(q) }

func lstmConstraints() []ir.C {
	times := func(n int64, d shape.Dim) shape.Dim { return d.Mul(shape.Int(n)) }
	return []ir.C{
		{ID: "C1", Text: "rank(X) = 3", Check: func(q *ir.Query) error {
			if t := q.In[0].Type; t.Ranked() && t.Rank() != 3 {
				return ir.Fault("rank of X", fmt.Sprint(t.Rank()), "3")
			}
			return nil
		}},
		rnnOperand("C2", "dims(R) = [D, 4H, H]", 2, func(_ *ir.Query, d lstmDims) []shape.Dim {
			return []shape.Dim{d.dirs, times(4, d.hidden), d.hidden}
		}, dimD, dimH),
		rnnOperand("C3", "dims(W) = [D, 4H, I]", 1, func(_ *ir.Query, d lstmDims) []shape.Dim {
			return []shape.Dim{d.dirs, times(4, d.hidden), d.width}
		}, dimI, dimD, dimH),
		rnnOperand("C4", "dims(B) = [D, 8H]", 3, func(_ *ir.Query, d lstmDims) []shape.Dim {
			return []shape.Dim{d.dirs, times(8, d.hidden)}
		}, dimD, dimH),
		rnnOperand("C5", "dims(sequence_lens) = [N]", 4, func(_ *ir.Query, d lstmDims) []shape.Dim {
			return []shape.Dim{d.batch}
		}, dimS, dimN),
		rnnOperand("C6", "dims(initial_h) are those of a state", 5, stateDims, dimS, dimN, dimD, dimH),
		rnnOperand("C7", "dims(initial_c) are those of a state", 6, stateDims, dimS, dimN, dimD, dimH),
		rnnOperand("C8", "dims(P) = [D, 3H]", 7, func(_ *ir.Query, d lstmDims) []shape.Dim {
			return []shape.Dim{d.dirs, times(3, d.hidden)}
		}, dimD, dimH),
		{ID: "C9", Text: "activations has 3 entries per direction, or none", Check: func(q *ir.Query) error {
			want := 3
			if q.Attrs.Str("direction") == "bidirectional" {
				want = 6
			}
			if n := len(q.Attrs.Strs("activations")); n != 0 && n != want {
				return ir.Fault("attribute activations", fmt.Sprintf("%d names", n), fmt.Sprint(want))
			}
			return nil
		}},
	}
}

// sequenceDims are the extents of Y in the order of layout.
func sequenceDims(q *ir.Query, d lstmDims) []shape.Dim {
	if q.Attrs.Bool("layout") {
		return []shape.Dim{d.batch, d.steps, d.dirs, d.hidden}
	}
	return []shape.Dim{d.steps, d.dirs, d.batch, d.hidden}
}

func inferLSTM(q *ir.Query) ([]ir.Fact, error) {
	d := dimsOfLSTM(q)
	t := q.In[0].Type.DType
	fresh := func(dim *shape.Dim, ok bool, out, axis int) {
		if !ok {
			*dim = q.NewDim(out, axis)
		}
	}
	// Axes of Y by layout: S, D, N, H or N, S, D, H.
	s, n := 0, 2
	if q.Attrs.Bool("layout") {
		s, n = 1, 0
	}
	fresh(&d.steps, d.known[0], 0, s)
	fresh(&d.batch, d.known[1], 0, n)
	fresh(&d.hidden, d.known[4], 0, 3)
	last := ir.Fact{Type: tensor.T(t, d.state(q)...)}
	return []ir.Fact{{Type: tensor.T(t, sequenceDims(q, d)...)}, last, last}, nil
}

// lstmExamples are small enough to be checked by hand: with W = R = 0 every
// gate is 1/2 and g is 0, so C halves at each step.
func lstmExamples() []ir.Case {
	zero := func(dims ...int) tensor.Tensor { return tensor.New(dtype.F32, dims...) }
	absent := tensor.Value{}
	halved := attr.Map{"hidden_size": attr.Int(1), "activations": attr.Strs("Sigmoid", "Tanh", "Affine")}
	return []ir.Case{
		{Name: "gates at one half", Attrs: halved,
			In: []tensor.Value{tensor.V(zero(2, 1, 1)), tensor.V(zero(1, 4, 1)), tensor.V(zero(1, 4, 1)), absent, absent, absent,
				tensor.V(tensor.MustOf([]float32{8}, 1, 1, 1))},
			Out:    tensor.Vs(tensor.MustOf([]float32{2, 1}, 2, 1, 1, 1), tensor.MustOf([]float32{1}, 1, 1, 1), tensor.MustOf([]float32{2}, 1, 1, 1)),
			Source: "hand calculation: C is 4, then 2; H = C/2"},
		{Name: "backwards, two lengths", Attrs: attr.Map{"hidden_size": attr.Int(1), "direction": attr.Str("reverse"), "activations": attr.Strs("HardSigmoid", "Affine", "Affine")},
			In: []tensor.Value{tensor.V(tensor.MustOf([]float32{4, 8, 16, 32}, 2, 2, 1)), tensor.V(tensor.MustOf([]float32{0, 0, 0, 1}, 1, 4, 1)), tensor.V(zero(1, 4, 1)),
				absent, tensor.V(tensor.MustOf([]int32{2, 1}, 2))},
			Out:    tensor.Vs(tensor.MustOf([]float32{3, 2, 4, 0}, 2, 1, 2, 1), tensor.MustOf([]float32{3, 2}, 1, 2, 1), tensor.MustOf([]float32{6, 4}, 1, 2, 1)),
			Source: "hand calculation: gates are 1/2, so C = C/2 + x/2; the first sequence takes 16 (C = 8), then 4 (C = 6), the second 8 (C = 4)"},
	}
}
