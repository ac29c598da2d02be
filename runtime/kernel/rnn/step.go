package rnn

import (
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/pool"
)

// direction runs all steps of direction d.
func (s *lstm) direction(d int, p *pool.Pool) {
	c := s.call
	buf := s.scratch[d*s.size : (d+1)*s.size]
	n := s.batch * s.hidden
	h, cell := buf[s.stateAt:s.stateAt+n], buf[s.cellAt:s.cellAt+n]
	load(h, in(c, 2), d*n)
	load(cell, in(c, 3), d*n)
	var lens []int32
	if given(c, 1) {
		lens = tensor.Slice[int32](&c.In[1].Tensor)
	}
	j := s.dirs[d].state
	gates := buf[s.gatesAt : s.gatesAt+4*n]
	j.A, j.C = h, gates
	for step := range s.steps {
		j.Run(p, buf[s.scratchAt:])
		for b := range s.batch {
			length := s.steps
			if lens != nil {
				length = int(lens[b])
			}
			if step < length {
				s.unit(d, b, step, length, buf)
			}
		}
	}
	store(out(c, 1), d*n, h)
	store(out(c, 2), d*n, cell)
}

// load copies an initial state, zeros where there is none.
func load(dst, src []float32, at int) {
	if src == nil {
		clear(dst)
		return
	}
	copy(dst, src[at:])
}

func store(dst []float32, at int, src []float32) {
	if dst != nil {
		copy(dst[at:], src)
	}
}

// unit finishes a step of sequence b, whose product with the state is in the
// gates.
func (s *lstm) unit(d, b, step, length int, buf []float32) {
	f, hid := s.f, s.hidden
	t := step
	if d == 1 || s.backwards {
		t = length - 1 - step
	}
	g := buf[s.gatesAt+4*b*hid:][:4*hid]
	f.Add(g, buf[4*(t*s.batch+b)*hid:][:4*hid], g)
	h, cell := buf[s.stateAt+b*hid:][:hid], buf[s.cellAt+b*hid:][:hid]
	tmp := buf[s.cellAt+align(s.batch*hid):][:hid]
	i, o, fo, z := g[:hid], g[hid:2*hid], g[2*hid:3*hid], g[3*hid:]
	if len(s.call.Consts) > 3 {
		p := tensor.Slice[float32](&s.call.Consts[3])[3*d*hid:][:3*hid]
		s.peep(i, p[:hid], cell, tmp)
		s.peep(fo, p[2*hid:], cell, tmp)
		f.Sigmoid(i, i)
		f.Sigmoid(fo, fo)
		s.cell(cell, i, fo, z, tmp)
		s.peep(o, p[hid:2*hid], cell, tmp)
		f.Sigmoid(o, o)
	} else {
		f.Sigmoid(g[:3*hid], g[:3*hid])
		s.cell(cell, i, fo, z, tmp)
	}
	f.Tanh(tmp, cell)
	f.Mul(h, o, tmp)
	if y := out(s.call, 0); y != nil {
		copy(y[((t*len(s.dirs)+d)*s.batch+b)*hid:], h)
	}
}

// peep adds the peephole's product with the cell to a gate.
func (s *lstm) peep(gate, p, cell, tmp []float32) {
	s.f.Mul(tmp, p, cell)
	s.f.Add(gate, gate, tmp)
}

// cell is C = f.C + i.tanh(z).
func (s *lstm) cell(cell, i, f, z, tmp []float32) {
	s.f.Tanh(tmp, z)
	s.f.Mul(tmp, i, tmp)
	s.f.Mul(cell, f, cell)
	s.f.Add(cell, cell, tmp)
}
