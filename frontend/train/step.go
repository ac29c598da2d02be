package train

import (
	"fmt"
	"maps"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/grad"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Names of what a step has besides the model's own inputs and weights.
const (
	inputLR       = "lr"
	stateStep     = "train.step"
	suffixMoment  = ".m" // of a weight's state: momentum, or Adam's first moment
	suffixSquare  = ".v" // Adam's second moment
	suffixMask    = ".mask"
	resultLoss    = "loss"
	resultCorrect = "correct"
)

// Step makes the training step of inference model m, which is not changed:
// forward pass in training mode, loss, gradients and update, over states that
// begin with m's weights (see the package for its inputs and results).
//
// Errors: Usage for the Config; Unsupported where m has no weights or an
// operator between them and the loss has no gradient, naming the node.
func Step(m *ir.Module, c Config) (*ir.Module, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	s, err := newStep(m, &c, true)
	if err != nil {
		return nil, err
	}
	loss, err := s.loss()
	if err != nil {
		return nil, err
	}
	if err := s.update(loss); err != nil {
		return nil, err
	}
	return s.finish()
}

// scorer makes the module that gives loss and correct in inference mode, over
// the same weight states.
func scorer(m *ir.Module, c *Config) (*ir.Module, error) {
	s, err := newStep(m, c, false)
	if err != nil {
		return nil, err
	}
	if _, err := s.loss(); err != nil {
		return nil, err
	}
	return s.finish()
}

// step is a training step while it is made.
type step struct {
	c       *Config
	m       *ir.Module
	f       *ir.Func
	b       *ir.Builder
	output  *ir.Value
	trained []*ir.Value             // parameters that read the weights to be trained
	keep    map[*ir.Value]*ir.Value // parameters that read their masks
	count   *ir.Value               // the step's number, i64[1]
	writes  []write
	results []ir.Result
	masks   int // dropouts so far
	ranges  []follower
}

type write struct {
	state *ir.State
	v     *ir.Value
}

// newStep copies m's main function without its results, weights turned into
// states.
func newStep(m *ir.Module, c *Config, training bool) (*step, error) {
	if m.Main() == nil || len(m.Main().Results) == 0 {
		return nil, diag.New(diag.BadModel, "module %q has no result", m.Name)
	}
	m = m.Clone()
	s := &step{c: c, m: ir.NewModule(m.Name), keep: map[*ir.Value]*ir.Value{}}
	s.m.Opset, s.m.Dims, s.m.States = maps.Clone(m.Opset), m.Dims, m.States
	s.m.Opset["mlc"] = ir.MLCOpset
	s.f = s.m.AddFunc(m.Main().Name)
	// The old function moves over whole: its names must stay unique in the new.
	for range freshCount(m) {
		s.m.FreshName()
	}
	cl := &ir.Cloner{Values: map[*ir.Value]*ir.Value{}}
	weights := map[*ir.Value]Weight{}
	for _, w := range Weights(m) {
		if c.Freeze == nil || !c.Freeze(w.Name) {
			weights[w.Value] = w
		}
	}
	for _, p := range m.Main().Params {
		q := s.f.AddParam(p.Name, p.Type)
		q.State, q.Ints = p.State, p.Ints
		cl.Values[p] = q
	}
	if training {
		one := tensor.New(dtype.I64, 1)
		p, err := s.state(stateStep, ir.NewConst(one))
		if err != nil {
			return nil, err
		}
		s.count = p
	}
	for _, n := range m.Main().Nodes {
		if n.Const == nil {
			continue
		}
		if w, ok := weights[n.Out[0]]; ok {
			p, err := s.weight(w, n.Const, training)
			if err != nil {
				return nil, err
			}
			cl.Values[n.Out[0]] = p
		}
	}
	if training {
		if err := s.allMasked(weights); err != nil {
			return nil, err
		}
	}
	if training && len(s.trained) == 0 {
		return nil, diag.New(diag.Unsupported, "module %q has no float weights to train (f32 or f64 constants)", m.Name)
	}
	s.b = ir.NewBuilder(s.f, -1, c.Ops)
	for _, n := range m.Main().Nodes {
		if _, ok := cl.Values[n.Out[0]]; ok && n.Const != nil {
			continue
		}
		if err := s.node(cl, n, training); err != nil {
			return nil, err
		}
	}
	for _, r := range m.Main().Results {
		v := cl.Value(r.Value)
		if r.State != nil {
			s.writes = append(s.writes, write{r.State, v})
		} else if s.output == nil && (c.Output == "" || c.Output == r.Name) {
			s.output = v
		}
	}
	if s.output == nil {
		return nil, diag.New(diag.Usage, "no output %q in module %q", c.Output, m.Name)
	}
	if len(s.ranges) > 0 {
		s.follow()
	}
	return s, s.b.Err()
}

// freshCount is a number of fresh names that covers those m has given out.
func freshCount(m *ir.Module) int {
	n := 0
	seen := func(v *ir.Value) {
		if v != nil && ir.IsUnnamed(v.Name) {
			k := 0
			fmt.Sscanf(v.Name[len(ir.Unnamed):], "%d", &k)
			n = max(n, k)
		}
	}
	m.Walk(func(x *ir.Node) {
		for _, v := range x.Out {
			seen(v)
		}
		for _, r := range x.Regions {
			for _, p := range r.Params {
				seen(p)
			}
		}
	})
	return n
}

// state declares a state of a constant's type that begins as it, and the
// parameter that reads it.
func (s *step) state(name string, init *ir.Const) (*ir.Value, error) {
	if err := s.free(name); err != nil {
		return nil, err
	}
	st := &ir.State{Name: name, Type: init.Type(), Init: init, GrowAxis: -1}
	s.m.States = append(s.m.States, st)
	p := s.f.AddParam(name, st.Type)
	p.State = st
	return p, nil
}

// weight declares the state of a weight and, in training, of its mask.
func (s *step) weight(w Weight, c *ir.Const, training bool) (*ir.Value, error) {
	keep, masked := s.c.Masks[w.Name]
	var mask *ir.Const
	if training && masked {
		var err error
		if mask, c, err = masks(w, c, keep); err != nil {
			return nil, err
		}
	}
	p, err := s.state(w.Name, c)
	if err != nil || w.Statistic {
		return p, err
	}
	s.trained = append(s.trained, p)
	if mask != nil {
		k, err := s.state(w.Name+suffixMask, mask)
		if err != nil {
			return nil, err
		}
		s.keep[p] = k
	}
	return p, nil
}

// free makes sure that no parameter or state has a name yet.
func (s *step) free(name string) error {
	taken := s.m.State(name) != nil
	for _, p := range s.f.Params {
		taken = taken || p.Name == name
	}
	if taken {
		return diag.New(diag.Usage, "the model has an input, weight or state named %q already, which training needs", name)
	}
	return nil
}

// node copies one node; in training, BatchNorm and Dropout change their mode.
func (s *step) node(cl *ir.Cloner, n *ir.Node, training bool) error {
	s.b.Source = n.Source
	switch {
	case training && n.Is("BatchNormalization") && !n.Attrs.Bool("training_mode") && heldState(cl.Value(n.In[3])) && heldState(cl.Value(n.In[4])):
		in := make([]*ir.Value, len(n.In))
		for i, v := range n.In {
			in[i] = cl.Value(v)
		}
		a := n.Attrs.Clone()
		a["training_mode"] = attr.Int(1)
		out := s.b.OpN("BatchNormalization", 3, a, nil, in...)
		if err := s.b.Err(); err != nil {
			return err
		}
		cl.Values[n.Out[0]] = out[0]
		s.writes = append(s.writes, write{in[3].State, out[1]}, write{in[4].State, out[2]})
		return nil
	case training && n.Is("Dropout"):
		return s.dropout(cl, n)
	case training && s.c.RangeSteps >= 0 && n.Is(fakeQuantize) && heldState(cl.Value(n.In[1])) && heldState(cl.Value(n.In[2])):
		return s.fakeQuantize(cl, n)
	}
	cl.Node(s.f, len(s.f.Nodes), n)
	s.b = ir.NewBuilder(s.f, -1, s.c.Ops)
	return nil
}

func heldState(v *ir.Value) bool { return v != nil && v.State != nil }

// dropout replaces a Dropout by a product with a mask that follows from the
// seed, the step and the Dropout's number.
func (s *step) dropout(cl *ir.Cloner, n *ir.Node) error {
	ratio := 0.5
	if len(n.In) > 1 && n.In[1] != nil {
		t := ir.FactOf(n.In[1]).Const
		if t == nil || t.Len() != 1 {
			return &diag.Error{Kind: diag.Unsupported, Node: n.Label(), Op: n.Def.VersionedName(), Err: fmt.Errorf("training with a ratio that is not constant")}
		}
		ratio = t.Float(0)
	}
	if len(n.Out) > 1 && n.Out[1] != nil && len(n.Out[1].Uses()) > 0 {
		return &diag.Error{Kind: diag.Unsupported, Node: n.Label(), Op: n.Def.VersionedName(), Err: fmt.Errorf("training where its mask is read")}
	}
	x := cl.Value(n.In[0])
	if ratio == 0 {
		cl.Values[n.Out[0]] = x
		return nil
	}
	key := s.b.Op("Concat", attr.Map{"axis": attr.Int(0)}, s.b.Ints(int64(s.c.Seed), int64(s.masks)), s.count)
	s.masks++
	mask := s.b.Op("mlc.DropoutMask", attr.Map{"dtype": attr.Int(int64(x.Type.DType.ONNX())), "ratio": attr.Float(float32(ratio))},
		key, s.b.Op("Shape", nil, x))
	y := s.b.Op("Mul", nil, x, s.b.Op("Reshape", attr.Map{"allowzero": attr.Int(1)}, mask, s.b.Op("Shape", nil, x)))
	cl.Values[n.Out[0]] = y
	return s.b.Err()
}

// loss adds labels, loss and, for classes, how many are right.
func (s *step) loss() (*ir.Value, error) {
	y := s.output
	if !y.Type.Ranked() || !y.Type.DType.IsFloat() {
		return nil, &diag.Error{Kind: diag.Unsupported, Port: "output under the loss", Have: y.Type.String(), Want: "floats of known rank"}
	}
	if err := s.free(s.c.Label); err != nil {
		return nil, err
	}
	s.b.Source = []string{resultLoss}
	var loss *ir.Value
	switch s.c.Loss {
	case CrossEntropy:
		// A softmax over the classes at the end is part of the loss.
		if n := y.Node; n != nil && (n.Is("Softmax") || n.Is("LogSoftmax")) && y.Type.Rank() == 2 {
			if axis := n.Attrs.Int("axis"); axis == 1 || axis == -1 {
				y = n.In[0]
			}
		}
		if y.Type.Rank() < 2 {
			return nil, &diag.Error{Kind: diag.Unsupported, Port: "output under the loss", Have: y.Type.String(), Want: "a score per class: [N, classes]"}
		}
		label := s.f.AddParam(s.c.Label, tensor.T(dtype.I64, append([]shape.Dim{y.Type.Dims[0]}, y.Type.Dims[2:]...)...))
		loss = s.mean(s.b.Op("mlc.CrossEntropy", nil, y, label))
		hit := s.b.Op("Equal", nil, s.b.Op("ArgMax", attr.Map{"axis": attr.Int(1), "keepdims": attr.Int(0)}, y), label)
		ok := s.b.Op("ReduceSum", attr.Map{"keepdims": attr.Int(0)}, s.b.Op("Cast", attr.Map{"to": attr.Int(int64(dtype.I64.ONNX()))}, hit))
		s.results = append(s.results, ir.Result{Name: resultCorrect, Value: ok})
	case SquaredError:
		label := s.f.AddParam(s.c.Label, y.Type)
		d := s.b.Op("Sub", nil, y, label)
		loss = s.mean(s.b.Op("Mul", nil, d, d))
	}
	if s.c.ExtendLoss != nil && s.b.Err() == nil {
		var err error
		if loss, err = s.c.ExtendLoss(s.b, y, loss); err != nil {
			return nil, err
		}
	}
	s.results = append([]ir.Result{{Name: resultLoss, Value: loss}}, s.results...)
	return loss, s.b.Err()
}

func (s *step) mean(v *ir.Value) *ir.Value {
	return s.b.Op("ReduceMean", attr.Map{"keepdims": attr.Int(0)}, v)
}

// finish writes results and states, and drops what nobody reads.
func (s *step) finish() (*ir.Module, error) {
	if err := s.b.Err(); err != nil {
		return nil, err
	}
	for _, r := range s.results {
		s.f.AddResult(r.Name, r.Value)
	}
	for _, w := range s.writes {
		s.f.AddResult(w.state.Name+".next", w.v)
		s.f.Results[len(s.f.Results)-1].State = w.state
	}
	s.f.RemoveNodes(func(n *ir.Node) bool {
		for _, v := range n.Out {
			if v != nil && len(v.Uses()) > 0 {
				return false
			}
		}
		return !n.Def.Has(ir.Stateful)
	})
	return s.m, nil
}

// gradients differentiates the loss by the weights.
func (s *step) gradients(loss *ir.Value) ([]*ir.Value, error) {
	return grad.Gradients(s.b, loss, s.trained)
}
