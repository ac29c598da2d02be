package gemm

import (
	"fmt"
	"unsafe"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// OpI8 is what the kernels of a quantized product with constant weights
// compute:
//
//	In[0]      u8 or i8 [rows..., K]
//	Consts[0]  FormatI8 of the weights, transposed to [N, K]
//	Consts[1]  f32[N]  factor of the sums
//	Consts[2]  i32[N]  bias
//	Consts[3]  i32[N]  sums of each output's weights
//	Out[0]     u8 or i8 [rows..., N]
//
// with the attributes of NewScaling.
const OpI8 = "gemm.i8"

// I8_generic multiplies quantized activations by constant weights in plain Go.
var I8_generic = kernel.Desc{ID: "gemm.i8.generic", Op: OpI8, Format: FormatI8, Prepare: i8Generic, Scratch: scratchI8, Run: runI8}

func i8Generic(c *kernel.Call) (any, error) { return prepareI8(c, &Generic8) }

// OpI32 is what the kernels of an exact integer product with constant weights
// compute: ONNX's MatMulInteger with one zero point of A:
//
//	In[0]   u8 or i8 [rows..., K]
//	Out[0]  i32[rows..., N]
//
// with the weights transposed to [N, K], and the rest as Sums says.
const OpI32 = "gemm.i32"

// I32_generic multiplies integers in plain Go.
var I32_generic = kernel.Desc{ID: "gemm.i32.generic", Op: OpI32, Format: FormatI8, Prepare: i32Generic, Scratch: scratchI8, Run: runI8}

func i32Generic(c *kernel.Call) (any, error) { return prepareI32(c, &Generic8) }

// product8 is the state of a call. The rows of the job are the outputs'
// weights, its columns the rows of the activations.
type product8 struct {
	job     *Job8
	scale   *Scaling // either this
	sums    *Sums    // or that
	sign    uint32
	k, n    int
	threads int
	rows    []int32
	x, y    []uint8
	sum     []int32
	buf     []uint8 // of each thread: 16 rows of activations, transposed; a line of results
}

func prepareI8(c *kernel.Call, m *Micro8) (any, error) {
	s, rows, err := newProduct8(c)
	if err != nil {
		return nil, err
	}
	if err := CheckI8(c, s.n, s.k); err != nil {
		return nil, err
	}
	if s.scale, err = NewScaling(c, m, s.n); err != nil {
		return nil, err
	}
	s.sign = s.scale.Sign
	s.prepare(m, rows)
	return s, nil
}

func prepareI32(c *kernel.Call, m *Micro8) (any, error) {
	s, rows, err := newProduct8(c)
	if err != nil {
		return nil, err
	}
	if s.sums, err = NewSums(c, m, s.n, s.k); err != nil {
		return nil, err
	}
	s.sign = s.sums.Sign
	s.prepare(m, rows)
	return s, nil
}

// newProduct8 reads the extents of a call.
func newProduct8(c *kernel.Call) (s *product8, rows int, err error) {
	if len(c.In) < 1 || len(c.Out) != 1 {
		return nil, 0, diag.New(diag.Internal, "quantized product with %d inputs and %d outputs", len(c.In), len(c.Out))
	}
	a, y := &c.In[0].Tensor, &c.Out[0].Tensor
	ra, ry := a.Rank(), y.Rank()
	if ra < 1 || ra != ry {
		return nil, 0, diag.New(diag.Internal, "quantized product of %v to %v", a.Type(), y.Type())
	}
	for i, d := range a.Dims()[:ra-1] {
		if y.Dim(i) != d {
			return nil, 0, &diag.Error{Kind: diag.Shape, Port: "rows of the product", Have: fmt.Sprint(y.Dims()), Want: fmt.Sprint(a.Dims()[:ra-1])}
		}
	}
	rows, ok := tensor.Count(a.Dims()[:ra-1])
	if !ok {
		return nil, 0, &diag.Error{Kind: diag.Limit, Port: "rows of the product", Have: fmt.Sprint(a.Dims()[:ra-1]), Want: "a number of rows"}
	}
	return &product8{k: a.Dim(ra - 1), n: y.Dim(ry - 1), threads: max(1, c.Pool.Threads())}, rows, nil
}

func (s *product8) prepare(m *Micro8, rows int) {
	s.rows = Sides(4 * Groups(s.k))
	s.job = m.Prepare(Params8{M: s.n, N: rows, K: s.k, Pack: s, End: s, Totals: s.sums != nil && s.sums.Totals()}, s.threads)
}

func (s *product8) perThread() int {
	return kernel.WholeBytes(16*len(s.rows)) + kernel.WholeBytes(s.job.cols)
}

func scratchI8(c *kernel.Call, _ int) int {
	s := c.State.(*product8)
	return kernel.WholeBytes(s.job.Scratch()) + s.threads*s.perThread()
}

func runI8(c *kernel.Call) {
	s := c.State.(*product8)
	s.x = c.In[0].Tensor.Bytes()
	if s.sums != nil {
		s.sums.Start(c)
		s.sum = tensor.Slice[int32](&c.Out[0].Tensor)
	} else {
		s.y = c.Out[0].Tensor.Bytes()
	}
	s.job.A = tensor.Slice[int8](&c.Consts[0])
	n := kernel.WholeBytes(s.job.Scratch())
	s.buf = c.Scratch[n:]
	s.job.Run(c.Pool, c.Scratch[:n])
	s.x, s.y, s.sum, s.buf = nil, nil, nil, nil
}

// Pack8 implements Packer8.
func (s *product8) Pack8(m *Micro8, panel []uint8, col, worker int) {
	t := unsafe.Slice((*[16]uint8)(unsafe.Pointer(&s.buf[worker*s.perThread()])), len(s.rows))
	for j := range min(16, s.job.N-col) {
		for k, v := range s.x[(col+j)*s.k : (col+j+1)*s.k] {
			t[k][j] = v
		}
	}
	m.Pack(panel, s.rows, &t[0][0], s.sign)
}

// End8 implements Ender8.
func (s *product8) End8(c []int32, ld, row, rows, col, cols int, totals []int32, worker int) {
	have := min(cols, s.job.N-col)
	if s.sums != nil {
		s.endSums(c, ld, row, rows, col, have, totals)
		return
	}
	line := s.buf[worker*s.perThread()+kernel.WholeBytes(16*len(s.rows)):][:cols]
	for i := range rows {
		s.scale.Row(row+i, cols, &c[i*ld], &line[0])
		at := col*s.n + row + i
		for _, v := range line[:have] {
			s.y[at] = v
			at += s.n
		}
	}
}

func (s *product8) endSums(c []int32, ld, row, rows, col, have int, totals []int32) {
	for i := range rows {
		acc := c[i*ld:][:have]
		s.sums.Row(row+i, acc, totals, acc)
		at := col*s.n + row + i
		for _, v := range acc {
			s.sum[at] = v
			at += s.n
		}
	}
}
