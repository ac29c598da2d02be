package op_test

import (
	"math/rand/v2"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/irtest"
	"github.com/mlc-go/mlc/ir/tensor"
)

// generators draw samples for operators whose ports and examples alone rarely
// give legal ones.
var generators = map[string]func(r *rand.Rand, d *ir.OpDef) irtest.Sample{}

// unsampled are operators that are not sampled, each with its reason.
var unsampled = map[string]string{}

// violation is a sample that breaks a constraint, asked for nout outputs (0:
// as many as the first example has).
type violation struct {
	irtest.Sample
	nout int
}

// violations hold samples for constraints that mutation does not reach. Each
// begins as the operator's first example.
var violations = map[string][]func(s irtest.Sample) violation{
	"AveragePool":        {padsBesideAuto},
	"MaxPool":            {padsBesideAuto},
	"QLinearConv":        {padsBesideAuto},
	"ConvInteger":        {padsBesideAuto},
	"mlc.MaxPoolGrad":    {padsBesideAuto},
	"BatchNormalization": {func(s irtest.Sample) violation { return violation{s, 3} }},
	"LSTM": {oneActivation, func(s irtest.Sample) violation {
		for len(s.In) < 8 {
			s.In = append(s.In, tensor.Value{})
		}
		s.In[7] = tensor.V(tensor.New(s.In[0].Tensor.DType(), 1, 1))
		return violation{s, 0}
	}},
	"mlc.LSTMGrad": {oneActivation},
	"Resize": {func(s irtest.Sample) violation {
		s.Attrs["mode"] = attr.Str("linear")
		s.In[0] = tensor.V(tensor.New(dtype.String, s.In[0].Tensor.Dims()...))
		return violation{s, 0}
	}},
}

func padsBesideAuto(s irtest.Sample) violation {
	x := s.In[0].Tensor
	pads := make([]int64, 2*(x.Rank()-2))
	pads[0] = 1
	s.Attrs["auto_pad"], s.Attrs["pads"] = attr.Str("VALID"), attr.Ints(pads...)
	return violation{s, 0}
}

func oneActivation(s irtest.Sample) violation {
	s.Attrs["activations"] = attr.Strs("Tanh")
	return violation{s, 0}
}

func sampleOf(d *ir.OpDef, in ...tensor.Tensor) irtest.Sample {
	return irtest.Sample{Attrs: d.Complete(nil), In: tensor.Vs(in...)}
}
