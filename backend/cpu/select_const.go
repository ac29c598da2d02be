package cpu

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/plan"
)

// computed says whether kernels compute values of type d: as they are, or in
// float32 between casts.
func computed(d dtype.DType) bool { return d == dtype.F32 || d == dtype.F16 }

// packKey is a constant packed in one way: two operators may pack one constant
// of one format differently.
type packKey struct {
	origin any // *ir.Const, or *ir.Value of a chain
	how    string
}

// weight is a constant operand with known extents.
type weight struct {
	name   string
	origin any
	c      *ir.Const
}

// weight gives the constant behind v; nil where v is none, or its type is not
// computed.
func (fl *funcLowerer) weight(v *ir.Value) (*weight, error) {
	if v = fl.resolve(v); v == nil || !fl.isConst(v) || !computed(v.Type.DType) {
		return nil, nil
	}
	c, err := fl.constOf(v)
	if err != nil {
		return nil, err
	}
	w := &weight{name: v.Name, origin: v, c: c}
	if own := v.Const(); own != nil {
		w.origin = own
	}
	return w, nil
}

// pack adds w as a float32 constant of n elements in a format. how tells apart
// what the format's name does not say; fill gets the elements as float32 when
// they are written.
func (l *lowerer) pack(w *weight, format, how string, dims []int, fill func(dst, src []float32)) int {
	k := constKey{packKey{w.origin, how}, format}
	if i, ok := l.consts[k]; ok {
		return i
	}
	i := len(l.p.Consts)
	l.p.Consts = append(l.p.Consts, plan.Const{Name: w.name, DType: dtype.F32, Dims: dims, Format: format, Data: func() ([]byte, error) {
		src, err := w.floats()
		if err != nil {
			return nil, err
		}
		t := tensor.New(dtype.F32, dims...)
		fill(tensor.Slice[float32](&t), src)
		return t.Bytes(), nil
	}})
	l.consts[k] = i
	return i
}

// floats are the elements as float32.
func (w *weight) floats() ([]float32, error) {
	t, err := w.c.Tensor()
	if err != nil {
		return nil, err
	}
	return floats(&t), nil
}

func floats(t *tensor.Tensor) []float32 {
	if t.DType() == dtype.F32 {
		return tensor.Slice[float32](t)
	}
	out := make([]float32, t.Len())
	for i, h := range tensor.Slice[uint16](t) {
		out[i] = dtype.F16ToF32(h)
	}
	return out
}

// plain adds w as it is, as float32 and under other extents, and gives a slot
// that holds it.
func (fl *funcLowerer) plain(w *weight, dims ...int) plan.SlotID {
	i := fl.pack(w, "", fmt.Sprint(dims), dims, func(dst, src []float32) { copy(dst, src) })
	return fl.temp(plan.Slot{Kind: plan.Fixed, Type: tensor.T(dtype.F32, shape.Ints(dims...)...), Index: i, Name: w.name, Alias: plan.None, First: -1})
}

// f32 gives the slot of v as float32, through a cast if need be; None for nil.
func (fl *funcLowerer) f32(v *ir.Value) (plan.SlotID, error) {
	s, err := fl.slot(v)
	if err != nil || s == plan.None || fl.f.Slots[s].Type.DType == dtype.F32 {
		return s, err
	}
	t, ok := fl.wide[s]
	if !ok {
		t = fl.buffer(fl.f.Slots[s].Name, typeF32(fl.f.Slots[s].Type))
		fl.cast(s, t)
		fl.wide[s] = t
	}
	return t, nil
}

// cast converts between float16 and float32.
func (fl *funcLowerer) cast(from, to plan.SlotID) {
	p := eltwise.Prog{Inputs: 1, Steps: []eltwise.Step{{Op: eltwise.Copy, X: eltwise.Value(0)}}}
	fl.emit(plan.Instr{Op: plan.Call, Name: eltwise.OpF32, Alts: fl.alts(eltwise.OpF32, ""), Attrs: p.Attrs(), In: []plan.SlotID{from}, Out: []plan.SlotID{to}})
}

// emitF32 emits in, whose outputs are those of n in float32, with casts behind
// it where the node's are float16.
func (fl *funcLowerer) emitF32(n *ir.Node, in plan.Instr) {
	outs := fl.results(n)
	in.Out, in.Source = slices.Clone(outs), n.Source
	for i, s := range outs {
		if s != plan.None && fl.f.Slots[s].Type.DType != dtype.F32 {
			in.Out[i] = fl.buffer(fl.f.Slots[s].Name, typeF32(fl.f.Slots[s].Type))
		}
	}
	fl.emit(in)
	for i, s := range outs {
		if in.Out[i] != s {
			fl.cast(in.Out[i], s)
		}
	}
}
