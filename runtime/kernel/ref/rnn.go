package ref

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// LSTM runs one layer of long short-term memory over a sequence, in one or two
// directions. Per step, with gates in the order i, o, f, c:
//
//	i = f(X*Wi + H*Ri + Wbi + Rbi + Pi.C)      f = f(... + Pf.C), or 1 - i if coupled
//	C = f.C + i.g(X*Wc + H*Rc + Wbc + Rbc)
//	o = f(X*Wo + H*Ro + Wbo + Rbo + Po.C)      H = o.h(C)
//
// clip bounds what goes into the activations of the gates. Everything is kept
// in float64 over the whole sequence and rounded where it is stored. Beyond a
// sequence's own length Y is zero.
func LSTM(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	var l lstm
	if err := l.set(in, a); err != nil {
		return err
	}
	y, yh, yc := l.outputs(c, out)
	if y != nil {
		clear(y.Bytes())
	}
	// Small layers fit the stack, so that planned runs make no garbage.
	var stack [4096]float64
	buf := stack[:]
	if need := l.width + 3*l.hidden; need > len(buf) {
		buf = make([]float64, need)
	}
	x, rest := buf[:l.width], buf[l.width:]
	h, hn, cell := rest[:l.hidden], rest[l.hidden:2*l.hidden], rest[2*l.hidden:3*l.hidden]
	for d := range l.dirs {
		for b := range l.batch {
			l.start(d, b, h, cell)
			steps := l.length(b)
			for s := range steps {
				t := l.time(d, s, steps)
				load(x, l.x, l.xAt(t, b), 1, l.width)
				for j := range l.hidden {
					u := l.unit(d, j, x, h, cell[j])
					cell[j], hn[j] = u.c, u.h
				}
				h, hn = hn, h
				if y != nil {
					store(y, l.yAt(t, d, b), h)
				}
			}
			if yh != nil {
				store(yh, l.hAt(d, b), h)
			}
			if yc != nil {
				store(yc, l.hAt(d, b), cell)
			}
		}
	}
	return nil
}

// LSTMDesc describes LSTM.
var LSTMDesc = kernel.Desc{ID: "ref.LSTM", Op: "ref.LSTM", Ref: LSTM}

// lstm is a bound LSTM: operands, extents, activations.
type lstm struct {
	x, w, r                             *tensor.Tensor
	b, lens, h0, c0, p                  *tensor.Tensor // nil where absent
	steps, batch, width                 int
	dirs, hidden                        int
	batchFirst, coupled, clipped, first bool // first: the first direction runs backwards
	clip                                float64
	act                                 [6]rnnAct
}

// Gates in the order of W's rows.
const (
	gateI = iota
	gateO
	gateF
	gateC
	gates
)

func (l *lstm) set(in []tensor.Value, a attr.Map) error {
	l.x, l.w, l.r = &in[0].Tensor, &in[1].Tensor, &in[2].Tensor
	for i, dst := range [...]**tensor.Tensor{&l.b, &l.lens, &l.h0, &l.c0, &l.p} {
		if present(in, 3+i) {
			*dst = &in[3+i].Tensor
		}
	}
	if l.x.Rank() != 3 || l.w.Rank() != 3 || l.r.Rank() != 3 {
		return badShape("ranks of X, W and R", l.x.Type().String(), "3")
	}
	l.batchFirst, l.coupled = a.Bool("layout"), a.Bool("input_forget")
	l.steps, l.batch, l.width = l.x.Dim(0), l.x.Dim(1), l.x.Dim(2)
	if l.batchFirst {
		l.steps, l.batch = l.batch, l.steps
	}
	l.dirs, l.hidden = l.w.Dim(0), l.r.Dim(2)
	want := 1
	switch a.Str("direction") {
	case "reverse":
		l.first = true
	case "bidirectional":
		want = 2
	}
	l.clipped, l.clip = a.Has("clip"), float64(a.Float("clip"))
	l.activations(a)
	return l.check(want)
}

func (l *lstm) check(dirs int) error {
	h4 := gates * l.hidden
	s := l.stateDims(dirs)
	for _, err := range [...]error{
		wantDims("W", l.w, 3, dirs, h4, l.width), wantDims("R", l.r, 3, dirs, h4, l.hidden),
		wantDims("B", l.b, 2, dirs, 2*h4, 0), wantDims("P", l.p, 2, dirs, 3*l.hidden, 0),
		wantDims("sequence_lens", l.lens, 1, l.batch, 0, 0),
		wantDims("initial_h", l.h0, 3, s[0], s[1], s[2]), wantDims("initial_c", l.c0, 3, s[0], s[1], s[2]),
	} {
		if err != nil {
			return err
		}
	}
	if l.lens != nil {
		for b := range l.batch {
			if n := l.lens.Int(b); n < 0 || n > int64(l.steps) {
				return &diag.Error{Kind: diag.BadData, Port: "sequence_lens", Have: fmt.Sprint(n), Want: fmt.Sprintf("0..%d", l.steps)}
			}
		}
	}
	return nil
}

// wantDims is the fault of an operand whose extents are not the first rank of
// a, b, c; an absent one has none.
func wantDims(name string, t *tensor.Tensor, rank, a, b, c int) error {
	if t == nil {
		return nil
	}
	d := t.Dims()
	if len(d) == rank && d[0] == a && (rank < 2 || d[1] == b) && (rank < 3 || d[2] == c) {
		return nil
	}
	return badShape(name, fmt.Sprint(d), fmt.Sprint([]int{a, b, c}[:rank]))
}

func (l *lstm) stateDims(dirs int) [3]int {
	if l.batchFirst {
		return [3]int{l.batch, dirs, l.hidden}
	}
	return [3]int{dirs, l.batch, l.hidden}
}

func (l *lstm) outputs(c kernel.Ctx, out []tensor.Value) (y, yh, yc *tensor.Tensor) {
	dt := l.x.DType()
	if wanted(out, 0) {
		if l.batchFirst {
			y = output(c, out, 0, dt, l.batch, l.steps, l.dirs, l.hidden)
		} else {
			y = output(c, out, 0, dt, l.steps, l.dirs, l.batch, l.hidden)
		}
	}
	d := l.stateDims(l.dirs)
	if wanted(out, 1) {
		yh = output(c, out, 1, dt, d[:]...)
	}
	if wanted(out, 2) {
		yc = output(c, out, 2, dt, d[:]...)
	}
	return y, yh, yc
}

// xAt, yAt and hAt are offsets in X, Y and the states.
func (l *lstm) xAt(t, b int) int {
	if l.batchFirst {
		return (b*l.steps + t) * l.width
	}
	return (t*l.batch + b) * l.width
}

func (l *lstm) yAt(t, d, b int) int {
	if l.batchFirst {
		return ((b*l.steps+t)*l.dirs + d) * l.hidden
	}
	return ((t*l.dirs+d)*l.batch + b) * l.hidden
}

func (l *lstm) hAt(d, b int) int {
	if l.batchFirst {
		return (b*l.dirs + d) * l.hidden
	}
	return (d*l.batch + b) * l.hidden
}

// length is how many steps sequence b has.
func (l *lstm) length(b int) int {
	if l.lens == nil {
		return l.steps
	}
	return int(l.lens.Int(b))
}

// time is the position in the sequence of step s of direction d.
func (l *lstm) time(d, s, steps int) int {
	if d == 1 || l.first {
		return steps - 1 - s
	}
	return s
}

// start sets the states before the first step.
func (l *lstm) start(d, b int, h, c []float64) {
	clear(h)
	clear(c)
	if l.h0 != nil {
		load(h, l.h0, l.hAt(d, b), 1, l.hidden)
	}
	if l.c0 != nil {
		load(c, l.c0, l.hAt(d, b), 1, l.hidden)
	}
}

// unitStep is one hidden unit after one step: what went into the gates, before
// clipping, what came out of them, and the new states.
type unitStep struct {
	pre, gate [gates]float64
	c, h      float64
}

// unit computes hidden unit j of direction d from the input, the states before
// the step and the unit's cell.
func (l *lstm) unit(d, j int, x, h []float64, c float64) (u unitStep) {
	row := d*gates*l.hidden + j
	dot4(&u.pre, l.w, row*l.width, l.hidden*l.width, x)
	dot4(&u.pre, l.r, row*l.hidden, l.hidden*l.hidden, h)
	if l.b != nil {
		o := 2*d*gates*l.hidden + j
		for q := range u.pre {
			u.pre[q] += l.b.Float(o+q*l.hidden) + l.b.Float(o+(gates+q)*l.hidden)
		}
	}
	u.pre[gateI] += l.peep(d, gateI, j, c)
	u.pre[gateF] += l.peep(d, gateF, j, c)
	act := l.act[3*d:]
	u.gate[gateI] = act[0].apply(l.bound(u.pre[gateI]))
	u.gate[gateF] = 1 - u.gate[gateI]
	if !l.coupled {
		u.gate[gateF] = act[0].apply(l.bound(u.pre[gateF]))
	}
	u.gate[gateC] = act[1].apply(l.bound(u.pre[gateC]))
	u.c = float64(u.gate[gateF]*c) + float64(u.gate[gateI]*u.gate[gateC])
	u.pre[gateO] += l.peep(d, gateO, j, u.c)
	u.gate[gateO] = act[0].apply(l.bound(u.pre[gateO]))
	u.h = u.gate[gateO] * act[2].apply(u.c)
	return u
}

// peep is the peephole term of a gate (i, o or f).
func (l *lstm) peep(d, gate, j int, c float64) float64 {
	if l.p == nil {
		return 0
	}
	return float64(l.p.Float((3*d+gate)*l.hidden+j) * c)
}

func (l *lstm) bound(v float64) float64 {
	if l.clipped {
		return max(-l.clip, min(l.clip, v))
	}
	return v
}

// dot4 adds to sum the products of x with the four rows of t that start at
// off, off+ld, ...; each is one ascending sum.
func dot4(sum *[gates]float64, t *tensor.Tensor, off, ld int, x []float64) {
	n := len(x)
	s0, s1, s2, s3 := sum[0], sum[1], sum[2], sum[3]
	if t.DType() == dtype.F32 {
		v := tensor.Slice[float32](t)[off:]
		r0, r1, r2, r3 := v[:n], v[ld:ld+n], v[2*ld:2*ld+n], v[3*ld:3*ld+n]
		for i, f := range x {
			s0 += float64(float64(r0[i]) * f)
			s1 += float64(float64(r1[i]) * f)
			s2 += float64(float64(r2[i]) * f)
			s3 += float64(float64(r3[i]) * f)
		}
	} else {
		for i, f := range x {
			s0 += float64(t.Float(off+i) * f)
			s1 += float64(t.Float(off+ld+i) * f)
			s2 += float64(t.Float(off+2*ld+i) * f)
			s3 += float64(t.Float(off+3*ld+i) * f)
		}
	}
	*sum = [gates]float64{s0, s1, s2, s3}
}
