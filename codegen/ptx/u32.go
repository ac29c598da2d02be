package ptx

import "math/bits"

// bin is f of two immediates, or the instruction.
func (a U32) bin(name string, b U32, f func(x, y uint32) uint32) U32 {
	if a.isImm() && b.isImm() {
		return U(f(a.u(), b.u()))
	}
	return U32{kernelOf(a.val, b.val).op(b32, name, a.val, b.val)}
}

// Add is a + b, modulo 2^32 like all that follows.
func (a U32) Add(b U32) U32 {
	if a.isImm() {
		a, b = b, a
	}
	if b.is(0) {
		return a
	}
	return a.bin("add.u32", b, func(x, y uint32) uint32 { return x + y })
}

// Sub is a - b.
func (a U32) Sub(b U32) U32 {
	if b.isImm() {
		return a.Add(U(-b.u()))
	}
	return a.bin("sub.u32", b, func(x, y uint32) uint32 { return x - y })
}

// Neg is -a.
func (a U32) Neg() U32 {
	if a.isImm() {
		return I(0).Sub(a)
	}
	return U32{kernelOf(a.val).op(b32, "neg.s32", a.val)}
}

// Mul is a * b.
func (a U32) Mul(b U32) U32 {
	if a.isImm() {
		a, b = b, a
	}
	if b.isImm() {
		switch v := b.u(); {
		case v == 0:
			return b
		case v&(v-1) == 0:
			return a.Shl(I(bits.TrailingZeros32(v)))
		}
	}
	return a.bin("mul.lo.u32", b, func(x, y uint32) uint32 { return x * y })
}

// MulAdd is a * b + c.
func (a U32) MulAdd(b, c U32) U32 {
	if a.isImm() {
		a, b = b, a
	}
	if a.isImm() || b.is(0) || b.is(1) || c.is(0) {
		return a.Mul(b).Add(c)
	}
	return U32{kernelOf(a.val, b.val, c.val).op(b32, "mad.lo.u32", a.val, b.val, c.val)}
}

// Div is a / b of unsigned numbers, rounded down. Of b = 0 it is unspecified.
func (a U32) Div(b U32) U32 {
	if b.isImm() {
		switch v := b.u(); {
		case v == 0:
			return U32{val{k: a.k, reg: poison}}
		case v&(v-1) == 0:
			return a.Shr(I(bits.TrailingZeros32(v)))
		}
	}
	if a.is(0) {
		return a
	}
	if b.isImm() && !a.isImm() {
		return a.quotient(b.u())
	}
	return a.bin("div.u32", b, func(x, y uint32) uint32 { return x / y })
}

// Rem is a - b * (a / b) of unsigned numbers.
func (a U32) Rem(b U32) U32 {
	if b.isImm() {
		switch v := b.u(); {
		case v == 0:
			return U32{val{k: a.k, reg: poison}}
		case v == 1:
			return I(0)
		case v&(v-1) == 0:
			return a.And(U(v - 1))
		}
	}
	if a.is(0) {
		return a
	}
	if b.isImm() && !a.isImm() {
		return a.Div(b).MulAdd(b.Neg(), a)
	}
	return a.bin("rem.u32", b, func(x, y uint32) uint32 { return x % y })
}

// DivRem is a / b and the remainder, with one division.
func (a U32) DivRem(b U32) (q, r U32) {
	if v, ok := b.Known(); ok && v&(v-1) == 0 || a.isImm() && ok {
		return a.Div(b), a.Rem(b)
	}
	q = a.Div(b)
	if b.isImm() {
		return q, q.MulAdd(b.Neg(), a)
	}
	return q, a.Sub(q.Mul(b))
}

// CeilDiv is a / b of unsigned numbers, rounded up; a + b stays below 2^32.
func (a U32) CeilDiv(b U32) U32 { return a.Add(b.Sub(I(1))).Div(b) }

// Min and Max are of unsigned numbers, MinS and MaxS of signed ones.
func (a U32) Min(b U32) U32 {
	return a.bin("min.u32", b, func(x, y uint32) uint32 { return min(x, y) })
}

func (a U32) Max(b U32) U32 {
	return a.bin("max.u32", b, func(x, y uint32) uint32 { return max(x, y) })
}

func (a U32) MinS(b U32) U32 {
	return a.bin("min.s32", b, func(x, y uint32) uint32 { return uint32(min(int32(x), int32(y))) })
}

func (a U32) MaxS(b U32) U32 {
	return a.bin("max.s32", b, func(x, y uint32) uint32 { return uint32(max(int32(x), int32(y))) })
}

// And, Or, Xor and Not work on the bits.
func (a U32) And(b U32) U32 {
	if a.isImm() {
		a, b = b, a
	}
	switch {
	case b.is(0):
		return b
	case b.is(1<<32 - 1):
		return a
	}
	return a.bin("and.b32", b, func(x, y uint32) uint32 { return x & y })
}

func (a U32) Or(b U32) U32 {
	if a.isImm() {
		a, b = b, a
	}
	if b.is(0) {
		return a
	}
	return a.bin("or.b32", b, func(x, y uint32) uint32 { return x | y })
}

func (a U32) Xor(b U32) U32 {
	if a.isImm() {
		a, b = b, a
	}
	if b.is(0) {
		return a
	}
	return a.bin("xor.b32", b, func(x, y uint32) uint32 { return x ^ y })
}

func (a U32) Not() U32 {
	if a.isImm() {
		return U(^a.u())
	}
	return U32{kernelOf(a.val).op(b32, "not.b32", a.val)}
}

// Shl and Shr shift by n bits, Shr filling with zeros and ShrS with the sign;
// n of 32 and more shifts everything out.
func (a U32) Shl(n U32) U32 {
	if n.is(0) || a.is(0) {
		return a
	}
	return a.bin("shl.b32", n, func(x, y uint32) uint32 { return x << y })
}

func (a U32) Shr(n U32) U32 {
	if n.is(0) || a.is(0) {
		return a
	}
	return a.bin("shr.u32", n, func(x, y uint32) uint32 { return x >> y })
}

func (a U32) ShrS(n U32) U32 {
	if n.is(0) || a.is(0) {
		return a
	}
	return a.bin("shr.s32", n, func(x, y uint32) uint32 { return uint32(int32(x) >> y) })
}

// ToF32 is the nearest float of the unsigned number, ToF32S of the signed one.
func (a U32) ToF32() F32 {
	if a.isImm() {
		return F(float32(a.u()))
	}
	return F32{kernelOf(a.val).op2(f32, b32, "cvt.rn.f32.u32", a.val)}
}

func (a U32) ToF32S() F32 {
	if a.isImm() {
		return F(float32(a.s()))
	}
	return F32{kernelOf(a.val).op2(f32, b32, "cvt.rn.f32.s32", a.val)}
}

// AsF32 is the float of the same bits.
func (a U32) AsF32() F32 {
	if a.isImm() {
		return F32{val{imm: a.imm}}
	}
	return F32{kernelOf(a.val).op2(f32, b32, "mov.b32", a.val)}
}
