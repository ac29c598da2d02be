package rnn

import (
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/pool"
)

// backward hands the gradients of a task's outputs back, last step first. The
// gradients of what entered the gates end up in the gates' place.
func (s *layer) backward(t *task, p *pool.Pool) {
	k, hid := s.back, s.hidden
	size := gemm.PackedB(4*hid, hid)
	dh, dc := s.rows(s.hAt, t, hid), s.rows(k.dcAt, t, hid)
	j := t.back
	j.B = s.scratch[k.rAt+t.dir*size:][:size]
	j.C = dh
	gathered := s.rows(s.productAt, t, 4*hid)
	clear(s.scratch[k.peepAt+3*(t.dir*s.batch+t.from)*hid:][:3*(t.to-t.from)*hid])
	for b := t.from; b < t.to; b++ {
		s.rest(t, b, s.length(b))
	}
	for step := s.loops - 1; step >= 0; step-- {
		for b := t.from; b < t.to; b++ {
			length := s.length(b)
			if step >= length { // no step of this sequence: its gradient is still to be loaded
				clear(gathered[4*(b-t.from)*hid:][:4*hid])
				continue
			}
			if step == length-1 {
				s.enter(t, b)
			}
			at := s.time(t, step, length)
			s.unitBack(t, b, step, at)
			if s.lens != nil {
				copy(gathered[4*(b-t.from)*hid:], s.perStep(s.gatesAt, t, at, b, 4*hid))
			}
		}
		j.A = gathered
		if s.lens == nil {
			j.A = s.scratch[s.gatesAt+((t.dir*s.steps+s.time(t, step, s.steps))*s.batch+t.from)*4*hid:][:len(gathered)]
		}
		j.Run(p, s.scratch[t.jobAt:])
	}
	for b := t.from; b < t.to; b++ {
		if s.length(b) == 0 || s.loops == 0 { // no step: the gradients pass
			s.enter(t, b)
		}
	}
	if k.dh0 != nil {
		copy(k.dh0[s.state(t):], dh)
	}
	if k.dc0 != nil {
		copy(k.dc0[s.state(t):], dc)
	}
}

// rest clears what is kept beyond the length of sequence b.
func (s *layer) rest(t *task, b, length int) {
	if s.hidden == 0 {
		return
	}
	for at := length; at < s.steps; at++ {
		clear(s.perStep(s.gatesAt, t, at, b, 4*s.hidden))
		clear(s.perStep(s.beforeAt, t, at, b, s.hidden))
	}
}

// enter loads the gradients of the last states of sequence b.
func (s *layer) enter(t *task, b int) {
	n := (t.dir*s.batch + b) * s.hidden
	load(s.scratch[s.hAt+n:][:s.hidden], s.back.dyh, n)
	load(s.scratch[s.back.dcAt+n:][:s.hidden], s.back.dyc, n)
}

// unitBack turns the gradients of the states of sequence b after a step into
// those of what entered the gates, in the gates' place, and of the cell
// before. Slopes are computed with their signs turned: (g-1)g of Sigmoid,
// gg-1 of Tanh; so is all that follows from them, up to the last line.
func (s *layer) unitBack(t *task, b, step, at int) {
	f, hid, k := s.f, s.hidden, s.back
	g := s.perStep(s.gatesAt, t, at, b, 4*hid)
	n := (t.dir*s.batch + b) * hid
	dh, dc := s.scratch[s.hAt+n:][:hid], s.scratch[k.dcAt+n:][:hid]
	before, tanh := s.cell(t, b, step), s.perStep(s.tanhAt, t, step, b, hid)
	w := kernel.WholeFloats(hid)
	e, u := s.scratch[t.tmpAt:][:4*hid], s.scratch[t.tmpAt+4*w:][:hid]
	v := s.scratch[t.tmpAt+5*w:][:hid]
	i, fo, z := g[:hid], g[2*hid:3*hid], g[3*hid:]
	ei, eo, ef, ez := e[:hid], e[hid:2*hid], e[2*hid:3*hid], e[3*hid:]

	f.AddS(e[:3*hid], g[:3*hid], -1)
	f.Mul(e[:3*hid], e[:3*hid], g[:3*hid])
	f.Mul(ez, z, z)
	f.AddS(ez, ez, -1)
	if k.dy != nil {
		f.Add(dh, dh, k.dy[((at*s.dirs+t.dir)*s.batch+b)*hid:])
	}
	// H = o.tanh(C)
	f.Mul(u, dh, tanh)
	f.Mul(eo, eo, u)
	f.Mul(u, dh, g[hid:2*hid])
	f.Mul(v, tanh, tanh)
	f.AddS(v, v, -1)
	f.Mul(u, u, v)
	f.Sub(dc, dc, u)
	if s.p != nil {
		s.peepBack(t, b, 1, eo, s.cell(t, b, step+1), dc, u)
	}
	// C = f.C + i.z
	f.Mul(u, dc, z)
	f.Mul(ei, ei, u)
	f.Mul(u, dc, before)
	f.Mul(ef, ef, u)
	f.Mul(u, dc, i)
	f.Mul(ez, ez, u)
	f.Mul(dc, dc, fo)
	if s.p != nil {
		s.peepBack(t, b, 0, ei, before, dc, u)
		s.peepBack(t, b, 2, ef, before, dc, u)
	}
	f.Neg(g, e)
}

// peepBack takes the share of a gate's gradient e, whose sign is turned, that
// belongs to its peephole and to the cell that this saw.
func (s *layer) peepBack(t *task, b, gate int, e, cell, dc, tmp []float32) {
	hid := s.hidden
	s.f.Mul(tmp, e, s.p[(3*t.dir+gate)*hid:])
	s.f.Sub(dc, dc, tmp)
	sum := s.scratch[s.back.peepAt+(3*(t.dir*s.batch+b)+gate)*hid:][:hid]
	s.f.Mul(tmp, e, cell)
	s.f.Sub(sum, sum, tmp)
}
