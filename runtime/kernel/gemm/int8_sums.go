package gemm

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
)

// Sums is how a call gives exact int32 sums of (x-zero)*w, zero being known
// only when it runs:
//
//	In[0]      u8 or i8  x
//	In[1]      one element of In[0]'s type: zero; or absent, then it is quant.AttrXZero
//	Consts[0]  FormatI8 of the weights
//	Consts[1]  i32[m]  sums of each row's weights
//	Out[0]     i32
type Sums struct {
	Zero uint8  // the byte that stands for 0 in the input, once started
	Sign uint32 // turns input bytes into unsigned ones

	micro    *Micro8
	unsigned int32 // zero of the unsigned input
	fixed    uint8
	sums     []int32
	corr     []int32
}

// NewSums checks a call whose product has m rows, each of as many terms as the
// product of extents k; more is how many constants may follow.
func NewSums(c *kernel.Call, micro *Micro8, more, m int, k ...int) (*Sums, error) {
	if len(c.In) < 1 || len(c.In) > 2 || len(c.Out) != 1 || len(c.Consts) < 2 || len(c.Consts) > 2+more || m < 0 {
		return nil, diag.New(diag.Internal, "integer product with %d inputs, %d constants and %d outputs", len(c.In), len(c.Consts), len(c.Out))
	}
	x := c.In[0].Tensor.DType()
	if y := c.Out[0].Tensor.DType(); x != dtype.U8 && x != dtype.I8 || y != dtype.I32 {
		return nil, diag.New(diag.Internal, "integer product of %v to %v", x, y)
	}
	if err := checkWeights(c, m, k); err != nil {
		return nil, err
	}
	for i := range c.Consts[1:] {
		if t := &c.Consts[1+i]; t.DType() != dtype.I32 || t.Len() != m {
			return nil, &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("constant %d", 1+i), Have: t.Type().String(), Want: fmt.Sprintf("i32[%d]", m)}
		}
	}
	if len(c.In) > 1 {
		if z := &c.In[1].Tensor; c.In[1].Present() && (z.DType() != x || z.Len() != 1) {
			return nil, &diag.Error{Kind: diag.Shape, Port: "zero point", Have: z.Type().String(), Want: fmt.Sprintf("one %v", x)}
		}
	}
	if err := quant.CheckRange(x, c.Attrs, quant.AttrXZero); err != nil {
		return nil, err
	}
	return &Sums{Sign: quant.Sign(x), fixed: uint8(c.Attrs.Int(quant.AttrXZero)), micro: micro, sums: tensor.Slice[int32](&c.Consts[1]), corr: make([]int32, m)}, nil
}

// Start reads the zero point of a run.
func (s *Sums) Start(c *kernel.Call) {
	s.Zero = s.fixed
	if len(c.In) > 1 && c.In[1].Present() {
		s.Zero = c.In[1].Tensor.Bytes()[0]
	}
	s.unsigned = int32(s.Zero ^ uint8(s.Sign))
	for i, sum := range s.sums {
		s.corr[i] = s.micro.Correction(0, s.unsigned, sum)
	}
}

// Row turns accumulated sums of a row into those of (x-zero)*w.
func (s *Sums) Row(row int, acc, dst []int32) {
	acc = acc[:len(dst)]
	add := s.corr[row]
	n := len(dst) &^ 15
	if n > 0 {
		s.micro.Quant.Offset(n, &acc[0], add, &dst[0])
	}
	for i := n; i < len(dst); i++ {
		dst[i] = acc[i] + add
	}
}
