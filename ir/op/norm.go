package op

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
)

// normOps are the normalizations; their gradients are in grad_norm.go.
func normOps() []*ir.OpDef {
	return []*ir.OpDef{batchNormOp(), layerNormOp()}
}

func batchNormOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "BatchNormalization", Since: []int{1, 6, 7, 9, 14, 15},
		Doc: "BatchNormalization is Y = (X - mean)/sqrt(var + epsilon)*scale + B for every channel.\n\n" +
			"\tX             T[N, C, ...]  a vector X is one channel\n" +
			"\tscale, B      T1[C]\n" +
			"\tinput_mean    T2[C]\n" +
			"\tinput_var     T2[C]\n" +
			"\tY             T[N, C, ...]\n" +
			"\trunning_mean  T2[C]         in training mode: input*momentum + current*(1-momentum)\n" +
			"\trunning_var   T2[C]\n\n" +
			"With training_mode, mean and var are those of the channel in X (var divides by the count); else the inputs.\n" +
			"Cost: 2*|X| FLOP.  Grad: from the definition, in both modes.",
		Source: "ONNX BatchNormalization-15",
		In: []ir.Port{{Name: "X", DTypes: floats, Var: "T"}, {Name: "scale", DTypes: floats, Var: "T1"}, {Name: "B", DTypes: floats, Var: "T1"},
			{Name: "input_mean", DTypes: floats, Var: "T2"}, {Name: "input_var", DTypes: floats, Var: "T2"}},
		Out: []ir.Port{{Name: "Y", DTypes: floats, Var: "T"}, {Name: "running_mean", DTypes: floats, Var: "T2", Optional: true},
			{Name: "running_var", DTypes: floats, Var: "T2", Optional: true}},
		Attrs: []ir.Attr{
			{Name: "epsilon", Kind: attr.KindFloat, Default: attr.Float(1e-5), Doc: "added to the variance"},
			{Name: "momentum", Kind: attr.KindFloat, Default: attr.Float(0.9), Doc: "share of the old running statistics"},
			{Name: "training_mode", Kind: attr.KindInt, Default: attr.Int(0), Check: flag, Doc: "1: normalize by the statistics of X"},
		},
		Constraints: batchNormConstraints(),
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			stat := ir.Fact{Type: q.In[3].Type}
			return []ir.Fact{{Type: q.In[0].Type}, stat, stat}, nil
		},
		Eval: ref.BatchNormalization, Ref: &ref.BatchNormalizationDesc,
		Upgrade: map[int]func(ir.Emitter, ir.Raw) ([]*ir.Value, error){
			1: upgradeBatchNorm, 6: upgradeBatchNorm, 7: upgradeBatchNorm, 9: upgradeBatchNorm,
		},
		Downgrade: map[int]func(ir.Emitter, *ir.Node) ([]*ir.Value, attr.Map, error){
			9: downgradeBatchNorm, 14: downgradeBatchNorm14,
		},
		Grad:     gradBatchNorm,
		Cost:     func(n *ir.Node) (int64, int64) { return 2 * elements(n.In[0].Type), bytesOf(n) },
		Examples: batchNormExamples(),
	}
}

func batchNormConstraints() []ir.C {
	return []ir.C{
		{ID: "C1", Text: "rank(X) >= 1", Check: func(q *ir.Query) error {
			if q.In[0].Type.Ranked() && q.In[0].Type.Rank() == 0 {
				return ir.Fault("rank of X", "0", "1 or more")
			}
			return nil
		}},
		{ID: "C2", Text: "scale, B, input_mean and input_var are vectors of dim(X,1)", Check: func(q *ir.Query) error {
			c, known := dimAt(q.In[0].Type, 1)
			if q.In[0].Type.Rank() == 1 {
				c, known = shape.Int(1), true
			}
			for i := 1; i < 5; i++ {
				t := q.In[i].Type
				if t.Ranked() && t.Rank() != 1 {
					return ir.Fault("rank of "+q.Def.In[i].Name, fmt.Sprint(t.Rank()), "1")
				}
				if d, ok := dimAt(t, 0); ok && known && differ(d, c) {
					return ir.Fault(q.Def.In[i].Name, d.String(), fmt.Sprintf("%v (X channels)", c))
				}
			}
			return nil
		}},
		{ID: "C3", Text: "running statistics come in training mode only", Check: func(q *ir.Query) error {
			if q.NOut > 1 && !q.Attrs.Bool("training_mode") {
				return ir.Fault("outputs", fmt.Sprint(q.NOut), "1 unless training_mode is 1")
			}
			return nil
		}},
	}
}

// upgradeBatchNorm takes schemas 1 to 9, where more than one output meant
// training, and spatial = 0 meant statistics for each element.
func upgradeBatchNorm(e ir.Emitter, r ir.Raw) ([]*ir.Value, error) {
	a := attr.Map{}
	for _, k := range []string{"epsilon", "momentum"} {
		if v, ok := r.Attrs[k]; ok {
			a[k] = v
		}
	}
	training := r.NOut > 1
	if r.Version < 7 && r.Attrs.Bool("is_test") {
		training = false
	}
	if sp, ok := r.Attrs["spatial"]; ok && sp.Int == 0 {
		if training {
			return nil, diag.New(diag.Unsupported, "spatial = 0 in training (supported: in inference)")
		}
		return padOutputs(r.NOut, perElementNorm(e, r)), e.Err()
	}
	if !training {
		return padOutputs(r.NOut, e.Op("BatchNormalization", a, r.In...)), e.Err()
	}
	a["training_mode"] = attr.Int(1)
	out := e.OpN("BatchNormalization", min(3, r.NOut), a, nil, r.In...)
	if r.NOut > 3 && r.Type(0).Rank() < 1 {
		return nil, diag.New(diag.Unsupported, "outputs saved_mean and saved_var for X of unknown rank (supported: known rank)")
	}
	if r.NOut > 3 {
		m := arith{e, r.Type(0).DType}
		axes := otherAxes(r.Type(0).Rank())
		mean := m.mean(r.In[0], axes)
		dev := m.sub(r.In[0], mean)
		out = append(out, e.Op("Reshape", nil, mean, e.Ints(-1)), e.Op("Reshape", nil, m.mean(m.mul(dev, dev), axes), e.Ints(-1)))
	}
	return out[:r.NOut], e.Err()
}

// padOutputs is y followed by outputs that do not exist.
func padOutputs(n int, y *ir.Value) []*ir.Value {
	out := make([]*ir.Value, max(1, n))
	out[0] = y
	return out
}

// perElementNorm is BatchNormalization with statistics T[C, ...], which
// broadcast over the batch.
func perElementNorm(e ir.Emitter, r ir.Raw) *ir.Value {
	d := r.Type(0).DType
	eps := float64(float32(1e-5))
	if v, ok := r.Attrs["epsilon"]; ok {
		eps = float64(v.Float)
	}
	dev := e.Op("Sqrt", nil, e.Op("Add", nil, r.In[4], e.Scalar(d, eps)))
	y := e.Op("Div", nil, e.Op("Sub", nil, r.In[0], r.In[3]), dev)
	return e.Op("Add", nil, e.Op("Mul", nil, y, r.In[1]), r.In[2])
}

func downgradeBatchNorm(e ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
	for _, v := range n.In {
		if v.Type.DType != n.In[0].Type.DType {
			return nil, nil, diag.New(diag.Unsupported, "statistics of another type than X in BatchNormalization-9 (supported: one type)")
		}
	}
	if n.Attrs.Bool("training_mode") && (len(n.Out) < 2 || n.Out[1] == nil) {
		return nil, nil, diag.New(diag.Unsupported, "training mode without running outputs in BatchNormalization-9 (supported: with them)")
	}
	return withoutBF16(9, func(a attr.Map) error { delete(a, "training_mode"); return nil })(e, n)
}

func downgradeBatchNorm14(_ ir.Emitter, n *ir.Node) ([]*ir.Value, attr.Map, error) {
	if n.In[1].Type.DType != n.In[0].Type.DType {
		return nil, nil, diag.New(diag.Unsupported, "scale of another type than X in BatchNormalization-14 (supported: one type)")
	}
	return n.In, n.Attrs, nil
}

func layerNormOp() *ir.OpDef {
	stash := []dtype.DType{dtype.F32, dtype.BF16}
	return &ir.OpDef{
		Name: "LayerNormalization", Since: []int{17},
		Doc: "LayerNormalization is Y = (X - Mean)*InvStdDev*Scale + B, with statistics over the axes from axis on.\n\n" +
			"\tX          T[d...]\n" +
			"\tScale, B   T             broadcast to X; B is optional\n" +
			"\tY          T[d...]\n" +
			"\tMean       U[d..., 1...] optional; extents from axis on are 1\n" +
			"\tInvStdDev  U[d..., 1...] optional: 1/sqrt(Var + epsilon), Var divides by the count\n\n" +
			"stash_type is U; it names the precision in which a model may compute at least.\n" +
			"Cost: 8*|X| FLOP.  Grad: from the definition.",
		Source: "ONNX LayerNormalization-17",
		In: []ir.Port{{Name: "X", DTypes: floats, Var: "T"}, {Name: "Scale", DTypes: floats, Var: "T"},
			{Name: "B", DTypes: floats, Var: "T", Optional: true}},
		Out: []ir.Port{{Name: "Y", DTypes: floats, Var: "T"}, {Name: "Mean", DTypes: stash, Var: "U", Optional: true},
			{Name: "InvStdDev", DTypes: stash, Var: "U", Optional: true}},
		Attrs: []ir.Attr{
			{Name: "axis", Kind: attr.KindInt, Default: attr.Int(-1), Doc: "first normalized axis"},
			{Name: "epsilon", Kind: attr.KindFloat, Default: attr.Float(1e-5), Doc: "added to the variance"},
			{Name: "stash_type", Kind: attr.KindInt, Default: attr.Int(1), Doc: "type of Mean and InvStdDev: 1 is f32, 16 is bf16",
				Check: func(v attr.Value) error {
					if v.Int != 1 && v.Int != 16 {
						return &diag.Error{Kind: diag.Unsupported, Have: fmt.Sprint(v.Int), Want: "1 (f32) or 16 (bf16)"}
					}
					return nil
				}},
		},
		Constraints: []ir.C{
			{ID: "C1", Text: "axis is one of X", Check: func(q *ir.Query) error {
				if t := q.In[0].Type; t.Ranked() {
					_, err := axisOf(q.Attrs.Int("axis"), t.Rank())
					return err
				}
				return nil
			}},
			{ID: "C2", Text: "Scale and B broadcast to X", Check: func(q *ir.Query) error {
				for i := 1; i < len(q.In); i++ {
					if err := stretchesTo(q.Def.In[i].Name, q.In[i].Type, q.In[0].Type); err != nil {
						return err
					}
				}
				return nil
			}},
		},
		Infer: inferLayerNorm,
		Eval:  ref.LayerNormalization, Ref: &ref.LayerNormalizationDesc,
		Grad:     gradLayerNorm,
		Cost:     func(n *ir.Node) (int64, int64) { return 8 * elements(n.In[0].Type), bytesOf(n) },
		Examples: layerNormExamples(),
	}
}

// stretchesTo is the fault where t provably doesn't broadcast to exactly to.
func stretchesTo(name string, t, to ir.Type) error {
	if !t.Ranked() || !to.Ranked() {
		return nil
	}
	ok := t.Rank() <= to.Rank()
	for i := 0; ok && i < t.Rank(); i++ {
		d := t.Dims[t.Rank()-1-i]
		ok = d.Is(1) || !differ(d, to.Dims[to.Rank()-1-i])
	}
	if !ok {
		return ir.Fault(name, shape.Format(t.Dims), "broadcastable to "+shape.Format(to.Dims))
	}
	return nil
}

func inferLayerNorm(q *ir.Query) ([]ir.Fact, error) {
	x := q.In[0].Type
	u, _ := dtype.FromONNX(int32(q.Attrs.Int("stash_type")))
	if !x.Ranked() {
		stat := ir.Fact{Type: tensor.TUnranked(u)}
		return []ir.Fact{{Type: x}, stat, stat}, nil
	}
	axis, err := axisOf(q.Attrs.Int("axis"), x.Rank())
	if err != nil {
		return nil, err
	}
	dims := append([]shape.Dim{}, x.Dims...)
	for i := axis; i < len(dims); i++ {
		dims[i] = shape.Int(1)
	}
	stat := ir.Fact{Type: tensor.T(u, dims...)}
	return []ir.Fact{{Type: x}, stat, stat}, nil
}

func batchNormExamples() []ir.Case {
	row := func(v ...float32) tensor.Tensor { return tensor.MustOf(v, len(v)) }
	return []ir.Case{
		{Name: "two channels", Attrs: attr.Map{"epsilon": attr.Float(0)},
			In:     tensor.Vs(tensor.MustOf([]float32{-1, 0, 1, 2, 3, 4}, 1, 2, 1, 3), row(1, 1.5), row(0, 1), row(0, 3), row(1, 2.25)),
			Out:    tensor.Vs(tensor.MustOf([]float32{-1, 0, 1, 0, 1, 2}, 1, 2, 1, 3)),
			Source: "hand calculation, after ONNX BatchNormalization-15, example batchnorm"},
		{Name: "training mode", Attrs: attr.Map{"epsilon": attr.Float(0), "momentum": attr.Float(0.5), "training_mode": attr.Int(1)},
			In:     tensor.Vs(tensor.MustOf([]float32{1, 5}, 2, 1), row(2), row(10), row(1), row(2)),
			Out:    tensor.Vs(tensor.MustOf([]float32{8, 12}, 2, 1), row(2), row(3)),
			Source: "hand calculation: mean 3, variance 4"},
	}
}

func layerNormExamples() []ir.Case {
	half := float32(1 / math.Sqrt2)
	return []ir.Case{
		{Name: "last axis", Attrs: attr.Map{"epsilon": attr.Float(0)},
			In:     tensor.Vs(tensor.MustOf([]float32{1, 3, 10, 30}, 2, 2), tensor.MustOf([]float32{1, 2}, 2), tensor.MustOf([]float32{0, 1}, 2)),
			Out:    tensor.Vs(tensor.MustOf([]float32{-1, 3, -1, 3}, 2, 2), tensor.MustOf([]float32{2, 20}, 2, 1), tensor.MustOf([]float32{1, 0.1}, 2, 1)),
			Source: "hand calculation"},
		{Name: "all axes, without B", Attrs: attr.Map{"axis": attr.Int(0), "epsilon": attr.Float(1)},
			In:     tensor.Vs(tensor.MustOf([]float32{1, 3, 3, 1}, 2, 2), tensor.MustOf([]float32{1}, 1)),
			Out:    tensor.Vs(tensor.MustOf([]float32{-half, half, half, -half}, 2, 2)),
			Tol:    tensor.Ulp(1),
			Source: "hand calculation: mean 2, variance 1, 1/sqrt(2)"},
	}
}
