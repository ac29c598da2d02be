package rnn

import (
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/pool"
)

// task runs all steps of task i, and of a gradient all of them back.
func (s *layer) task(i int, p *pool.Pool) {
	t := &s.tasks[i]
	s.ahead(t, p)
	if s.back != nil {
		s.backward(t, p)
	}
}

// rows are those of a task's sequences among n elements each of an array
// [D, B, n] in scratch.
func (s *layer) rows(at int, t *task, n int) []float32 {
	first := t.dir*s.batch + t.from
	return s.scratch[at+first*n:][:(t.to-t.from)*n]
}

// cell is the cell of sequence b before step, which where cells are not kept
// is the one that there is.
func (s *layer) cell(t *task, b, step int) []float32 {
	if !s.keep {
		step = 0
	}
	return s.scratch[s.cAt+t.dir*s.cells()+(step*s.batch+b)*s.hidden:][:s.hidden]
}

// perStep is row (step, b) of an array [D, T, B, n] in scratch.
func (s *layer) perStep(at int, t *task, step, b, n int) []float32 {
	return s.scratch[at+((t.dir*s.steps+step)*s.batch+b)*n:][:n]
}

// length is that of sequence b.
func (s *layer) length(b int) int {
	if s.lens == nil {
		return s.steps
	}
	return int(s.lens[b])
}

// time is where in a sequence of a length the direction's step lies.
func (s *layer) time(t *task, step, length int) int {
	if t.dir == 1 || s.backwards {
		return length - 1 - step
	}
	return step
}

// state is where the states of a task's sequences begin in an operand or
// result [D, B, H].
func (s *layer) state(t *task) int { return (t.dir*s.batch + t.from) * s.hidden }

// ahead runs all steps of a task.
func (s *layer) ahead(t *task, p *pool.Pool) {
	h := s.rows(s.hAt, t, s.hidden)
	load(h, s.h0, s.state(t))
	for b := t.from; b < t.to; b++ {
		load(s.cell(t, b, 0), s.c0, (t.dir*s.batch+b)*s.hidden)
	}
	j := t.state
	j.A, j.C = h, s.rows(s.productAt, t, 4*s.hidden)
	j.B = s.r[t.dir*len(s.r)/s.dirs:]
	for step := range s.loops {
		j.Run(p, s.scratch[t.jobAt:])
		for b := t.from; b < t.to; b++ {
			if length := s.length(b); step < length {
				s.unit(t, b, step, s.time(t, step, length))
			}
		}
	}
	if s.yh != nil {
		copy(s.yh[s.state(t):], h)
	}
	if s.yc != nil && s.hidden > 0 {
		for b := t.from; b < t.to; b++ {
			copy(s.yc[(t.dir*s.batch+b)*s.hidden:], s.cell(t, b, s.length(b)))
		}
	}
}

// load copies an initial state, zeros where there is none.
func load(dst, src []float32, at int) {
	if src == nil {
		clear(dst)
		return
	}
	copy(dst, src[at:])
}

// unit finishes a step of sequence b, whose product with the state is there;
// at is its time. The gates stay where the product with the input was.
func (s *layer) unit(t *task, b, step, at int) {
	f, hid := s.f, s.hidden
	g := s.perStep(s.gatesAt, t, at, b, 4*hid)
	f.Add(g, g, s.scratch[s.productAt+(t.dir*s.batch+b)*4*hid:][:4*hid])
	h := s.scratch[s.hAt+(t.dir*s.batch+b)*hid:][:hid]
	tmp, tanh := s.scratch[t.tmpAt:][:hid], s.scratch[t.tmpAt+kernel.WholeFloats(hid):][:hid]
	if s.keep {
		copy(s.perStep(s.beforeAt, t, at, b, hid), h)
		tanh = s.perStep(s.tanhAt, t, step, b, hid)
	}
	before, after := s.cell(t, b, step), s.cell(t, b, step+1)
	i, o, fo, z := g[:hid], g[hid:2*hid], g[2*hid:3*hid], g[3*hid:]
	f.Tanh(z, z)
	if s.p != nil {
		p := s.p[3*t.dir*hid:][:3*hid]
		s.peep(i, p[:hid], before, tmp)
		s.peep(fo, p[2*hid:], before, tmp)
		f.Sigmoid(i, i)
		f.Sigmoid(fo, fo)
	} else {
		f.Sigmoid(g[:3*hid], g[:3*hid])
	}
	// C = f.C + i.z
	f.Mul(tmp, i, z)
	f.Mul(after, fo, before)
	f.Add(after, after, tmp)
	if s.p != nil {
		s.peep(o, s.p[(3*t.dir+1)*hid:][:hid], after, tmp)
		f.Sigmoid(o, o)
	}
	f.Tanh(tanh, after)
	f.Mul(h, o, tanh)
	if s.y != nil {
		copy(s.y[((at*s.dirs+t.dir)*s.batch+b)*hid:], h)
	}
}

// peep adds the peephole's product with the cell to a gate.
func (s *layer) peep(gate, p, cell, tmp []float32) {
	s.f.Mul(tmp, p, cell)
	s.f.Add(gate, gate, tmp)
}
