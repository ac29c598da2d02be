package gemm

import (
	"fmt"
	"unsafe"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
)

// product is the state of a gemm.f32 call:
//
//	In[0]      f32[rows..., K]   activations
//	Consts[0]  FormatB of B[K,N]
//	Out[0]     f32[rows..., N]
//
// What the epilogue takes follows In[0] and Consts[0].
type product struct {
	job *Job
	end *Ending
}

func prepareProduct(c *kernel.Call, m *Micro, f *eltwise.Funcs) (any, error) {
	if len(c.In) < 1 || len(c.Out) != 1 || len(c.Consts) < 1 || c.Consts[0].DType() != dtype.F32 {
		return nil, diag.New(diag.Internal, "product with %d inputs, %d constants and %d outputs", len(c.In), len(c.Consts), len(c.Out))
	}
	a, y := &c.In[0].Tensor, &c.Out[0].Tensor
	ra, ry := a.Rank(), y.Rank()
	if ra < 1 || ra != ry || a.DType() != dtype.F32 || y.DType() != dtype.F32 {
		return nil, diag.New(diag.Internal, "product of %v to %v", a.Type(), y.Type())
	}
	p := Params{K: a.Dim(ra - 1), N: y.Dim(ry - 1), M: 1}
	p.LdA, p.LdC = p.K, p.N
	for i, d := range a.Dims()[:ra-1] {
		if y.Dim(i) != d {
			return nil, &diag.Error{Kind: diag.Shape, Port: "rows of the product", Have: fmt.Sprint(y.Dims()), Want: fmt.Sprint(a.Dims()[:ra-1])}
		}
		p.M *= d
	}
	if have := c.Consts[0].Len(); have != PackedB(p.K, p.N) {
		return nil, &diag.Error{Kind: diag.Shape, Port: "B", Have: fmt.Sprintf("%d packed elements", have), Want: fmt.Sprintf("%d for [%d,%d]", PackedB(p.K, p.N), p.K, p.N)}
	}
	end, err := NewEnding(c, f, 1, 1, 0, ry-1)
	if err != nil {
		return nil, err
	}
	s := &product{m.Prepare(p, c.Pool.Threads()), end}
	end.Attach(s.job)
	return s, nil
}

func runProduct(c *kernel.Call) {
	s := c.State.(*product)
	s.job.A, s.job.B, s.job.C = tensor.Slice[float32](&c.In[0].Tensor), tensor.Slice[float32](&c.Consts[0]), tensor.Slice[float32](&c.Out[0].Tensor)
	s.end.Bind(c)
	s.job.Run(c.Pool, Floats(c.Scratch))
}

func productScratch(c *kernel.Call, _ int) int { return 4 * c.State.(*product).job.Scratch() }

// Floats views scratch bytes, which are aligned, as float32.
func Floats(b []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}
