package cpu

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/kernel/norm"
	"github.com/mlc-go/mlc/runtime/kernel/pooling"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
	"github.com/mlc-go/mlc/runtime/kernel/softmax"
	"github.com/mlc-go/mlc/runtime/plan"
)

// direct lowers n to a float32 kernel that has no constants of its own and
// reads the given operands, those of float16 through casts.
func (fl *funcLowerer) direct(n *ir.Node, op string, at attr.Map, reads ...*ir.Value) (bool, error) {
	call := plan.Instr{Op: plan.Call, Name: op, Alts: fl.alts(op, ""), Attrs: at, MACs: macs(n)}
	if y := n.Out[0]; call.Alts == nil || y != nil && !computed(y.Type.DType) {
		return false, nil
	}
	for _, v := range reads {
		if v != nil && !v.Type.Ranked() {
			return false, nil
		}
	}
	for _, v := range reads {
		s, err := fl.slot(v)
		if v != nil && computed(v.Type.DType) {
			s, err = fl.f32(v)
		}
		if err != nil {
			return false, err
		}
		call.In = append(call.In, s)
	}
	fl.emitF32(n, call)
	return true, nil
}

func selectSoftmax(fl *funcLowerer, n *ir.Node) (bool, error) {
	if n.In[0].Type.Rank() == 0 {
		return false, nil
	}
	return fl.direct(n, softmax.OpF32, pick(n.Attrs, "axis"), n.In[0])
}

// selectLayerNorm lowers a normalization whose scale and bias have the extents of
// a row and whose statistics nobody reads.
func selectLayerNorm(fl *funcLowerer, n *ir.Node) (bool, error) {
	x := n.In[0].Type
	for _, y := range n.Out[1:] {
		if y != nil {
			return false, nil
		}
	}
	if !computed(x.DType) || !x.Ranked() {
		return false, nil
	}
	axis := int(n.Attrs.Int("axis"))
	if axis < 0 {
		axis += x.Rank()
	}
	row := x.Dims[axis:]
	for _, v := range n.In[1:] {
		if v == nil {
			continue
		}
		if !computed(v.Type.DType) || !v.Type.Ranked() {
			return false, nil
		}
		d := v.Type.Dims
		for len(d) > len(row) && d[0].Is(1) {
			d = d[1:]
		}
		if !shape.EqualAll(d, row) {
			return false, nil
		}
	}
	return fl.direct(n, norm.OpLayer, pick(n.Attrs, "axis", "epsilon"), n.In...)
}

// pick copies attributes that are given.
func pick(a attr.Map, names ...string) attr.Map {
	out := attr.Map{}
	for _, s := range names {
		if v, ok := a[s]; ok {
			out[s] = v
		}
	}
	return out
}

// reductions are the kinds of package reduce by operator.
var reductions = map[string]string{
	"ReduceSum": "sum", "ReduceMean": "mean", "ReduceMax": "max", "ReduceMin": "min", "ReduceProd": "prod",
	"ReduceSumSquare": "sumsquare", "ReduceL1": "l1", "ReduceL2": "l2",
}

// maxReduced is the largest rank that package reduce takes.
const maxReduced = 8

// selectReduce lowers reductions over axes that are constant.
func selectReduce(fl *funcLowerer, n *ir.Node) (bool, error) {
	reads := n.In[:1:1]
	if len(n.In) > 1 && n.In[1] != nil {
		if !fl.isConst(n.In[1]) {
			return false, nil
		}
		reads = append(reads, n.In[1])
	}
	if r := n.In[0].Type.Rank(); r < 1 || r > maxReduced {
		return false, nil
	}
	at := pick(n.Attrs, "keepdims", "noop_with_empty_axes")
	at["kind"] = attr.Str(reductions[n.OpName()])
	return fl.direct(n, reduce.OpF32, at, reads...)
}

// pools are the operators of package pooling, with what computes them.
var pools = map[string]string{"MaxPool": pooling.OpMax, "AveragePool": pooling.OpAvg, "GlobalAveragePool": pooling.OpGlobal}

// selectPool lowers pools over one or two axes.
func selectPool(fl *funcLowerer, n *ir.Node) (bool, error) {
	name, x := n.OpName(), n.In[0].Type
	if len(n.Out) > 1 && n.Out[1] != nil || name != "GlobalAveragePool" && x.Rank() != 3 && x.Rank() != 4 || x.Rank() < 2 {
		return false, nil
	}
	return fl.direct(n, pools[name], n.Attrs, n.In[0])
}
