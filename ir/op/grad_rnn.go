package op

import (
	"maps"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// lstmGradOuts says, for each output of mlc.LSTMGrad, which input of LSTM it
// is the gradient of.
var lstmGradOuts = [...]int{0, 1, 2, 3, 5, 6, 7}

func lstmGradOp() *ir.OpDef {
	in := lstmIn()
	var out []ir.Port
	for _, i := range lstmGradOuts {
		out = append(out, ir.Port{Name: "d" + in[i].Name, DTypes: floats, Var: "T", Optional: true})
	}
	for _, name := range []string{"dY", "dY_h", "dY_c"} {
		in = append(in, ir.Port{Name: name, DTypes: floats, Var: "T", Optional: true})
	}
	return &ir.OpDef{
		Name: "LSTMGrad", Domain: "mlc", Since: []int{1},
		Doc: "LSTMGrad is the gradient of LSTM in its inputs, back through time. It repeats the forward pass.\n\n" +
			"\tX ... P         the inputs of the LSTM\n" +
			"\tdY, dY_h, dY_c  gradients of its outputs, each optional\n" +
			"\tdX ... dP       gradients of X, W, R, B, initial_h, initial_c and P, shaped as these; that of an absent input is not wanted\n\n" +
			"The attributes are those of the LSTM. Cost: three times the LSTM's FLOP.",
		Source: "the derivative of ONNX LSTM-22",
		In:     in, Out: out,
		Attrs: lstmAttrs(),
		Constraints: append(lstmConstraints(),
			rnnOperand("C10", "dims(dY) are those of Y", 8, sequenceDims, dimS, dimN, dimD, dimH),
			rnnOperand("C11", "dims(dY_h) are those of a state", 9, stateDims, dimS, dimN, dimD, dimH),
			rnnOperand("C12", "dims(dY_c) are those of a state", 10, stateDims, dimS, dimN, dimD, dimH)),
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			fs := make([]ir.Fact, len(lstmGradOuts))
			for k, i := range lstmGradOuts {
				fs[k].Type = q.Input(i).Type
				if i >= len(q.In) || !q.In[i].Present() {
					fs[k].Type = tensor.TUnranked(q.In[0].Type.DType)
				}
			}
			return fs, nil
		},
		Eval: ref.LSTMGrad, Ref: &ref.LSTMGradDesc,
		NoGrad: noSecondGrad,
		Cost: func(n *ir.Node) (int64, int64) {
			f, _ := lstmCost(n)
			return 3 * f, bytesOf(n)
		},
		Examples: lstmGradExamples(),
	}
}

func lstmGradExamples() []ir.Case {
	zero := func(dims ...int) tensor.Tensor { return tensor.New(dtype.F32, dims...) }
	f := func(v ...float32) []float32 { return v }
	absent := tensor.Value{}
	affine := attr.Map{"hidden_size": attr.Int(1), "activations": attr.Strs("Affine", "Affine", "Affine"), "activation_alpha": attr.Floats(0.5, 1, 1), "activation_beta": attr.Floats(0.5, 0, 0)}
	backwards := maps.Clone(affine)
	backwards["direction"] = attr.Str("reverse")
	w := tensor.MustOf(f(0, 0, 0, 1), 1, 4, 1)
	return []ir.Case{
		{Name: "one step", Attrs: affine,
			// Gates are 0.5 + pre/2 with pre 0; g = 4; C = 0.5*4 = 2; H = 0.5*2 = 1.
			In: []tensor.Value{tensor.V(tensor.MustOf(f(4), 1, 1, 1)), tensor.V(w), tensor.V(zero(1, 4, 1)),
				absent, absent, absent, absent, absent, tensor.V(tensor.MustOf(f(1), 1, 1, 1, 1))},
			// dC = 0.5; pre-activations: di = dC*g/2 = 1, do = C/2 = 1, df = 0, dc = dC*i = 0.25.
			Out:    tensor.Vs(tensor.MustOf(f(0.25), 1, 1, 1), tensor.MustOf(f(4, 4, 0, 1), 1, 4, 1), zero(1, 4, 1)),
			Source: "hand calculation"},
		{Name: "the last cell, backwards", Attrs: backwards,
			In: []tensor.Value{tensor.V(tensor.MustOf(f(4, 8), 2, 1, 1)), tensor.V(w), tensor.V(zero(1, 4, 1)),
				absent, absent, absent, absent, absent, absent, absent, tensor.V(tensor.MustOf(f(1), 1, 1, 1))},
			// x = 8: C = 4; x = 4: C = 4/2 + 4/2 = 4. dC = 1 at the last, 0.5 before.
			// Last step: di = 4/2, df = 4/2, dc = 1/2; step before: di = 0.5*8/2, df = 0, dc = 0.25.
			Out: tensor.Vs(tensor.MustOf(f(0.5, 0.25), 2, 1, 1), tensor.MustOf(f(2*4+2*8, 0, 2*4, 0.5*4+0.25*8), 1, 4, 1),
				tensor.MustOf(f(2*2, 0, 2*2, 0.5*2), 1, 4, 1)),
			Source: "hand calculation: H before the last step is 4/2"},
	}
}

// gradLSTM emits mlc.LSTMGrad for the inputs that are there.
func gradLSTM(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
	dx := make([]*ir.Value, len(n.In))
	if !slices.ContainsFunc(dy, func(v *ir.Value) bool { return v != nil }) {
		return dx
	}
	in := make([]*ir.Value, 11)
	copy(in, n.In)
	copy(in[8:], dy)
	wanted := 3
	for k, i := range lstmGradOuts {
		if i < len(n.In) && n.In[i] != nil {
			wanted = k + 1
		}
	}
	out := e.OpN("mlc.LSTMGrad", wanted, n.Attrs, nil, in...)
	for k, i := range lstmGradOuts[:wanted] {
		if i < len(n.In) && n.In[i] != nil {
			dx[i] = out[k]
		}
	}
	return dx
}
