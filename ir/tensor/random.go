package tensor

import (
	"fmt"
	"math/rand/v2"

	"github.com/mlc-go/mlc/ir/dtype"
)

// randomStream is the second word of Random's generator: "mlc".
const randomStream = 0x6d6c63

// Random makes the tensor that .mir calls random(seed=N) and the command line
// random:N. Elements are drawn in row-major order, one 64-bit word u each, from
// PCG-DXSM (math/rand/v2) with the words seed and 0x6d6c63:
//
//	f32, f16, bf16   ((u>>40) - 2^23) / 2^23: multiples of 2^-23 in [-1, 1), rounded to the type
//	f64              ((u>>11) - 2^52) / 2^52
//	c64, c128        two such words: the real part, then the imaginary one
//	signed integers  (u>>60) - 8, of i2 (u>>62) - 2
//	unsigned         u>>60, of u2 u>>62
//	bool             u>>63
//
// The result is the same on every platform. Error: strings and the floats of
// 8 bits and less have no such form; extents that no tensor can have.
func Random(d dtype.DType, seed uint64, dims ...int) (Tensor, error) {
	if !HasRandom(d) {
		return Tensor{}, fmt.Errorf("no random elements of type %v", d)
	}
	if _, ok := Count(dims); !ok {
		return Tensor{}, fmt.Errorf("tensor of shape %v", dims)
	}
	t := New(d, dims...)
	g := rand.NewPCG(seed, randomStream)
	n := t.Len()
	switch d {
	case dtype.F32:
		for i, s := 0, Slice[float32](&t); i < n; i++ {
			s[i] = float32(unit32(g))
		}
	case dtype.F16, dtype.BF16:
		for i := range n {
			t.SetFloat(i, unit32(g))
		}
	case dtype.F64:
		for i := range n {
			t.SetFloat(i, unit64(g))
		}
	case dtype.C64:
		for i, s := 0, Slice[float32](&t); i < len(s); i++ {
			s[i] = float32(unit32(g))
		}
	case dtype.C128:
		for i, s := 0, Slice[float64](&t); i < len(s); i++ {
			s[i] = unit64(g)
		}
	default:
		for i := range n {
			t.SetInt(i, smallInt(d, g.Uint64()))
		}
	}
	return t, nil
}

// HasRandom says whether Random knows the element type.
func HasRandom(d dtype.DType) bool {
	return d.Valid() && d != dtype.String && !(d.IsFloat() && d.Bits() <= 8)
}

func unit32(g *rand.PCG) float64 { return float64(int64(g.Uint64()>>40)-1<<23) / (1 << 23) }

func unit64(g *rand.PCG) float64 { return float64(int64(g.Uint64()>>11)-1<<52) / (1 << 52) }

func smallInt(d dtype.DType, u uint64) int64 {
	switch {
	case d == dtype.Bool:
		return int64(u >> 63)
	case d == dtype.I2:
		return int64(u>>62) - 2
	case d == dtype.U2:
		return int64(u >> 62)
	case d.IsSigned():
		return int64(u>>60) - 8
	}
	return int64(u >> 60)
}
