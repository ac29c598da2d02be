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

// controlOps run regions.
func controlOps() []*ir.OpDef { return []*ir.OpDef{ifOp(), loopOp()} }

func ifOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "If", Since: []int{1, 11, 13, 16, 19, 21, 23, 24, 25},
		Doc: "If runs its first region (then_branch) where cond is true, else the second (else_branch).\n\n" +
			"\tcond     bool   one element\n\toutputs  V      the results of the region that ran\n\n" +
			"Regions take no parameters and see the values around them. Extents in which the branches differ are known to the run only; where they differ in rank the output is unranked.\n\n" +
			"Cost: that of the dearer region.  Errors: C1..C3.",
		Source:     "ONNX If-25",
		In:         []ir.Port{{Name: "cond", DTypes: bools}},
		Out:        []ir.Port{{Name: "outputs", AnyKind: true, Variadic: true, MinCount: 1}},
		NumRegions: 2,
		Constraints: []ir.C{
			{ID: "C1", Text: "cond: one element", Check: func(q *ir.Query) error {
				if n := lengthOf(q.In[0]); n >= 0 && n != 1 {
					return ir.Fault("cond", q.In[0].Type.String(), "one element")
				}
				return nil
			}},
			{ID: "C2", Text: "regions: no parameters, one result per output", Check: func(q *ir.Query) error {
				for i, r := range q.Regions {
					if len(r.Params) != 0 || len(r.Results) != q.NOut {
						return ir.Fault(fmt.Sprintf("region %d", i), fmt.Sprintf("%d parameters, %d results", len(r.Params), len(r.Results)), fmt.Sprintf("0 and %d", q.NOut))
					}
				}
				return nil
			}},
			{ID: "C3", Text: "results: of one kind and element type in both regions", Check: func(q *ir.Query) error {
				for i := range q.NOut {
					a, b := q.Regions[0].Results[i].Value.Type, q.Regions[1].Results[i].Value.Type
					if _, ok := joinTypes(a, b, nil, nil); !ok {
						return ir.Fault(fmt.Sprintf("result %d", i), b.String(), a.String()+" (as the other region)")
					}
				}
				return nil
			}},
		},
		Infer: func(q *ir.Query) ([]ir.Fact, error) {
			seen := outerSymbols(q)
			fs := make([]ir.Fact, q.NOut)
			for i := range fs {
				a, b := q.Regions[0].Results[i].Value, q.Regions[1].Results[i].Value
				fs[i].Type, _ = joinTypes(a.Type, b.Type, seen, func(axis int) shape.Dim { return q.NewDim(i, axis) })
				if x, y := ir.FactOf(a).Ints, ir.FactOf(b).Ints; x != nil && y != nil && shape.EqualAll(x, y) && seen.all(x) {
					fs[i].Ints = x
				}
			}
			return fs, nil
		},
		Eval: ref.If, Ref: &ref.IfDesc,
		NoGrad: "its regions would need reverse regions that see the values inside the forward ones",
		Cost: func(n *ir.Node) (flop, bytes int64) {
			for _, r := range n.Regions {
				f, b := regionCost(r)
				flop, bytes = max(flop, f), max(bytes, b)
			}
			return flop, bytes
		},
		Examples: []ir.Case{ifCase("then", true, 1), ifCase("else", false, 2)},
	}
}

func ifCase(name string, cond bool, want float32) ir.Case {
	return ir.Case{Name: name, Source: "the definition", In: tensor.Vs(tensor.MustOf([]bool{cond})), Out: tensor.Vs(f32s(nil, want)),
		Regions: func(e ir.Emitter) []*ir.Func {
			branch := func(name string, v float64) *ir.Func {
				return e.Region(name, func(e ir.Emitter, f *ir.Func) { f.AddResult("y", e.Scalar(dtype.F32, v)) })
			}
			return []*ir.Func{branch("then", 1), branch("else", 2)}
		}}
}

// regionCost adds up the costs of a region's nodes.
func regionCost(r *ir.Func) (flop, bytes int64) {
	for _, n := range r.Nodes {
		if n.Def.Cost != nil {
			f, b := n.Def.Cost(n)
			flop, bytes = flop+f, bytes+b
		}
	}
	return flop, bytes
}

// symbols is a set of names.
type symbols map[string]bool

// all says whether dims name only symbols of the set; a nil set holds all.
func (s symbols) all(dims []shape.Dim) bool {
	for _, d := range dims {
		for _, n := range d.Symbols(nil) {
			if s != nil && !s[n] {
				return false
			}
		}
	}
	return true
}

func (s symbols) add(t ir.Type, ints []shape.Dim) {
	for _, list := range [][]shape.Dim{t.Dims, ints} {
		for _, d := range list {
			for _, n := range d.Symbols(nil) {
				s[n] = true
			}
		}
	}
	if t.Elem != nil {
		s.add(*t.Elem, nil)
	}
}

// outerSymbols are those that mean the same outside q's regions and inside:
// named by the node's inputs and by the values that the regions see. All
// others are run-time extents that a region makes anew whenever it runs.
func outerSymbols(q *ir.Query) symbols {
	s := symbols{}
	for _, f := range q.In {
		s.add(f.Type, f.Ints)
	}
	for _, r := range q.Regions {
		see := func(v *ir.Value) {
			if v != nil && !r.Encloses(v.Func) {
				s.add(v.Type, v.Ints)
			}
		}
		r.Walk(func(n *ir.Node) {
			for _, v := range n.In {
				see(v)
			}
			for _, inner := range n.Regions {
				for _, res := range inner.Results {
					see(res.Value)
				}
			}
		})
		for _, res := range r.Results {
			see(res.Value)
		}
	}
	return s
}

// joinTypes is the type of a value that has either type: equal extents that
// only name symbols of seen stay, others come from fresh (nil: any), another
// rank makes it unranked. Inside sequences there are no fresh extents: an
// element whose extents differ is unranked. ok is false where kind or element
// type differ.
func joinTypes(a, b ir.Type, seen symbols, fresh func(axis int) shape.Dim) (t ir.Type, ok bool) {
	if a.Kind != b.Kind || a.DType != b.DType {
		return ir.Type{}, false
	}
	t = a
	if a.Kind == tensor.KindTensor {
		if a.Unranked || b.Unranked || len(a.Dims) != len(b.Dims) {
			return tensor.TUnranked(a.DType), true
		}
		t.Dims = make([]shape.Dim, len(a.Dims))
		for i, d := range a.Dims {
			switch {
			case d.Equal(b.Dims[i]) && seen.all(a.Dims[i:i+1]):
				t.Dims[i] = d
			case fresh != nil:
				t.Dims[i] = fresh(i)
			}
		}
		return t, true
	}
	if a.Elem == nil || b.Elem == nil {
		return a, a.Elem == b.Elem
	}
	e, ok := joinTypes(*a.Elem, *b.Elem, nil, nil)
	if e.IsTensor() && (!a.Elem.Equal(*b.Elem) || !seen.all(e.Dims)) {
		e = tensor.TUnranked(e.DType)
	}
	t.Elem = &e
	return t, ok
}

func loopOp() *ir.OpDef {
	return &ir.OpDef{
		Name: "Loop", Since: []int{1, 11, 13, 16, 19, 21, 23, 24, 25},
		Doc: "Loop runs its region up to M times while a condition holds.\n\n" +
			"\tM          i64    optional: most iterations\n\tcond       bool   optional: whether to start; absent, the region's condition is ignored\n" +
			"\tv_initial  V      first values of what is carried\n\toutputs    V      last values of what is carried, then the scanned values stacked along a new first axis\n\n" +
			"The region maps (i64[] iteration, bool[] condition, carried...) to (condition, carried..., scanned...). " +
			"A carried parameter must be general enough for the first value and for the region's own result: LoopCarried gives its type.\n\n" +
			"Cost: one iteration, times M where it is known.  Errors: C1..C5.",
		Source: "ONNX Loop-25",
		In: []ir.Port{{Name: "M", DTypes: []dtype.DType{dtype.I64}, Optional: true}, {Name: "cond", DTypes: bools, Optional: true},
			{Name: "v_initial", AnyKind: true, Variadic: true}},
		Out:         []ir.Port{{Name: "outputs", AnyKind: true, Variadic: true, MinCount: 1}},
		NumRegions:  1,
		Constraints: loopConstraints(),
		Infer:       inferLoop,
		Eval:        ref.Loop, Ref: &ref.LoopDesc,
		NoGrad: "its region would need a reverse region and the values of every iteration",
		Cost: func(n *ir.Node) (int64, int64) {
			f, b := regionCost(n.Regions[0])
			if m, ok := constInts(ir.FactOf(first(n.In))); ok && len(m) == 1 && m[0] > 0 && m[0] < 1<<20 {
				return f * m[0], b * m[0]
			}
			return f, b
		},
		Examples: []ir.Case{
			{Name: "sums", Source: "hand calculation: 5+0, 5+0+1, 5+0+1+2", Regions: sumLoop,
				In:  append(tensor.Vs(tensor.Scalar(dtype.I64, 3)), tensor.Value{}, tensor.V(tensor.Scalar(dtype.I64, 5))),
				Out: tensor.Vs(tensor.Scalar(dtype.I64, 8), i64s(5, 6, 8))},
			{Name: "no iteration", Source: "the definition", Regions: sumLoop,
				In:  tensor.Vs(tensor.Scalar(dtype.I64, 3), tensor.MustOf([]bool{false}), tensor.Scalar(dtype.I64, 5)),
				Out: tensor.Vs(tensor.Scalar(dtype.I64, 5), i64s())},
		},
	}
}

func first(vs []*ir.Value) *ir.Value {
	if len(vs) == 0 {
		return nil
	}
	return vs[0]
}

// sumLoop adds the iteration number to what is carried, and scans it.
func sumLoop(e ir.Emitter) []*ir.Func {
	return []*ir.Func{e.Region("body", func(e ir.Emitter, f *ir.Func) {
		i := f.AddParam("i", tensor.T(dtype.I64))
		c := f.AddParam("c", tensor.T(dtype.Bool))
		s := e.Op("Add", attr.Map{}, f.AddParam("s", tensor.T(dtype.I64)), i)
		f.AddResult("c", c)
		f.AddResult("s", s)
		f.AddResult("scan", s)
	})}
}
