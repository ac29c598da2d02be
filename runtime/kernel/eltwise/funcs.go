package eltwise

import "unsafe"

type (
	unaryFunc  = func(dst, x *float32, n int, a, b float32)
	binaryFunc = func(dst, x, y *float32, n int)
)

// Funcs are the vector functions of one instruction set. Those of Generic run
// everywhere, the others where the feature is present.
type Funcs struct {
	Name    string // "generic", "avx2", "avx512", "neon"
	unary   [numUnary]unaryFunc
	binary  [numBinary]binaryFunc
	fromF16 func(dst []float32, x []uint16)
	toF16   func(dst []uint16, x []float32)
}

// Do1 sets dst[i] = op(x[i]; a, b) for a function of one operand; a and b are
// ignored by those that have no parameters. dst may be x, but does not overlap
// it otherwise. x is at least as long as dst.
func (f *Funcs) Do1(op Op, dst, x []float32, a, b float32) {
	if len(dst) == 0 {
		return
	}
	_ = x[len(dst)-1]
	f.unary[op](unsafe.SliceData(dst), unsafe.SliceData(x), len(dst), a, b)
}

// Do2 sets dst[i] = op(x[i], y[i]) for a function of two operands. dst may be
// x or y, but does not overlap them otherwise. Both are at least as long.
func (f *Funcs) Do2(op Op, dst, x, y []float32) {
	if len(dst) == 0 {
		return
	}
	_, _ = x[len(dst)-1], y[len(dst)-1]
	f.binary[op-numUnary](unsafe.SliceData(dst), unsafe.SliceData(x), unsafe.SliceData(y), len(dst))
}

// FromF16 widens float16 to float32 exactly. x is at least as long as dst.
func (f *Funcs) FromF16(dst []float32, x []uint16) { f.fromF16(dst, x[:len(dst)]) }

// ToF16 rounds to the nearest float16, ties to even, beyond the range to
// infinity. The payload of NaN is unspecified. x is at least as long as dst.
func (f *Funcs) ToF16(dst []uint16, x []float32) { f.toF16(dst, x[:len(dst)]) }

// The functions by name; see the Op of the same name.
func (f *Funcs) Add(dst, x, y []float32) { f.Do2(Add, dst, x, y) }
func (f *Funcs) Sub(dst, x, y []float32) { f.Do2(Sub, dst, x, y) }
func (f *Funcs) Mul(dst, x, y []float32) { f.Do2(Mul, dst, x, y) }
func (f *Funcs) Div(dst, x, y []float32) { f.Do2(Div, dst, x, y) }
func (f *Funcs) Min(dst, x, y []float32) { f.Do2(Min, dst, x, y) }
func (f *Funcs) Max(dst, x, y []float32) { f.Do2(Max, dst, x, y) }

func (f *Funcs) AddS(dst, x []float32, a float32)      { f.Do1(AddS, dst, x, a, 0) }
func (f *Funcs) MulS(dst, x []float32, a float32)      { f.Do1(MulS, dst, x, a, 0) }
func (f *Funcs) DivS(dst, x []float32, a float32)      { f.Do1(DivS, dst, x, a, 0) }
func (f *Funcs) ExpSub(dst, x []float32, a float32)    { f.Do1(ExpSub, dst, x, a, 0) }
func (f *Funcs) Clip(dst, x []float32, lo, hi float32) { f.Do1(Clip, dst, x, lo, hi) }
func (f *Funcs) LeakyRelu(dst, x []float32, a float32) { f.Do1(LeakyRelu, dst, x, a, 0) }

func (f *Funcs) Neg(dst, x []float32)      { f.Do1(Neg, dst, x, 0, 0) }
func (f *Funcs) Abs(dst, x []float32)      { f.Do1(Abs, dst, x, 0, 0) }
func (f *Funcs) Sqrt(dst, x []float32)     { f.Do1(Sqrt, dst, x, 0, 0) }
func (f *Funcs) Relu(dst, x []float32)     { f.Do1(Relu, dst, x, 0, 0) }
func (f *Funcs) Exp(dst, x []float32)      { f.Do1(Exp, dst, x, 0, 0) }
func (f *Funcs) Log(dst, x []float32)      { f.Do1(Log, dst, x, 0, 0) }
func (f *Funcs) Tanh(dst, x []float32)     { f.Do1(Tanh, dst, x, 0, 0) }
func (f *Funcs) Sigmoid(dst, x []float32)  { f.Do1(Sigmoid, dst, x, 0, 0) }
func (f *Funcs) Erf(dst, x []float32)      { f.Do1(Erf, dst, x, 0, 0) }
func (f *Funcs) Gelu(dst, x []float32)     { f.Do1(Gelu, dst, x, 0, 0) }
func (f *Funcs) GeluTanh(dst, x []float32) { f.Do1(GeluTanh, dst, x, 0, 0) }
