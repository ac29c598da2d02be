package eltwise

import (
	"fmt"
	"math/bits"
	"sync/atomic"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// epiChunk is the longest run of an epilogue.
const epiChunk = 512

// Epilogue is a program that finishes the results of another kernel while they
// are in the cache. Value 0 of the program is the element itself, as float32;
// values 1 and up are operands that are broadcast to the output: a bias, a
// residual, a slope.
//
// The output is seen as batches of a matrix, [batch][row][column]. For a
// convolution [N, M, OH, OW] a row is a channel of one image and a column a
// pixel; for a product [..., M, N] they are its own.
//
// Row may run on several goroutines at once; Bind may not.
type Epilogue struct {
	code   *code
	in     []epiInput
	length int
	busy   atomic.Uint64 // scratch in use, one bit a slot
	slots  int
	regs   []float32
}

type epiInput struct {
	input
	batch, row, col int // strides; col is 0 or 1
}

// NewEpilogue prepares program p for outputs of extents out, of which the
// first batchAxes axes count batches and the next rowAxes count rows. Operands
// are of float32 or float16; only their types and extents are looked at.
// threads is how many goroutines may run Row at once.
//
// Errors: the program is wrong (BadModel); an operand does not broadcast
// (Shape), or does so within the batches, the rows or the columns
// (Unsupported).
func NewEpilogue(f *Funcs, p *Prog, out []int, batchAxes, rowAxes int, operands []tensor.Value, threads int) (*Epilogue, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	if p.Inputs != 1+len(operands) {
		return nil, diag.New(diag.Internal, "epilogue: have %d operands, want %d", len(operands), p.Inputs-1)
	}
	e := &Epilogue{in: make([]epiInput, len(operands)), slots: min(max(threads, 1), 64)}
	classes := make([]class, p.Inputs)
	cols := count(out[batchAxes+rowAxes:])
	for k := range operands {
		t, in := &operands[k].Tensor, &e.in[k]
		if in.from = t.DType(); !Reads(in.from) {
			return nil, &diag.Error{Kind: diag.Internal, Port: fmt.Sprintf("epilogue operand %d", k), Have: t.DType().String(), Want: readsText}
		}
		if err := in.place(out, t.Dims(), batchAxes, rowAxes); err != nil {
			return nil, err
		}
		switch {
		case in.col == 0:
			in.class = classScalar
		case in.widened():
			in.class = classLoad
		}
		classes[k+1] = in.class
	}
	e.code = compile(f, p, classes, true, true)
	e.length = min(epiChunk, max(cols, 1))
	e.regs = make([]float32, e.slots*e.code.regs*e.length)
	return e, nil
}

func count(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// place finds the strides of an operand over batches, rows and columns.
func (in *epiInput) place(out, dims []int, batchAxes, rowAxes int) error {
	sizes := [3]int{}
	full := make([]int, len(out)) // dims aligned with out
	lead := len(out) - len(dims)
	if lead < 0 {
		return diag.New(diag.Shape, "epilogue: cannot broadcast %v to %v", dims, out)
	}
	for a := range full {
		full[a] = 1
		if a >= lead {
			full[a] = dims[a-lead]
		}
		if full[a] != 1 && full[a] != out[a] {
			return diag.New(diag.Shape, "epilogue: cannot broadcast %v to %v", dims, out)
		}
	}
	for g, r := range [3][2]int{{0, batchAxes}, {batchAxes, batchAxes + rowAxes}, {batchAxes + rowAxes, len(out)}} {
		n := count(full[r[0]:r[1]])
		if n != 1 && n != count(out[r[0]:r[1]]) {
			return diag.New(diag.Unsupported, "epilogue: %v broadcast to %v within the rows or columns of its matrix (supported: to whole batches, rows or columns)", dims, out)
		}
		sizes[g] = n
	}
	set := func(stride *int, size, step int) {
		if size != 1 {
			*stride = step
		}
	}
	set(&in.col, sizes[2], 1)
	set(&in.row, sizes[1], sizes[2])
	set(&in.batch, sizes[0], sizes[1]*sizes[2])
	return nil
}

// Bind gives the operands' buffers, before a run. They have the types and
// extents that NewEpilogue saw.
func (e *Epilogue) Bind(operands []tensor.Value) {
	for k := range e.in {
		e.in[k].bind(&operands[k].Tensor)
	}
}

// Row finishes, in place, the elements of seg: those of a batch and row from
// column col on. It does not allocate.
func (e *Epilogue) Row(seg []float32, batch, row, col int) {
	slot := e.acquire()
	fr := frame{length: e.length}
	if e.code.regs > 0 {
		fr.regs = e.regs[slot*e.code.regs*e.length:][:e.code.regs*e.length]
	}
	for len(seg) > 0 {
		fr.n = min(len(seg), e.length)
		fr.out = seg[:fr.n]
		for k := range e.in {
			in := &e.in[k]
			off := batch*in.batch + row*in.row + col*in.col
			switch in.class {
			case classScalar:
				fr.scalar[k+1] = in.element(off)
			case classSlice:
				fr.slice[k+1] = in.f32[off:][:fr.n]
			case classLoad:
				in.widen(e.code.f, fr.reg(e.code.load[k+1]), off)
			}
		}
		e.code.run(&fr)
		seg, col = seg[fr.n:], col+fr.n
	}
	e.release(slot)
}

// acquire takes scratch for one goroutine.
func (e *Epilogue) acquire() int {
	if e.code.regs == 0 {
		return 0
	}
	for {
		b := e.busy.Load()
		if i := bits.TrailingZeros64(^b); i < e.slots && e.busy.CompareAndSwap(b, b|1<<i) {
			return i
		}
	}
}

func (e *Epilogue) release(slot int) {
	if e.code.regs == 0 {
		return
	}
	for {
		b := e.busy.Load()
		if e.busy.CompareAndSwap(b, b&^(1<<slot)) {
			return
		}
	}
}
