package gemm

import (
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
)

// An Ending is the epilogue of a kernel call, shared by all its jobs: a program
// of eltwise in the attribute eltwise.AttrProg. Its value 0 is an element of
// the output before the epilogue; the others are the inputs, then the
// constants, that follow those of the kernel itself.
type Ending struct {
	epi  *eltwise.Epilogue
	vals []tensor.Value
	ins  int // inputs of the kernel itself
	more int // of vals: how many are inputs
}

// NewEnding prepares the epilogue of call c, whose kernel has so many inputs
// and constants of its own; nil where the call has none. The output is seen as
// batches of a matrix by the first batchAxes and the next rowAxes axes.
func NewEnding(c *kernel.Call, f *eltwise.Funcs, ins, consts, batchAxes, rowAxes int) (*Ending, error) {
	lines := c.Attrs.Strs(eltwise.AttrProg)
	if len(lines) == 0 {
		return nil, nil
	}
	e := &Ending{ins: ins}
	if len(c.In) > ins {
		e.vals = append(e.vals, c.In[ins:]...)
	}
	e.more = len(e.vals)
	for _, t := range c.Consts[consts:] {
		e.vals = append(e.vals, tensor.V(t))
	}
	p, err := eltwise.Decode(1+len(e.vals), lines)
	if err != nil {
		return nil, err
	}
	e.epi, err = eltwise.NewEpilogue(f, p, c.Out[0].Tensor.Dims(), batchAxes, rowAxes, e.vals, c.Pool.Threads())
	return e, err
}

// Bind points the epilogue at the inputs of a run; e may be nil.
func (e *Ending) Bind(c *kernel.Call) {
	if e != nil {
		copy(e.vals, c.In[e.ins:e.ins+e.more])
		e.epi.Bind(e.vals)
	}
}

// Attach gives job j an epilogue of its own, which may be moved over the
// output; e may be nil, as the result then is.
func (e *Ending) Attach(j *Job) *Part {
	if e == nil {
		return nil
	}
	p := e.Part()
	j.Epi = p
	return p
}

// Part is a part of the output on its own, for kernels that finish what no job
// has written; nil where e is.
func (e *Ending) Part() *Part {
	if e == nil {
		return nil
	}
	return &Part{e: e.epi}
}

// A Part is the Epilogue of a matrix that is a part of the call's output.
type Part struct {
	e          *eltwise.Epilogue
	batch, row int
}

// Move says that the matrix is in a batch and begins at one of its rows; p may
// be nil.
func (p *Part) Move(batch, row int) {
	if p != nil {
		p.batch, p.row = batch, row
	}
}

// Apply implements Epilogue.
func (p *Part) Apply(c []float32, ld, row, rows, col, cols int) {
	for i := range rows {
		p.e.Row(c[i*ld:i*ld+cols], p.batch, p.row+row+i, col)
	}
}
