package ptxsim

import "strconv"

// ptype is a fundamental type of PTX: its kind and its width in bits.
type ptype struct {
	kind byte // 'b' untyped, 'u', 's', 'f', 'x' (f16x2), 'p' (predicate); 0 is none
	bits uint8
}

var noType ptype

func (t ptype) String() string {
	switch t.kind {
	case 'p':
		return ".pred"
	case 'x':
		return ".f16x2"
	case 0:
		return "none"
	}
	return "." + string(t.kind) + strconv.Itoa(int(t.bits))
}

// bytes is the size of a value in memory.
func (t ptype) bytes() int { return int(t.bits) / 8 }

// parseType is the type that a modifier without its dot names.
func parseType(s string) (ptype, bool) {
	switch s {
	case "pred":
		return ptype{'p', 1}, true
	case "f16x2":
		return ptype{'x', 32}, true
	case "b8", "b16", "b32", "b64", "u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "f16", "f32", "f64":
		n, _ := strconv.Atoi(s[1:])
		return ptype{s[0], uint8(n)}, true
	}
	return noType, false
}

// class is where a register lives.
type class uint8

const (
	class32 class = iota // up to 32 bits; 16 bits are kept zero-extended
	class64
	classP
)

func (t ptype) class() class {
	switch {
	case t.kind == 'p':
		return classP
	case t.bits == 64:
		return class64
	}
	return class32
}

// accepts says whether a register of type r may stand where an instruction
// wants t: the rule of operand type checking (PTX ISA, 9.2: equal size, and
// equal kind but for untyped bits and for signed against unsigned).
func (t ptype) accepts(r ptype) bool {
	if t.kind == 'p' || r.kind == 'p' {
		return t.kind == r.kind
	}
	return t.bits == r.bits && sameKind(t.kind, r.kind)
}

// acceptsWider is accepts for the operands of ld, st and cvt, which may be
// wider than the instruction's type.
func (t ptype) acceptsWider(r ptype) bool {
	if t.kind == 'p' || r.kind == 'p' {
		return false
	}
	if t.bits == r.bits {
		return sameKind(t.kind, r.kind)
	}
	if t.kind == 'f' || t.kind == 'x' {
		return t.bits < r.bits && r.kind == 'b'
	}
	return t.bits < r.bits && r.kind != 'f' && r.kind != 'x'
}

func sameKind(a, b byte) bool {
	if a == b || a == 'b' || b == 'b' {
		return true
	}
	return integer(a) && integer(b)
}

func integer(k byte) bool { return k == 'u' || k == 's' }

// v32 and v64 are a register of all lanes of a warp.
type (
	v32 [warpSize]uint32
	v64 [warpSize]uint64
)

const (
	warpSize = 32
	fullMask = 1<<warpSize - 1
)
