package tflite

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/layout"
)

// maxUnrolled is the longest sequence that is written step by step where the
// sequence operator would do.
const maxUnrolled = 8

// lstm is one LSTM node being written.
type lstm struct {
	x           *exporter
	n           *ir.Node
	s, b, i, h  int // steps, batch, widths of input and state
	dirs        int
	in          int // tensor of X
	w, r, bias  tensor.Tensor
	peep        []float32 // 3H for each direction, nil if absent
	h0, c0      int       // tensors [D, B, H], -1: zeros
	y, yh, yc   *ir.Value // what is read of the results
	ys, hs, cs  []int     // by direction: [S, 1, B, H], [1, B, H]
	weightNames [2]string
}

// emitLSTM writes an LSTM step by step or, where it is long, begins with
// zeros and nobody reads its last cell, as the sequence operator.
func emitLSTM(x *exporter, n *ir.Node) error {
	l := &lstm{x: x, n: n}
	if err := l.read(); err != nil {
		return err
	}
	for d := range l.dirs {
		back := n.Attrs.Str("direction") == "reverse" || d == 1
		if l.h0 < 0 && l.c0 < 0 && l.yc == nil && l.s > maxUnrolled {
			l.sequence(d, back)
		} else {
			l.unroll(d, back)
		}
	}
	for k, v := range []*ir.Value{l.y, l.yh, l.yc} {
		if v == nil {
			continue
		}
		parts, axis := [][]int{l.ys, l.hs, l.cs}[k], []int{1, 0, 0}[k]
		if len(parts) == 1 {
			x.written[v] = parts[0]
			continue
		}
		out, err := x.define(v)
		if err != nil {
			return err
		}
		x.op(opConcatenation, concatOptions(axis), parts, out)
	}
	return nil
}

func wanted(n *ir.Node, i int) *ir.Value {
	if i < len(n.Out) && n.Out[i] != nil && len(n.Out[i].Uses()) > 0 {
		return n.Out[i]
	}
	return nil
}

// read takes the node apart and refuses forms that have no equivalent.
func (l *lstm) read() (err error) {
	n, x := l.n, l.x
	if err := takes(n, opSequenceLSTM); err != nil {
		return err
	}
	a := n.Attrs
	switch {
	case a.Int("layout") != 0:
		return errors.New("layout 1 (supported: 0)")
	case a.Has("clip"):
		return errors.New("clip")
	case a.Bool("input_forget"):
		return errors.New("input_forget")
	case len(n.In) > 4 && n.In[4] != nil:
		return errors.New("input sequence_lens")
	}
	for i, f := range a.Strs("activations") {
		if want := []string{"Sigmoid", "Tanh", "Tanh"}[i%3]; f != want {
			return fmt.Errorf("activation %s (supported: Sigmoid, Tanh, Tanh)", f)
		}
	}
	if l.w, err = weightsOf(n, 1); err != nil {
		return err
	}
	if l.r, err = weightsOf(n, 2); err != nil {
		return err
	}
	d, _ := layout.Extents(n.In[0])
	l.s, l.b, l.i = d[0], d[1], d[2]
	l.dirs, l.h = l.r.Dim(0), l.r.Dim(2)
	if min(l.s, l.b, l.i, l.h) < 1 {
		return fmt.Errorf("%d steps of %d sequences, from width %d to %d (supported: 1 or more of each)", l.s, l.b, l.i, l.h)
	}
	if l.bias, err = l.optional(3, 8*l.h); err != nil {
		return err
	}
	p, err := l.optional(7, 3*l.h)
	if err != nil {
		return err
	}
	if len(n.In) > 7 && n.In[7] != nil {
		l.peep = tensor.Slice[float32](&p)
	}
	l.weightNames = [2]string{n.In[1].Name, n.In[2].Name}
	l.y, l.yh, l.yc = wanted(n, 0), wanted(n, 1), wanted(n, 2)
	if l.in, err = x.in(n, 0); err != nil {
		return err
	}
	if l.h0, err = l.state(5); err != nil {
		return err
	}
	l.c0, err = l.state(6)
	return err
}

// state is an initial state, -1 where it is absent or zero.
func (l *lstm) state(i int) (int, error) {
	if i < len(l.n.In) && l.n.In[i] != nil {
		if c := l.n.In[i].Const(); c != nil {
			t, err := c.Tensor()
			if err != nil {
				return 0, err
			}
			if !slices.ContainsFunc(tensor.Slice[float32](&t), func(v float32) bool { return v != 0 }) {
				return -1, nil
			}
		}
	}
	return l.x.in(l.n, i)
}

// optional is a constant [D, m], zeros if it is absent.
func (l *lstm) optional(i, m int) (tensor.Tensor, error) {
	if i >= len(l.n.In) || l.n.In[i] == nil {
		return tensor.New(dtype.F32, l.dirs, m), nil
	}
	return weightsOf(l.n, i)
}

// rows are rows lo to hi of direction d of a weight [D, rows, cols].
func rows(t *tensor.Tensor, d, lo, hi int) []float32 {
	n, cols := t.Dim(1), 1
	if t.Rank() == 3 {
		cols = t.Dim(2)
	}
	return tensor.Slice[float32](t)[(d*n+lo)*cols : (d*n+hi)*cols]
}

// gates is the sum of both biases of direction d.
func (l *lstm) gates(d int) []float32 {
	h := 4 * l.h
	b := rows(&l.bias, d, 0, 2*h)
	out := make([]float32, h)
	for i := range out {
		out[i] = float32(float64(b[i]) + float64(b[h+i]))
	}
	return out
}

// unroll writes every step of direction d.
func (l *lstm) unroll(d int, back bool) {
	x, h, b := l.x, l.h, l.b
	name := fmt.Sprintf("%s_%d", l.weightNames[0], d)
	w := x.floats(name, []int{4 * h, l.i}, rows(&l.w, d, 0, 4*h)...)
	r := x.floats(fmt.Sprintf("%s_%d", l.weightNames[1], d), []int{4 * h, h}, rows(&l.r, d, 0, 4*h)...)
	bias := x.floats(name+"_bias", []int{4 * h}, l.gates(d)...)
	flat := x.reshape(l.in, []int{l.s * b, l.i})
	proj := x.like(flat, "_gates", []int{l.s * b, 4 * h})
	x.op(opFullyConnected, fcOptions(false, actNone), []int{flat, w, bias}, proj)
	ht, ct := l.first(l.h0, d), l.first(l.c0, d)
	steps := make([]int, l.s)
	for k := range l.s {
		t := k
		if back {
			t = l.s - 1 - k
		}
		g := proj
		if l.s > 1 {
			g = x.cut(proj, 0, t*b, b)
		}
		if ht >= 0 {
			rec := x.like(g, "_recurrent", []int{b, 4 * h})
			x.op(opFullyConnected, fcOptions(false, actNone), []int{ht, r, -1}, rec)
			g = x.step(opAdd, g, rec)
		}
		ht, ct = l.cell(d, g, ct)
		steps[t] = x.reshape(ht, []int{1, 1, b, h})
	}
	if l.y != nil {
		l.ys = append(l.ys, x.joined(steps, 0))
	}
	l.hs = append(l.hs, x.reshape(ht, []int{1, b, h}))
	l.cs = append(l.cs, x.reshape(ct, []int{1, b, h}))
}

// first is direction d of an initial state as [B, H].
func (l *lstm) first(id, d int) int {
	if id < 0 {
		return -1
	}
	if l.dirs > 1 {
		id = l.x.cut(id, 0, d, 1)
	}
	return l.x.reshape(id, []int{l.b, l.h})
}

// cell is one step: from gates [B, 4H] and the cell before (-1: zeros) to the
// new state and cell.
func (l *lstm) cell(d, g, c int) (int, int) {
	x, h := l.x, l.h
	parts := x.split(g, 1, h, h, h, h) // i, o, f, c as ONNX orders them
	i, o, f, z := parts[0], parts[1], parts[2], parts[3]
	peep := func(gate, at, cell int) int {
		if l.peep == nil || cell < 0 {
			return gate
		}
		p := l.peep[(3*d+at)*h : (3*d+at+1)*h]
		return x.step(opAdd, gate, x.step(opMul, cell, x.floats("peephole", []int{h}, p...)))
	}
	next := x.step(opMul, x.step(opLogistic, peep(i, 0, c)), x.step(opTanh, z))
	if c >= 0 {
		next = x.step(opAdd, x.step(opMul, x.step(opLogistic, peep(f, 2, c)), c), next)
	}
	return x.step(opMul, x.step(opLogistic, peep(o, 1, next)), x.step(opTanh, next)), next
}

// sequence writes direction d as the sequence operator. That keeps its states
// from one run to the next, where ONNX begins with zeros: one more step stands
// before the first, whose additional input shuts the input and forget gates,
// so that it leaves zeros behind.
func (l *lstm) sequence(d int, back bool) {
	x, h, b := l.x, l.h, l.b
	in := l.in
	if back {
		in = x.reversed(in)
	}
	wide := x.like(in, "_wide", []int{l.s, b, l.i + 1})
	x.padOp(in, wide, []int{0, 0, 0, 0, 0, 1}, zeroFill)
	mark := make([]float32, b*(l.i+1))
	for k := range b {
		mark[k*(l.i+1)+l.i] = 1
	}
	in = x.joined([]int{x.floats("reset", []int{1, b, l.i + 1}, mark...), wide}, 0)
	gates := []int{0, 2, 3, 1} // i, f, c, o in ONNX's order
	ids := make([]int, 24)
	for k := range ids {
		ids[k] = -1
	}
	ids[0] = in
	bias := l.gates(d)
	for k, g := range gates {
		own := rows(&l.w, d, g*h, (g+1)*h)
		shut := float32(0)
		if k < 2 {
			shut = -1e5
		}
		var w []float32
		for row := range h {
			w = append(append(w, own[row*l.i:(row+1)*l.i]...), shut)
		}
		gate := string("ifco"[k])
		ids[1+k] = x.floats(fmt.Sprintf("%s_%d_%s", l.weightNames[0], d, gate), []int{h, l.i + 1}, w...)
		ids[5+k] = x.floats(fmt.Sprintf("%s_%d_%s", l.weightNames[1], d, gate), []int{h, h}, rows(&l.r, d, g*h, (g+1)*h)...)
		ids[12+k] = x.floats("bias", []int{h}, bias[g*h:(g+1)*h]...)
	}
	if l.peep != nil {
		for k, at := range []int{0, 2, 1} { // i, f, o
			ids[9+k] = x.floats("peephole", []int{h}, l.peep[(3*d+at)*h:(3*d+at+1)*h]...)
		}
	}
	for k := 18; k < 20; k++ {
		ids[k] = x.tensor(l.n.Label()+"_state", dtype.F32, []int{b, h})
		x.tensors[ids[k]].state = true
	}
	all := x.like(in, "_lstm", []int{l.s + 1, b, h})
	o := opts(71)
	o.t.i8(0, actTanh).flag(3, true)
	x.op(opSequenceLSTM, o, ids, all)
	y := x.cut(all, 0, 1, l.s)
	if l.yh != nil {
		l.hs = append(l.hs, x.cut(all, 0, l.s, 1))
	}
	if l.y != nil {
		if back {
			y = x.reversed(y)
		}
		l.ys = append(l.ys, x.reshape(y, []int{l.s, 1, b, h}))
	}
}

// cut takes n rows from lo along an axis.
func (x *exporter) cut(id, axis, lo, n int) int {
	d := slices.Clone(x.tensors[id].dims)
	begin := make([]int, len(d))
	begin[axis], d[axis] = lo, n
	out := x.like(id, fmt.Sprintf("_from%d", lo), d)
	x.op(opSlice, opts(48), []int{id, x.ints("begin", begin...), x.ints("size", d...)}, out)
	return out
}

// split cuts a tensor into parts along an axis.
func (x *exporter) split(id, axis int, sizes ...int) []int {
	d := slices.Clone(x.tensors[id].dims)
	var outs []int
	for _, n := range sizes {
		d[axis] = n
		outs = append(outs, x.like(id, "_part", d))
	}
	o := opts(79)
	o.t.i32(0, len(outs))
	x.op(opSplitV, o, []int{id, x.ints("sizes", sizes...), x.int32s("axis", []int{}, axis)}, outs...)
	return outs
}

// joined is the tensors one behind the other.
func (x *exporter) joined(ids []int, axis int) int {
	if len(ids) == 1 {
		return ids[0]
	}
	d := slices.Clone(x.tensors[ids[0]].dims)
	d[axis] = 0
	for _, id := range ids {
		d[axis] += x.tensors[id].dims[axis]
	}
	out := x.like(ids[0], "_joined", d)
	x.op(opConcatenation, concatOptions(axis), ids, out)
	return out
}

// reversed is a tensor from its last row to its first.
func (x *exporter) reversed(id int) int {
	out := x.like(id, "_reversed", x.tensors[id].dims)
	x.op(opReverse, opts(81), []int{id, x.ints("axes", 0)}, out)
	return out
}
