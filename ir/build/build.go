package build

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Ops adds the typed methods to any Emitter: a builder, a gradient, a rule.
// As with every Emitter, errors stick, and Err tells.
type Ops struct{ ir.Emitter }

// On is Ops for e.
func On(e ir.Emitter) Ops { return Ops{e} }

// Attr is one attribute given to a typed method.
type Attr struct {
	name string
	v    attr.Value
}

// attrs collects attributes; one given twice is an error.
func (o Ops) attrs(required []Attr, given []Attr) attr.Map {
	if len(required)+len(given) == 0 {
		return nil
	}
	m := make(attr.Map, len(required)+len(given))
	for _, list := range [][]Attr{required, given} {
		for _, a := range list {
			if m.Has(a.name) {
				o.Fail(diag.New(diag.Usage, "attribute %s is given twice", a.name))
			}
			m[a.name] = a.v
		}
	}
	return m
}

// variadic joins the single inputs with those of the last port.
func variadic(rest []*ir.Value, in ...*ir.Value) []*ir.Value {
	return append(in[:len(in):len(in)], rest...)
}

// B builds the main function of one module.
type B struct {
	Ops
	m *ir.Module
	f *ir.Func
}

// New begins a module of the given name with an empty main function.
func New(name string, ops *ir.OpSet) *B {
	m := ir.NewModule(name)
	for _, d := range ops.All() {
		if d.Domain == "mlc" {
			m.Opset["mlc"] = ir.MLCOpset
			break
		}
	}
	f := m.AddFunc("main")
	return &B{Ops: On(ir.NewBuilder(f, -1, ops)), m: m, f: f}
}

// Dim declares a symbol with inclusive bounds (hi may be shape.Unbounded) and
// gives it; declaring it again changes nothing.
func (b *B) Dim(name string, lo, hi int64) shape.Dim {
	if !shape.IsName(name) || lo < 0 || lo > hi {
		b.Fail(diag.New(diag.Usage, "dim %q %d..%d", name, lo, hi))
		return shape.Int(1)
	}
	return b.m.DeclareDim(name, lo, hi)
}

// Param adds a parameter.
func (b *B) Param(name string, t ir.Type) *ir.Value {
	b.checkName(name)
	return b.f.AddParam(name, t)
}

// State declares a state whose extents do not change from run to run and adds
// the parameter that reads it. init nil means zeros.
func (b *B) State(name string, t ir.Type, init *tensor.Tensor) *ir.Value {
	s := &ir.State{Name: name, Type: t, GrowAxis: -1}
	if init != nil {
		s.Init = ir.NewConst(*init)
	}
	if b.m.State(name) != nil {
		b.Fail(diag.New(diag.Usage, "state %q is declared twice", name))
	}
	b.m.States = append(b.m.States, s)
	v := b.Param(name, t)
	v.State = s
	return v
}

// Update lets a run end by writing v to a state made by State.
func (b *B) Update(state string, v *ir.Value) {
	s := b.m.State(state)
	if s == nil {
		b.Fail(diag.New(diag.Usage, "no state %q", state))
		return
	}
	b.Result(state+".next", v)
	if b.Err() == nil {
		b.f.Results[len(b.f.Results)-1].State = s
	}
}

// Weight adds a named constant; the caller must not change t afterwards.
func (b *B) Weight(name string, t tensor.Tensor) *ir.Value {
	b.checkName(name)
	if eb, ok := b.Emitter.(*ir.Builder); ok {
		return eb.NamedConst(name, ir.NewConst(t))
	}
	return b.Const(t)
}

// F32 adds an f32 constant; too few or too many elements are an error.
func (b *B) F32(data []float32, dims ...int) *ir.Value {
	t, err := tensor.Of(data, dims...)
	if err != nil {
		b.Fail(&diag.Error{Kind: diag.Usage, Err: err})
		t = tensor.New(dtype.F32)
	}
	return b.Const(t)
}

// Result adds a result under its public name.
func (b *B) Result(name string, v *ir.Value) {
	for _, r := range b.f.Results {
		if r.Name == name {
			b.Fail(diag.New(diag.Usage, "result %q is given twice", name))
		}
	}
	if v == nil {
		b.Fail(diag.New(diag.Usage, "result %q has no value", name))
	}
	if b.Err() == nil { // values made after an error belong to no function
		b.f.AddResult(name, v)
	}
}

func (b *B) checkName(name string) {
	taken := name == ""
	for _, p := range b.f.Params {
		taken = taken || p.Name == name
	}
	for _, n := range b.f.Nodes {
		for _, v := range n.Out {
			taken = taken || v != nil && v.Name == name
		}
	}
	if taken {
		b.Fail(diag.New(diag.Usage, "name %q is empty or taken", name))
	}
}

// Finish gives the module, or the first error of all calls.
func (b *B) Finish() (*ir.Module, error) {
	if err := b.Err(); err != nil {
		return nil, err
	}
	if len(b.f.Results) == 0 {
		return nil, diag.New(diag.Usage, "module %q has no result", b.m.Name)
	}
	return b.m, nil
}
