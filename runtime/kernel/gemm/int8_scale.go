package gemm

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
)

// A Scaling is how a quantized call turns sums into bytes. Row i of the
// product has factor Consts[1][i], bias Consts[2][i] and sum of weights
// Consts[3][i].
type Scaling struct {
	Zero uint8  // the byte that stands for 0 in the input
	Sign uint32 // turns input bytes into unsigned ones

	f    *quant.Funcs
	rule quant.Rule
	corr []int32
	m    []float32
}

// NewScaling reads the constants from index 1 on and the attributes of a call
// whose product has m rows.
func NewScaling(c *kernel.Call, micro *Micro8, m int) (*Scaling, error) {
	x, y := c.In[0].Tensor.DType(), c.Out[0].Tensor.DType()
	if len(c.Consts) != 4 || m < 0 || x != dtype.U8 && x != dtype.I8 || y != dtype.U8 && y != dtype.I8 {
		return nil, diag.New(diag.Internal, "quantized product of %v to %v with %d constants", x, y, len(c.Consts))
	}
	for i, d := range []dtype.DType{dtype.F32, dtype.I32, dtype.I32} {
		if t := &c.Consts[1+i]; t.DType() != d || t.Len() != m {
			return nil, &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("constant %d", 1+i), Have: t.Type().String(), Want: fmt.Sprintf("%v[%d]", d, m)}
		}
	}
	if err := quant.CheckRule(y, c.Attrs); err != nil {
		return nil, err
	}
	if err := quant.CheckRange(x, c.Attrs, quant.AttrXZero); err != nil {
		return nil, err
	}
	zero := c.Attrs.Int(quant.AttrXZero)
	s := &Scaling{Zero: uint8(zero), Sign: quant.Sign(x), f: micro.Quant, rule: quant.RuleOf(y, c.Attrs), m: tensor.Slice[float32](&c.Consts[1]), corr: make([]int32, m)}
	if x == dtype.I8 {
		zero += 128
	}
	bias, sums := tensor.Slice[int32](&c.Consts[2]), tensor.Slice[int32](&c.Consts[3])
	for i := range s.corr {
		s.corr[i] = micro.Correction(bias[i], int32(zero), sums[i])
	}
	return s, nil
}

// CheckI8 says whether call c has one input, one output and four constants, of
// which the first holds m rows of weights in FormatI8, each of as many terms as
// the product of extents k.
func CheckI8(c *kernel.Call, m int, k ...int) error {
	if len(c.In) != 1 || len(c.Out) != 1 || len(c.Consts) != 4 {
		return diag.New(diag.Internal, "quantized product with %d inputs, %d constants and %d outputs", len(c.In), len(c.Consts), len(c.Out))
	}
	return checkWeights(c, m, k)
}

func checkWeights(c *kernel.Call, m int, k []int) error {
	if d := c.Consts[0].DType(); d != dtype.I8 {
		return diag.New(diag.Internal, "quantized product with weights of %v", d)
	}
	terms, ok := tensor.Count(k)
	if !ok || terms < 1 || terms > MaxI8 {
		return &diag.Error{Kind: diag.Shape, Port: "W", Have: fmt.Sprintf("rows of %v terms", k), Want: fmt.Sprintf("at least 1 and at most %d terms", MaxI8)}
	}
	want, ok := tensor.Count([]int{m, 4 * Groups(terms)})
	if have := c.Consts[0].Len(); !ok || have != want {
		return &diag.Error{Kind: diag.Shape, Port: "W", Have: fmt.Sprintf("%d packed elements", have), Want: fmt.Sprintf("%d rows of %d terms", m, terms)}
	}
	return nil
}

// Row turns n sums of a row, n a multiple of 16, into bytes.
func (s *Scaling) Row(row, n int, acc *int32, dst *uint8) {
	s.f.Requant(n, acc, s.corr[row], s.m[row], &s.rule, dst)
}

// Sides are the offsets of n rows of 16 bytes that lie one after the other.
func Sides(n int) []int32 {
	s := make([]int32, n)
	for i := range s {
		s[i] = int32(16 * i)
	}
	return s
}
