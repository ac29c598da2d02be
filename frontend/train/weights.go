package train

import (
	"strings"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
)

// Weight is one constant of an inference model that training keeps as a state.
type Weight struct {
	Name  string    // of the state
	Value *ir.Value // the constant's
	// Statistic says that it is a BatchNorm's mean or variance, or a bound of a
	// FakeQuantize, which follow the data and have no gradient.
	Statistic bool
}

// Weights lists the weights of m's main function in the order of their
// constants: float constants, f32 or f64, that reach an input which the table
// names as one of weights, directly or through operators on constants, of
// which the first input is followed (so a mask that a weight is multiplied
// with stays a constant where it stands second). A vector added to the result
// of a product or convolution is a bias.
func Weights(m *ir.Module) []Weight {
	main := m.Main()
	if main == nil {
		return nil
	}
	kind := map[*ir.Value]bool{} // weight constants; true: statistics
	mark := func(v *ir.Value, statistic bool) {
		if v = leaf(v); v != nil {
			if was, known := kind[v]; !known || was {
				kind[v] = statistic
			}
		}
	}
	for _, n := range main.Nodes {
		for _, i := range op.WeightPorts(n.Def) {
			if i < len(n.In) {
				mark(n.In[i], false)
			}
		}
		if n.Is("BatchNormalization") {
			mark(n.In[3], true)
			mark(n.In[4], true)
		}
		if n.Is(fakeQuantize) && n.In[1].Const() != nil && n.In[2].Const() != nil {
			mark(n.In[1], true)
			mark(n.In[2], true)
		}
		if n.Is("Add") {
			for i := range 2 {
				if p := producer(n.In[i]); p != nil && op.Biased(p.Def) && n.In[1-i].Type.Rank() >= 1 {
					mark(n.In[1-i], false)
				}
			}
		}
	}
	var out []Weight
	for _, n := range main.Nodes {
		if n.Const == nil {
			continue
		}
		if s, ok := kind[n.Out[0]]; ok {
			out = append(out, Weight{stateName(n.Out[0]), n.Out[0], s})
		}
	}
	return out
}

// fakeQuantize is the operator that training treats like a BatchNorm.
const fakeQuantize = "mlc.FakeQuantize"

// producer is the node that makes v, fake quantization aside; nil for a
// parameter.
func producer(v *ir.Value) *ir.Node {
	for v != nil && v.Node != nil && v.Node.Is(fakeQuantize) {
		v = v.Node.In[0]
	}
	if v == nil {
		return nil
	}
	return v.Node
}

// leaf follows v back, through operators on constants by their first input, to
// a float constant; nil where there is none.
func leaf(v *ir.Value) *ir.Value {
	for v != nil && v.Node != nil && v.Const() == nil {
		if len(v.Node.In) == 0 || !constant(v) {
			return nil
		}
		v = v.Node.In[0]
	}
	if v.Const() == nil || v.Type.DType != dtype.F32 && v.Type.DType != dtype.F64 {
		return nil
	}
	return v
}

// constant says whether v depends on constants alone.
func constant(v *ir.Value) bool {
	if v == nil || v.Const() != nil {
		return true
	}
	if v.Node == nil || !v.Node.Def.Has(ir.Pure) || len(v.Node.Regions) > 0 {
		return false
	}
	for _, x := range v.Node.In {
		if !constant(x) {
			return false
		}
	}
	return true
}

// stateName is the name of the state that holds constant v.
func stateName(v *ir.Value) string {
	if ir.IsUnnamed(v.Name) {
		return "weight" + strings.TrimPrefix(v.Name, ir.Unnamed)
	}
	return v.Name
}

// Export gives m with the weights that x has learnt, as constants; m is not
// changed. x runs a step made by Step from m, or from a model with the same
// weights. Error: x lacks a weight that m has, or holds it in another shape.
func Export(m *ir.Module, x ir.Exec) (*ir.Module, error) {
	return export(m, nil, x)
}

func export(m *ir.Module, freeze func(string) bool, x ir.Exec) (*ir.Module, error) {
	out := m.Clone()
	for _, w := range Weights(out) {
		if freeze != nil && freeze(w.Name) {
			continue
		}
		v, err := x.State(w.Name)
		if err != nil {
			return nil, err
		}
		if have := v.Type(); !have.Equal(w.Value.Type) {
			return nil, &diag.Error{Kind: diag.Shape, Node: "state " + w.Name, Have: have.String(), Want: w.Value.Type.String()}
		}
		w.Value.Node.Const = ir.NewConst(v.Tensor.Clone())
	}
	return out, nil
}
