package main

import "fmt"

// Enc is one arm64 instruction as a word, with its mnemonic in Arm's syntax.
// The functions below take register numbers, destination first, as Arm writes
// them; all vector forms are of four 32-bit lanes unless their name says else.
type Enc struct {
	Word uint32
	Text string
}

// three encodes an operation of three vectors.
func three(op uint32, name string, d, n, m int) Enc {
	return Enc{op | r(m)<<16 | r(n)<<5 | r(d), fmt.Sprintf("%s v%d.4s, v%d.4s, v%d.4s", name, d, n, m)}
}

// two encodes an operation of two vectors.
func two(op uint32, name, rest string, d, n int) Enc {
	return Enc{op | r(n)<<5 | r(d), fmt.Sprintf("%s v%d.4s, v%d.4s%s", name, d, n, rest)}
}

func r(n int) uint32 {
	if n < 0 || n > 31 {
		panic(fmt.Sprintf("asmgen: no register %d", n))
	}
	return uint32(n)
}

// element encodes an operation with lane i of m as the second factor.
func element(op uint32, name string, d, n, m, i int) Enc {
	if i < 0 || i > 3 {
		panic("asmgen: lane out of range")
	}
	w := op | uint32(i&1)<<21 | uint32(i>>1)<<11 | r(m)<<16 | r(n)<<5 | r(d)
	return Enc{w, fmt.Sprintf("%s v%d.4s, v%d.4s, v%d.s[%d]", name, d, n, m, i)}
}

// Floating-point arithmetic. FMLA is d += n*m with one rounding.
func FMLA(d, n, m int) Enc        { return three(0x4e20cc00, "fmla", d, n, m) }
func FMLS(d, n, m int) Enc        { return three(0x4ea0cc00, "fmls", d, n, m) }
func FADD(d, n, m int) Enc        { return three(0x4e20d400, "fadd", d, n, m) }
func FSUB(d, n, m int) Enc        { return three(0x4ea0d400, "fsub", d, n, m) }
func FMUL(d, n, m int) Enc        { return three(0x6e20dc00, "fmul", d, n, m) }
func FDIV(d, n, m int) Enc        { return three(0x6e20fc00, "fdiv", d, n, m) }
func FADDP(d, n, m int) Enc       { return three(0x6e20d400, "faddp", d, n, m) }
func FMLAElem(d, n, m, i int) Enc { return element(0x4f801000, "fmla", d, n, m, i) }
func FMLSElem(d, n, m, i int) Enc { return element(0x4f805000, "fmls", d, n, m, i) }
func FMULElem(d, n, m, i int) Enc { return element(0x4f809000, "fmul", d, n, m, i) }
func FABS(d, n int) Enc           { return two(0x4ea0f800, "fabs", "", d, n) }
func FNEG(d, n int) Enc           { return two(0x6ea0f800, "fneg", "", d, n) }
func FSQRT(d, n int) Enc          { return two(0x6ea1f800, "fsqrt", "", d, n) }

// Minimum and maximum. FMAX and FMIN give NaN where an operand is NaN; the NM
// forms give the other operand.
func FMAX(d, n, m int) Enc   { return three(0x4e20f400, "fmax", d, n, m) }
func FMIN(d, n, m int) Enc   { return three(0x4ea0f400, "fmin", d, n, m) }
func FMAXNM(d, n, m int) Enc { return three(0x4e20c400, "fmaxnm", d, n, m) }
func FMINNM(d, n, m int) Enc { return three(0x4ea0c400, "fminnm", d, n, m) }

// Rounding to an integral float32: to nearest even, down, up, to zero.
func FRINTN(d, n int) Enc { return two(0x4e218800, "frintn", "", d, n) }
func FRINTM(d, n int) Enc { return two(0x4e219800, "frintm", "", d, n) }
func FRINTP(d, n int) Enc { return two(0x4ea18800, "frintp", "", d, n) }
func FRINTZ(d, n int) Enc { return two(0x4ea19800, "frintz", "", d, n) }

// Conversions between float32 and integers; N rounds to nearest even, Z to
// zero; both saturate and turn NaN into 0.
func FCVTNS(d, n int) Enc { return two(0x4e21a800, "fcvtns", "", d, n) }
func FCVTZS(d, n int) Enc { return two(0x4ea1b800, "fcvtzs", "", d, n) }
func FCVTNU(d, n int) Enc { return two(0x6e21a800, "fcvtnu", "", d, n) }
func FCVTZU(d, n int) Enc { return two(0x6ea1b800, "fcvtzu", "", d, n) }
func SCVTF(d, n int) Enc  { return two(0x4e21d800, "scvtf", "", d, n) }
func UCVTF(d, n int) Enc  { return two(0x6e21d800, "ucvtf", "", d, n) }

// Comparisons give all ones or zero by lane.
func FCMGT(d, n, m int) Enc { return three(0x6ea0e400, "fcmgt", d, n, m) }
func FCMGE(d, n, m int) Enc { return three(0x6e20e400, "fcmge", d, n, m) }
func FCMEQ(d, n, m int) Enc { return three(0x4e20e400, "fcmeq", d, n, m) }
func FCMGTZero(d, n int) Enc {
	return two(0x4ea0c800, "fcmgt", ", #0.0", d, n)
}
func FCMLTZero(d, n int) Enc {
	return two(0x4ea0e800, "fcmlt", ", #0.0", d, n)
}
func CMGT(d, n, m int) Enc { return three(0x4ea03400, "cmgt", d, n, m) }

// Integer minimum, maximum and multiply of signed lanes.
func SMAX(d, n, m int) Enc { return three(0x4ea06400, "smax", d, n, m) }
func SMIN(d, n, m int) Enc { return three(0x4ea06c00, "smin", d, n, m) }
func MUL(d, n, m int) Enc  { return three(0x4ea09c00, "mul", d, n, m) }
func MLA(d, n, m int) Enc  { return three(0x4ea09400, "mla", d, n, m) }
func SSHR(d, n, s int) Enc {
	return two(0x4f000400|uint32(64-s)<<16, "sshr", fmt.Sprintf(", #%d", s), d, n)
}

// dots encodes dot products of four bytes into a 32-bit lane.
func dots(op uint32, name string, d, n, m int) Enc {
	return Enc{op | r(m)<<16 | r(n)<<5 | r(d), fmt.Sprintf("%s v%d.4s, v%d.16b, v%d.16b", name, d, n, m)}
}

// Dot products (feature dotprod; USDOT and the matrix forms need i8mm). The
// elem form takes the four bytes of lane i of m for all lanes of d.
func SDOT(d, n, m int) Enc   { return dots(0x4e809400, "sdot", d, n, m) }
func UDOT(d, n, m int) Enc   { return dots(0x6e809400, "udot", d, n, m) }
func USDOT(d, n, m int) Enc  { return dots(0x4e809c00, "usdot", d, n, m) }
func SMMLA(d, n, m int) Enc  { return dots(0x4e80a400, "smmla", d, n, m) }
func UMMLA(d, n, m int) Enc  { return dots(0x6e80a400, "ummla", d, n, m) }
func USMMLA(d, n, m int) Enc { return dots(0x4e80ac00, "usmmla", d, n, m) }
func SDOTElem(d, n, m, i int) Enc {
	return dotElem(0x4f80e000, "sdot", d, n, m, i)
}
func UDOTElem(d, n, m, i int) Enc {
	return dotElem(0x6f80e000, "udot", d, n, m, i)
}

func dotElem(op uint32, name string, d, n, m, i int) Enc {
	e := element(op, name, d, n, m, i)
	e.Text = fmt.Sprintf("%s v%d.4s, v%d.16b, v%d.4b[%d]", name, d, n, m, i)
	return e
}
