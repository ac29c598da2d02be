package eltwise

import (
	"fmt"
	"unsafe"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

const (
	chunk     = 1024    // elements a run of the steps covers: registers stay in the first-level cache
	longChunk = 4096    // the same where nothing but operands and output is touched
	longRow   = 256     // rows from this length on are run by themselves
	grain     = 1 << 14 // elements that are worth a task of the pool
)

// state is a prepared call. It is the pool's Task.
type state struct {
	code  *code
	space *space
	in    []input
	half  bool // float16 output
	n     int  // operands that stand in Call.In, the others are in Call.Consts

	// Rows mode: the run of unit u is part u%perRow of row u/perRow, each operand a
	// slice or a scalar. Flat mode: it is elements u*chunk on, broadcast operands
	// are spread into registers.
	rows   bool
	chunk  int
	perRow int
	units  int
	group  int // units a task

	out32   []float32
	out16   []uint16
	scratch []float32
	per     int // floats of scratch a worker
}

// prepare checks a call and compiles its program for f.
func prepare(f *Funcs, c *kernel.Call) (any, error) {
	ops := make([]*tensor.Tensor, 0, len(c.In)+len(c.Consts))
	for i := range c.In {
		ops = append(ops, &c.In[i].Tensor)
	}
	for i := range c.Consts {
		ops = append(ops, &c.Consts[i])
	}
	p, err := Decode(len(ops), c.Attrs.Strs(AttrProg))
	if err != nil {
		return nil, err
	}
	if len(c.Out) != 1 {
		return nil, diag.New(diag.Internal, "eltwise: have %d outputs, want 1", len(c.Out))
	}
	out := &c.Out[0].Tensor
	dims := make([][]int, len(ops))
	s := &state{in: make([]input, len(ops)), half: out.DType() == dtype.F16, n: len(c.In)}
	for i, t := range ops {
		if s.in[i].from = t.DType(); !Reads(t.DType()) {
			return nil, &diag.Error{Kind: diag.Internal, Port: fmt.Sprintf("eltwise operand %d", i), Have: t.DType().String(), Want: readsText}
		}
		dims[i] = t.Dims()
	}
	if d := out.DType(); d != dtype.F32 && d != dtype.F16 {
		return nil, &diag.Error{Kind: diag.Internal, Port: "eltwise result", Have: d.String(), Want: "f32 or f16"}
	}
	if s.space, err = newSpace(out.Dims(), dims); err != nil {
		return nil, err
	}
	s.plan(f, p)
	return s, nil
}

// plan chooses the mode and the classes of the operands.
func (s *state) plan(f *Funcs, p *Prog) {
	sp := s.space
	s.rows = sp.row() >= longRow || sp.rank == 1
	classes := make([]class, len(s.in))
	loads := false
	for k := range classes {
		inner := sp.stride[k][sp.rank-1]
		switch {
		case sp.single(k) || s.rows && inner == 0:
			classes[k] = classScalar
		case s.in[k].widened() || !s.rows && !sp.dense(k):
			classes[k] = classLoad
			loads = true
		}
		s.in[k].class = classes[k]
	}
	s.code = compile(f, p, classes, !s.half, false)
	s.chunk = chunk
	if s.code.regs == 0 && !loads {
		s.chunk = longChunk
	}
	if s.rows {
		row := sp.row()
		s.perRow = max(1, (row+s.chunk-1)/s.chunk)
		s.units = 0
		if row > 0 {
			s.units = sp.total / row * s.perRow
		}
		s.chunk = min(s.chunk, row)
	} else {
		s.chunk = min(s.chunk, sp.total)
		s.units = 0
		if sp.total > 0 {
			s.units = (sp.total + s.chunk - 1) / s.chunk
		}
	}
	s.group = max(1, grain/max(1, s.chunk))
	s.per = (s.code.regs*s.chunk + 15) &^ 15
}

// scratchBytes is the Desc.Scratch of all twins.
func scratchBytes(c *kernel.Call, threads int) int { return c.State.(*state).per * 4 * threads }

// run is the Desc.Run of all twins.
func run(c *kernel.Call) {
	s := c.State.(*state)
	if s.units == 0 {
		return
	}
	for i := range s.in {
		t := (*tensor.Tensor)(nil)
		if i < s.n {
			t = &c.In[i].Tensor
		} else {
			t = &c.Consts[i-s.n]
		}
		s.in[i].bind(t)
	}
	if s.half {
		s.out16 = tensor.Slice[uint16](&c.Out[0].Tensor)
	} else {
		s.out32 = tensor.Slice[float32](&c.Out[0].Tensor)
	}
	s.scratch = floats(c.Scratch)
	c.Pool.Run((s.units+s.group-1)/s.group, s)
}

// floats views scratch memory as float32.
func floats(b []byte) []float32 {
	if len(b) < 4 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

// Do runs task i; it is for the pool.
func (s *state) Do(i, worker int) {
	fr := frame{regs: s.scratch[worker*s.per:][:s.per], length: s.chunk}
	for u := i * s.group; u < min((i+1)*s.group, s.units); u++ {
		if s.rows {
			s.unitOfRow(&fr, u)
		} else {
			s.unitOfAll(&fr, u)
		}
	}
}

// unitOfRow runs part of one row.
func (s *state) unitOfRow(fr *frame, u int) {
	r, part := u/s.perRow, u%s.perRow
	at := part * s.chunk
	fr.n = min(s.chunk, s.space.row()-at)
	for k := range s.in {
		in := &s.in[k]
		off := 0
		if s.space.rank > 1 {
			off = s.space.offset(k, r)
		}
		switch in.class {
		case classScalar:
			fr.scalar[k] = in.element(off)
		case classSlice:
			fr.slice[k] = in.f32[off+at:][:fr.n]
		case classLoad:
			in.widen(s.code.f, fr.reg(s.code.load[k]), off+at)
		}
	}
	s.finish(fr, r*s.space.row()+at)
}

// unitOfAll runs consecutive elements over short rows.
func (s *state) unitOfAll(fr *frame, u int) {
	at := u * s.chunk
	fr.n = min(s.chunk, s.space.total-at)
	for k := range s.in {
		in := &s.in[k]
		switch {
		case in.class == classScalar:
			fr.scalar[k] = in.element(0)
		case in.class == classSlice:
			fr.slice[k] = in.f32[at:][:fr.n]
		case s.space.dense(k):
			in.widen(s.code.f, fr.reg(s.code.load[k]), at)
		default:
			s.spread(fr.reg(s.code.load[k]), k, at)
		}
	}
	s.finish(fr, at)
}

// finish runs the steps and stores the result from element at of the output.
func (s *state) finish(fr *frame, at int) {
	if !s.half {
		fr.out = s.out32[at:][:fr.n]
		s.code.run(fr)
		return
	}
	s.code.run(fr)
	s.code.f.toF16(s.out16[at:][:fr.n], fr.reg(s.code.result))
}

// spread writes the elements of broadcast operand k that belong to the outputs
// from at on.
func (s *state) spread(dst []float32, k, at int) {
	sp, in := s.space, &s.in[k]
	row, inner := sp.row(), sp.stride[k][sp.rank-1]
	for r, j := at/row, at%row; len(dst) > 0; r, j = r+1, 0 {
		n := min(row-j, len(dst))
		off := sp.offset(k, r) + j*inner
		switch {
		case inner == 0:
			v := in.element(off)
			for i := range dst[:n] {
				dst[i] = v
			}
		case in.widened():
			in.widen(s.code.f, dst[:n], off)
		default:
			copy(dst[:n], in.f32[off:][:n])
		}
		dst = dst[n:]
	}
}
