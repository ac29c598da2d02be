package op

import (
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// lossOps are what training steps have and inference has not, gradients of
// other operators apart.
func lossOps() []*ir.OpDef {
	return []*ir.OpDef{crossEntropyOp(), crossEntropyGradOp(), dropoutMaskOp(), batchNormGradOp()}
}

// labelC checks that labels, input j, have the dims of logits, input i,
// without the classes, and lie among them where they are known.
func labelC(id string, i, j int) ir.C {
	return ir.C{ID: id, Text: "labels: the dims of logits without axis 1, each 0..C-1", Check: func(q *ir.Query) error {
		x, y := q.In[i].Type, q.In[j].Type
		if x.Ranked() && x.Rank() < 2 {
			return ir.Fault("rank of logits", fmt.Sprint(x.Rank()), "2 or more")
		}
		if !x.Ranked() {
			return nil
		}
		want := withoutClasses(x)
		bad := y.Ranked() && y.Rank() != len(want)
		for k := 0; !bad && y.Ranked() && k < len(want); k++ {
			bad = differ(y.Dims[k], want[k])
		}
		if bad {
			return ir.Fault("labels", y.String(), shape.Format(want))
		}
		if n, ok := x.Dims[1].Const(); ok && q.In[j].Const != nil {
			for k := range q.In[j].Const.Len() {
				if v := q.In[j].Const.Int(k); v < 0 || v >= n {
					return ir.Fault("label", fmt.Sprint(v), fmt.Sprintf("0..%d", n-1))
				}
			}
		}
		return nil
	}}
}

// withoutClasses are the dims of logits but for axis 1.
func withoutClasses(x ir.Type) []shape.Dim {
	return append([]shape.Dim{x.Dims[0]}, x.Dims[2:]...)
}

func crossEntropyOp() *ir.OpDef {
	d := &ir.OpDef{
		Name: "CrossEntropy", Domain: "mlc", Since: []int{1},
		Doc: "CrossEntropy is -log of the probability that the softmax of the logits over axis 1 gives to the label: " +
			"log(sum(exp(x))) - x[label], taken relative to the maximum.\n\n" +
			"\tlogits  T[N, C, ...]\n\tlabels  I[N, ...]   0..C-1\n\tloss    T[N, ...]\n\n" +
			"Cost: 15*|logits| FLOP.  Errors: C1; a label out of range.  Grad: mlc.CrossEntropyGrad.",
		Source:      "ONNX SoftmaxCrossEntropyLoss-13 with reduction none, without weights",
		In:          []ir.Port{{Name: "logits", DTypes: floats, Var: "T"}, {Name: "labels", DTypes: indices}},
		Out:         []ir.Port{{Name: "loss", DTypes: floats, Var: "T"}},
		Constraints: []ir.C{labelC("C1", 0, 1)},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			x := q.In[0].Type
			if !x.Ranked() {
				return unranked(x.DType), nil
			}
			return tt(x.DType, withoutClasses(x)...), nil
		},
		Eval: ref.CrossEntropy, Ref: &ref.CrossEntropyDesc,
		Grad: func(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
			if dy[0] == nil {
				return make([]*ir.Value, 2)
			}
			return []*ir.Value{e.Op("mlc.CrossEntropyGrad", nil, dy[0], n.In[0], n.In[1]), nil}
		},
		Cost: func(n *ir.Node) (int64, int64) { return 15 * elements(n.In[0].Type), bytesOf(n) },
		Examples: []ir.Case{
			tensorCase("two rows", "hand calculation: log(e^0+e^0) and log(1+3)-log(3) with logits 0 and log 3", nil,
				f32s([]int{2}, 0.6931472, 0.2876821), f32s([]int{2, 2}, 5, 5, 0, 1.0986123), i64s(0, 1)),
			tensorCase("far logits", "hand calculation: exp(-1e4) is 0", nil, f32s([]int{1}, 1e4), f32s([]int{1, 2}, 1e4, 0), i64s(1)),
		},
	}
	d.Examples[0].Tol = tensor.Ulp(2)
	return d
}

func crossEntropyGradOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "CrossEntropyGrad", Domain: "mlc", Since: []int{1},
		Doc: "CrossEntropyGrad is the gradient of CrossEntropy: dX = dY*(softmax(logits) - 1 at the label).\n\n" +
			"\tdY      T[N, ...]\n\tlogits  T[N, C, ...]\n\tlabels  I[N, ...]\n\tdX      T[N, C, ...]\n\n" +
			"Cost: 15*|logits| FLOP.  Errors: C1, C2; a label out of range.",
		Source: "the derivative of mlc.CrossEntropy-1",
		In:     []ir.Port{{Name: "dY", DTypes: floats, Var: "T"}, {Name: "logits", DTypes: floats, Var: "T"}, {Name: "labels", DTypes: indices}},
		Out:    []ir.Port{{Name: "dX", DTypes: floats, Var: "T"}},
		Constraints: []ir.C{labelC("C1", 1, 2), {ID: "C2", Text: "dims(dY) are those of the labels", Check: func(q *ir.Query) error {
			if x := q.In[1].Type; x.Ranked() {
				return gradientOf("dY", q.In[0].Type, tensor.T(x.DType, withoutClasses(x)...), false)
			}
			return nil
		}}},
		Infer: func(q *ir.Query) ([]ir.Fact, error) { return []ir.Fact{{Type: q.In[1].Type}}, nil },
		Eval:  ref.CrossEntropyGrad, Ref: &ref.CrossEntropyGradDesc,
		NoGrad: noSecondGrad,
		Cost:   perElement(15),
		Examples: []ir.Case{
			tensorCase("two rows", "hand calculation: probabilities 1/2, 1/2", nil,
				f32s([]int{2, 2}, -0.5, 0.5, 1, -1), f32s([]int{2}, 1, 2), f32s([]int{2, 2}, 5, 5, 3, 3), i64s(0, 1)),
			tensorCase("certain", "hand calculation", nil, f32s([]int{1, 2}, 0, 0), f32s([]int{1}, 1), f32s([]int{1, 2}, 1e4, 0), i64s(0)),
		},
	}
}

func dropoutMaskOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "DropoutMask", Domain: "mlc", Since: []int{1},
		Doc: "DropoutMask gives factors that drop: 0 with probability ratio, else 1/(1-ratio). Element i depends on the key and i alone.\n\n" +
			"\tkey    i64[k]   any numbers: a seed, a step\n\tshape  i64[r]\n\tmask   T[...]   the extents of shape, type dtype\n\n" +
			"A key is hashed with i by SplitMix64; the upper 53 bits are the number in 0..1 that is compared. Cost: 10*|mask| FLOP.  Errors: C1, C2.",
		Source: "Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators (2014)",
		In:     []ir.Port{{Name: "key", DTypes: []dtype.DType{dtype.I64}}, {Name: "shape", DTypes: []dtype.DType{dtype.I64}}},
		Out:    []ir.Port{{Name: "mask", DTypes: floats}},
		Attrs: []ir.Attr{
			{Name: "dtype", Kind: attr.KindInt, Default: attr.Int(int64(dtype.F32.ONNX())), Check: floatCode, Doc: "ONNX number of the mask's float type"},
			{Name: "ratio", Kind: attr.KindFloat, Required: true, Check: func(v attr.Value) error {
				if !(v.Float >= 0 && v.Float < 1) {
					return fmt.Errorf("have %v, want 0 to below 1", v.Float)
				}
				return nil
			}, Doc: "probability of 0"},
		},
		Constraints: []ir.C{
			{ID: "C1", Text: "key: a vector", Check: func(q *ir.Query) error {
				if t := q.In[0].Type; t.Ranked() && t.Rank() != 1 {
					return ir.Fault("key", t.String(), "a vector")
				}
				return nil
			}},
			{ID: "C2", Text: "shape: a vector of extents", Check: func(q *ir.Query) error {
				if t := q.In[1].Type; t.Ranked() && t.Rank() != 1 {
					return ir.Fault("shape", t.String(), "a vector")
				}
				for _, d := range q.In[1].Ints {
					if n, ok := d.Const(); ok && n < 0 {
						return ir.Fault("shape", d.String(), "0 or more")
					}
				}
				return nil
			}},
		},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			d, _ := dtype.FromONNX(int32(q.Attrs.Int("dtype")))
			if q.In[1].Ints != nil {
				return tt(d, q.In[1].Ints...), nil
			}
			if n, ok := dimAt(q.In[1].Type, 0); ok {
				if r, known := n.Const(); known && r >= 0 && r <= 64 {
					dims := make([]shape.Dim, r)
					for j := range dims {
						dims[j] = q.NewDim(0, j)
					}
					return tt(d, dims...), nil
				}
			}
			return unranked(d), nil
		},
		Eval: ref.DropoutMask, Ref: &ref.DropoutMaskDesc,
		NoGrad: "its inputs are integers",
		Cost:   perElement(10),
		Examples: []ir.Case{
			tensorCase("nothing dropped", "the definition", attr.Map{"ratio": attr.Float(0)}, f32s([]int{2}, 1, 1), i64s(1, 2), i64s(2)),
			tensorCase("half", "SplitMix64 in Python: numbers 0.652, 0.701, 0.387, 0.656 for key (0)", attr.Map{"ratio": attr.Float(0.5)},
				f32s([]int{4}, 2, 2, 0, 2), i64s(0), i64s(4)),
		},
	}
}

func floatCode(v attr.Value) error {
	if d, ok := dtype.FromONNX(int32(v.Int)); ok && (d == dtype.F32 || d == dtype.F64 || d == dtype.F16 || d == dtype.BF16) {
		return nil
	}
	return fmt.Errorf("have %d, want the number of f16, bf16, f32 or f64", v.Int)
}
