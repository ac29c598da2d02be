package ptxsim

import "math/bits"

// Integer instructions on whole registers. The lanes that do not run are computed
// too and thrown away; nothing here can fail.

func addI32(d, a, b, c *v32) {
	for i := range d {
		d[i] = a[i] + b[i]
	}
}

func addI64(d, a, b, c *v64) {
	for i := range d {
		d[i] = a[i] + b[i]
	}
}

func subI32(d, a, b, c *v32) {
	for i := range d {
		d[i] = a[i] - b[i]
	}
}

func subI64(d, a, b, c *v64) {
	for i := range d {
		d[i] = a[i] - b[i]
	}
}

func mulLo32(d, a, b, c *v32) {
	for i := range d {
		d[i] = a[i] * b[i]
	}
}

func mulLo64(d, a, b, c *v64) {
	for i := range d {
		d[i] = a[i] * b[i]
	}
}

func madLo32(d, a, b, c *v32) {
	for i := range d {
		d[i] = a[i]*b[i] + c[i]
	}
}

func madLo64(d, a, b, c *v64) {
	for i := range d {
		d[i] = a[i]*b[i] + c[i]
	}
}

func minU32(d, a, b, c *v32) {
	for i := range d {
		d[i] = min(a[i], b[i])
	}
}

func minU64(d, a, b, c *v64) {
	for i := range d {
		d[i] = min(a[i], b[i])
	}
}

func maxU32(d, a, b, c *v32) {
	for i := range d {
		d[i] = max(a[i], b[i])
	}
}

func maxU64(d, a, b, c *v64) {
	for i := range d {
		d[i] = max(a[i], b[i])
	}
}

func minS32(d, a, b, c *v32) {
	for i := range d {
		d[i] = uint32(min(int32(a[i]), int32(b[i])))
	}
}

func minS64(d, a, b, c *v64) {
	for i := range d {
		d[i] = uint64(min(int64(a[i]), int64(b[i])))
	}
}

func maxS32(d, a, b, c *v32) {
	for i := range d {
		d[i] = uint32(max(int32(a[i]), int32(b[i])))
	}
}

func maxS64(d, a, b, c *v64) {
	for i := range d {
		d[i] = uint64(max(int64(a[i]), int64(b[i])))
	}
}

func absS32(d, a, b, c *v32) {
	for i := range d {
		d[i] = uint32(max(int32(a[i]), -int32(a[i])))
	}
}

func absS64(d, a, b, c *v64) {
	for i := range d {
		d[i] = uint64(max(int64(a[i]), -int64(a[i])))
	}
}

func negS32(d, a, b, c *v32) {
	for i := range d {
		d[i] = -a[i]
	}
}

func negS64(d, a, b, c *v64) {
	for i := range d {
		d[i] = -a[i]
	}
}

func andB32(d, a, b, c *v32) {
	for i := range d {
		d[i] = a[i] & b[i]
	}
}

func andB64(d, a, b, c *v64) {
	for i := range d {
		d[i] = a[i] & b[i]
	}
}

func orB32(d, a, b, c *v32) {
	for i := range d {
		d[i] = a[i] | b[i]
	}
}

func orB64(d, a, b, c *v64) {
	for i := range d {
		d[i] = a[i] | b[i]
	}
}

func xorB32(d, a, b, c *v32) {
	for i := range d {
		d[i] = a[i] ^ b[i]
	}
}

func xorB64(d, a, b, c *v64) {
	for i := range d {
		d[i] = a[i] ^ b[i]
	}
}

func notB32(d, a, b, c *v32) {
	for i := range d {
		d[i] = ^a[i]
	}
}

func notB64(d, a, b, c *v64) {
	for i := range d {
		d[i] = ^a[i]
	}
}

func notB16(d, a, b, c *v32) {
	for i := range d {
		d[i] = ^a[i] & 0xffff
	}
}

func mulHiU32(d, a, b, c *v32) {
	for i := range d {
		d[i] = uint32(uint64(a[i]) * uint64(b[i]) >> 32)
	}
}

func mulHiS32(d, a, b, c *v32) {
	for i := range d {
		d[i] = uint32(int64(int32(a[i])) * int64(int32(b[i])) >> 32)
	}
}

func madHiU32(d, a, b, c *v32) {
	for i := range d {
		d[i] = uint32(uint64(a[i])*uint64(b[i])>>32) + c[i]
	}
}

func madHiS32(d, a, b, c *v32) {
	for i := range d {
		d[i] = uint32(int64(int32(a[i]))*int64(int32(b[i]))>>32) + c[i]
	}
}

func mulHiU64(d, a, b, c *v64) {
	for i := range d {
		d[i], _ = bits.Mul64(a[i], b[i])
	}
}

// mulHiS64 corrects the unsigned product by the operands of negative value.
func mulHiS64(d, a, b, c *v64) {
	for i := range d {
		x, y := a[i], b[i]
		hi, _ := bits.Mul64(x, y)
		d[i] = hi - uint64(int64(x)>>63)&y - uint64(int64(y)>>63)&x
	}
}

// Shifts take their amount as it is: from the width on, nothing is left but the
// sign (PTX ISA, shl and shr). Go's shifts do the same.

func shl32(d, a, b, c *v32) {
	for i := range d {
		d[i] = a[i] << b[i]
	}
}

func shrU32(d, a, b, c *v32) {
	for i := range d {
		d[i] = a[i] >> b[i]
	}
}

func shrS32(d, a, b, c *v32) {
	for i := range d {
		d[i] = uint32(int32(a[i]) >> b[i])
	}
}
