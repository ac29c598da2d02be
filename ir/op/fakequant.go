package op

import (
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// fakeQuantOps are what quantization-aware training puts where a quantized
// model has QuantizeLinear and DequantizeLinear.
func fakeQuantOps() []*ir.OpDef { return []*ir.OpDef{fakeQuantizeOp(), fakeQuantizeGradOp()} }

var justF32 = []dtype.DType{dtype.F32}

func fakeAttrs() []ir.Attr {
	return []ir.Attr{
		{Name: "axis", Kind: attr.KindInt, Default: attr.Int(1), Doc: "of vectors lo and hi"},
		{Name: "levels", Kind: attr.KindInt, Default: attr.Int(255), Check: func(v attr.Value) error {
			if v.Int < 1 || v.Int > 255 {
				return fmt.Errorf("have %d, want 1 to 255", v.Int)
			}
			return nil
		}, Doc: "steps between lo and hi: 255, or 254 for i8 weights, whose range is symmetric"},
	}
}

// rangeCs are the constraints on x, lo and hi, which begin at input x.
func rangeCs(x int) []ir.C {
	ranks := func(q *ir.Query) (scalars, known bool) {
		lo, hi := q.In[x+1].Type, q.In[x+2].Type
		return lo.Rank() == 0 && hi.Rank() == 0, lo.Ranked() && hi.Ranked()
	}
	return []ir.C{
		{ID: "C1", Text: "axis is within the rank of x, where lo and hi lie along it", Check: func(q *ir.Query) error {
			t := q.In[x].Type
			if scalars, known := ranks(q); scalars || !known || !t.Ranked() {
				return nil
			}
			if a, r := q.Attrs.Int("axis"), t.Rank(); a < -r || a >= r {
				return ir.Fault("axis", fmt.Sprint(a), fmt.Sprintf("%d..%d", -r, r-1))
			}
			return nil
		}},
		{ID: "C2", Text: "lo and hi are two scalars or two vectors as long as the axis", Check: func(q *ir.Query) error {
			scalars, known := ranks(q)
			if scalars || !known {
				return nil
			}
			for i, name := range []string{"lo", "hi"} {
				t := q.In[x+1+i].Type
				if t.Rank() != 1 {
					return ir.Fault(name, t.String(), "two scalars or two vectors")
				}
				if x := q.In[x].Type; x.Ranked() {
					k, err := axisOf(q.Attrs.Int("axis"), x.Rank())
					if err != nil {
						return err
					}
					if differ(t.Dims[0], x.Dims[k]) {
						return ir.Fault(name, t.String(), "["+x.Dims[k].String()+"]")
					}
				}
			}
			return nil
		}},
	}
}

func fakeQuantizeOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "FakeQuantize", Domain: "mlc", Since: []int{1},
		Doc: "FakeQuantize is DequantizeLinear(QuantizeLinear(x)): x on the numbers that levels steps between lo and hi have.\n\n" +
			"\tx         T[...]\n\tlo, hi    T[] or T[n]   a range for all of x, or one for each index of axis\n" +
			"\ty         T[...]        (q - zero)*scale, q = round(x/scale) + zero within 0..levels\n" +
			"\tmin, max  T[]           the extremes of x and 0; NaN where an element is   optional\n\n" +
			"The range is widened to hold 0; scale = (hi - lo)/levels, zero = round(-lo/scale), halves to even; a range of zeros has scale 1. " +
			"Unlike QuantizeLinear's, NaN stays NaN, and a range that is not finite or in the wrong order makes all of y NaN: training must notice. " +
			"Cost: 6*|x| FLOP.  Errors: C1, C2.  Grad: straight through where x does not saturate (mlc.FakeQuantizeGrad), none for lo and hi.",
		Source: "ONNX QuantizeLinear-28 and DequantizeLinear-28; Jacob et al., Quantization and Training of Neural Networks (2018)",
		In:     []ir.Port{{Name: "x", DTypes: justF32, Var: "T"}, {Name: "lo", DTypes: justF32, Var: "T"}, {Name: "hi", DTypes: justF32, Var: "T"}},
		Out: []ir.Port{{Name: "y", DTypes: justF32, Var: "T"}, {Name: "min", DTypes: justF32, Var: "T", Optional: true},
			{Name: "max", DTypes: justF32, Var: "T", Optional: true}},
		Attrs: fakeAttrs(), Constraints: rangeCs(0),
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			s := ir.Fact{Type: tensor.T(dtype.F32)}
			return []ir.Fact{{Type: q.In[0].Type}, s, s}, nil
		},
		Eval: ref.FakeQuantize, Ref: &ref.FakeQuantizeDesc,
		Grad: func(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
			if dy[0] == nil {
				return make([]*ir.Value, 3)
			}
			return []*ir.Value{e.Op("mlc.FakeQuantizeGrad", n.Attrs.Clone(), dy[0], n.In[0], n.In[1], n.In[2]), nil, nil}
		},
		Cost: perElement(6),
		Examples: []ir.Case{
			{Name: "from 0", Source: "hand calculation: scale 1, zero 0; halves to even, beyond the range to its end",
				In:  tensor.Vs(vec(-3, 0.5, 1.5, 2.25, 300), num32(0), num32(255)),
				Out: tensor.Vs(vec(0, 0, 2, 2, 255), num32(-3), num32(300))},
			{Name: "by channel, symmetric", Source: "hand calculation: scales 1 and 0.5", Attrs: attr.Map{"axis": attr.Int(0), "levels": attr.Int(254)},
				In:  tensor.Vs(f32s([]int{2, 2}, -127, 0.75, 63.5, 0.75), vec(-127, -63.5), vec(127, 63.5)),
				Out: tensor.Vs(f32s([]int{2, 2}, -127, 1, 63.5, 1), num32(-127), num32(63.5))},
		},
	}
}

func fakeQuantizeGradOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "FakeQuantizeGrad", Domain: "mlc", Since: []int{1},
		Doc: "FakeQuantizeGrad is what stands for the gradient of FakeQuantize: dY where x does not saturate, else 0.\n\n" +
			"\tdY      T[...]\n\tx       T[...]\n\tlo, hi  T[] or T[n]   as of FakeQuantize\n\tdX      T[...]   dY where (-zero - 1/2)*scale <= x <= (levels - zero + 1/2)*scale\n\n" +
			"Cost: 2*|x| FLOP.  Errors: C1 to C3.",
		Source: "Bengio, Léonard and Courville, Estimating or Propagating Gradients Through Stochastic Neurons (2013)",
		In: []ir.Port{{Name: "dY", DTypes: justF32, Var: "T"}, {Name: "x", DTypes: justF32, Var: "T"},
			{Name: "lo", DTypes: justF32, Var: "T"}, {Name: "hi", DTypes: justF32, Var: "T"}},
		Out:   []ir.Port{{Name: "dX", DTypes: justF32, Var: "T"}},
		Attrs: fakeAttrs(),
		Constraints: append(rangeCs(1), ir.C{ID: "C3", Text: "dims(dY) are those of x", Check: func(q *ir.Query) error {
			return gradientOf("dY", q.In[0].Type, q.In[1].Type, false)
		}}),
		Infer: func(q *ir.Query) ([]ir.Fact, error) { return []ir.Fact{{Type: q.In[1].Type}}, nil },
		Eval:  ref.FakeQuantizeGrad, Ref: &ref.FakeQuantizeGradDesc,
		NoGrad: noSecondGrad,
		Cost:   perElement(2),
		Examples: []ir.Case{
			tensorCase("half a step beyond", "hand calculation: scale 1, zero 0, so -0.5 to 255.5", nil,
				vec(0, 2, 3, 4, 0), vec(1, 2, 3, 4, 5), vec(-0.75, -0.5, 7, 255.5, 256), num32(0), num32(255)),
			tensorCase("by channel, symmetric", "hand calculation: scales 1 and 0.5, so -127.5 to 127.5 and half that", attr.Map{"axis": attr.Int(0), "levels": attr.Int(254)},
				f32s([]int{2, 2}, 1, 0, 3, 0), f32s([]int{2, 2}, 1, 2, 3, 4), f32s([]int{2, 2}, 127.25, 128, 63.75, 64), vec(-127, -63.5), vec(127, 63.5)),
		},
	}
}
