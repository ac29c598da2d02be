package gemm

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
)

// Sums is how a call gives exact int32 sums of (x-zero)*(w-wzero), zero being
// known only when it runs:
//
//	In[0]      u8 or i8  x
//	In[1]      one element of In[0]'s type: zero; or absent, then it is quant.AttrXZero
//	Consts[0]  FormatI8 of the weights w
//	Consts[1]  i32[m]  sums of each row's weights
//	Consts[2]  i32[m]  wzero of each row; or missing, then it is 0
//	Out[0]     i32
type Sums struct {
	Zero uint8  // the byte that stands for 0 in the input, once started
	Sign uint32 // turns input bytes into unsigned ones

	micro *Micro8
	fixed uint8
	sums  []int32
	zeros []int32
	corr  []int32
	total int32 // what makes a total of a column that of x-zero
	k     int
}

// NewSums checks a call whose product has m rows, each of as many terms as the
// product of extents k.
func NewSums(c *kernel.Call, micro *Micro8, m int, k ...int) (*Sums, error) {
	if len(c.In) < 1 || len(c.In) > 2 || len(c.Out) != 1 || len(c.Consts) < 2 || len(c.Consts) > 3 || m < 0 {
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
	s := &Sums{Sign: quant.Sign(x), fixed: uint8(c.Attrs.Int(quant.AttrXZero)), micro: micro, sums: tensor.Slice[int32](&c.Consts[1]), corr: make([]int32, m), k: 1}
	for _, d := range k {
		s.k *= d
	}
	if len(c.Consts) > 2 {
		s.zeros = tensor.Slice[int32](&c.Consts[2])
	}
	return s, nil
}

// Totals says whether Row wants totals of columns.
func (s *Sums) Totals() bool { return s.zeros != nil }

// Start reads the zero point of a run.
func (s *Sums) Start(c *kernel.Call) {
	s.Zero = s.fixed
	if len(c.In) > 1 && c.In[1].Present() {
		s.Zero = c.In[1].Tensor.Bytes()[0]
	}
	zero := int32(s.Zero ^ uint8(s.Sign))
	for i, sum := range s.sums {
		s.corr[i] = s.micro.Correction(0, zero, sum)
	}
	s.total = s.micro.Correction(0, zero, int32(s.k))
}

// Row turns accumulated sums of a row, and totals of the columns if they are
// wanted, into the row's results.
func (s *Sums) Row(row int, acc, totals, dst []int32) {
	acc = acc[:len(dst)]
	add := s.corr[row]
	n := len(dst) &^ 15
	if n > 0 {
		s.micro.Quant.Offset(n, &acc[0], add, &dst[0])
	}
	for i := n; i < len(dst); i++ {
		dst[i] = acc[i] + add
	}
	if s.zeros == nil || s.zeros[row] == 0 {
		return
	}
	z := s.zeros[row]
	for i, t := range totals[:len(dst)] {
		dst[i] -= z * (t + s.total)
	}
}
