package data

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/build"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Emit writes the stages as operators: raw[i] is field i with its batch axis,
// the result one prepared f32 tensor.
func (p *Prep) Emit(e ir.Emitter, raw []*ir.Value) *ir.Value {
	o := build.On(e)
	var parts []*ir.Value
	for i := range p.Fields {
		parts = append(parts, p.Fields[i].emit(o, raw[i]))
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return o.Concat(parts, 1)
}

func (f *FieldPrep) emit(o build.Ops, x *ir.Value) *ir.Value {
	vec := func(v []float64, axis int) *ir.Value {
		dims := []int{} // one number broadcasts by itself
		if len(v) > 1 { // aligned from the last axis
			dims = append(dims, len(v))
			for range len(f.Field.Dims) - 1 - axis {
				dims = append(dims, 1)
			}
		}
		t := tensor.New(dtype.F32, dims...)
		for i, e := range v {
			t.SetFloat(i, e)
		}
		return o.Const(t)
	}
	for _, s := range f.Stages {
		switch {
		case s.Cast:
			x = o.Cast(x, int64(dtype.F32.ONNX()))
		case s.Fill != nil: // NaN alone differs from itself
			x = o.Where(o.Equal(x, x), x, o.Scalar(dtype.F32, *s.Fill))
		case s.Scale != nil:
			x = o.Mul(o.Sub(x, vec(s.Scale.Sub, s.Scale.Axis)), vec(s.Scale.Mul, s.Scale.Axis))
		case s.OneHot != nil:
			t, err := tensor.OfStrings(slices.Clone(s.OneHot), 1, len(s.OneHot))
			if err != nil {
				o.Fail(err)
				return x
			}
			x = o.Cast(o.Equal(x, o.Const(t)), int64(dtype.F32.ONNX()))
		case s.Planes == "hw":
			x = o.Unsqueeze(x, o.Ints(1))
		case s.Planes == "hwc":
			x = o.Transpose(x, build.Perm(0, 3, 1, 2))
		}
	}
	return x
}

// Attach gives a copy of m, whose only free input is a prepared sample in f32
// with a batch axis, that takes the raw fields instead: they become inputs of
// their own names. Errors: m has several inputs, its input's shape is not
// Dims, an input or output of m has a field's name (inner values of that name
// are renamed). ops nil is the built-in table.
func (p *Prep) Attach(m *ir.Module, ops *ir.OpSet) (*ir.Module, error) {
	if ops == nil {
		ops = op.Builtin()
	}
	m = m.Clone()
	f := m.Main()
	at, err := freeInput(f)
	if err != nil {
		return nil, err
	}
	old := f.Params[at]
	if err := p.fits(old); err != nil {
		return nil, err
	}
	old.Name = m.FreshName() // its name may be that of a field; it goes away below
	names := map[string]bool{}
	for _, fp := range p.Fields {
		names[fp.Field.Name] = true
	}
	for i, v := range f.Params {
		if names[v.Name] && i != at {
			return nil, diag.New(diag.BadData, "field %q: the model has an input of that name", v.Name)
		}
	}
	for _, r := range f.Results {
		if names[r.Name] {
			return nil, diag.New(diag.BadData, "field %q: the model has an output of that name", r.Name)
		}
	}
	yieldNames(m, f, names)
	var raw []*ir.Value
	for _, fp := range p.Fields {
		raw = append(raw, f.AddParam(fp.Field.Name, fp.Field.Type(old.Type.Dims[0])))
	}
	b := ir.NewBuilder(f, 0, ops, "preprocess")
	x := p.Emit(b, raw)
	if err := b.Err(); err != nil {
		return nil, err
	}
	ir.ReplaceUses(old, x)
	k := len(f.Params) - len(raw)
	rest := slices.Delete(slices.Clone(f.Params[:k]), at, at+1)
	f.Params = slices.Insert(rest, at, raw...)
	return m, nil
}

// yieldNames renames values inside f, regions included, that have one of the
// names.
func yieldNames(m *ir.Module, f *ir.Func, names map[string]bool) {
	yield := func(v *ir.Value) {
		if v != nil && names[v.Name] {
			v.Name = m.FreshName()
		}
	}
	f.Walk(func(n *ir.Node) {
		for _, v := range n.Out {
			yield(v)
		}
		for _, r := range n.Regions {
			for _, v := range r.Params {
				yield(v)
			}
		}
	})
}

// freeInput is the one parameter that is no state.
func freeInput(f *ir.Func) (int, error) {
	at := -1
	for i, v := range f.Params {
		if v.State != nil {
			continue
		}
		if at >= 0 {
			return 0, diag.New(diag.BadModel, "inputs %q and %q: want one input for the prepared data", f.Params[at].Name, v.Name)
		}
		at = i
	}
	if at < 0 {
		return 0, diag.New(diag.BadModel, "the model has no input")
	}
	return at, nil
}

func (p *Prep) fits(v *ir.Value) error {
	t := v.Type
	ok := t.IsTensor() && t.DType == dtype.F32 && len(t.Dims) == 1+len(p.Dims)
	if ok {
		for i, d := range p.Dims {
			n, isConst := t.Dims[i+1].Const()
			ok = ok && (!isConst || n == int64(d))
		}
	}
	if !ok {
		return &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("input %q", v.Name), Have: tensor.T(dtype.F32, append([]shape.Dim{shape.Sym("N")}, shape.Ints(p.Dims...)...)...).String() + " from the data", Want: t.String()}
	}
	return nil
}
