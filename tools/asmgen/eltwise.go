package main

import (
	"fmt"

	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

const eltwiseDir = "runtime/kernel/eltwise"

// An eltFunc is one elementwise function: the expression that it applies to
// each element, for the doc, and the vector program.
type eltFunc struct {
	name, expr string
	unroll     int // vectors side by side in the main loop, where registers suffice
	body       func(p *vecProg)
}

// eltFuncs lists the functions in the order of their files.
var eltFuncs = []eltFunc{
	{"neg", "-x[i]", 4, func(p *vecProg) { p.Xor(p.Arg(0), p.Bits(1<<31)) }},
	{"abs", "abs(x[i])", 4, func(p *vecProg) { p.And(p.Arg(0), p.Bits(1<<31-1)) }},
	{"sqrt", "sqrt(x[i])", 4, func(p *vecProg) { p.Sqrt(p.Arg(0)) }},
	{"floor", "floor(x[i])", 4, func(p *vecProg) { p.Floor(p.Arg(0)) }},
	{"ceil", "ceil(x[i])", 4, func(p *vecProg) { p.Ceil(p.Arg(0)) }},
	{"round", "roundToEven(x[i])", 4, func(p *vecProg) { p.Round(p.Arg(0)) }},
	{"relu", "x[i] if !(x[i] < 0), else 0", 4, func(p *vecProg) { p.Max(p.F(0), p.Arg(0)) }},
	{"exp", "vecmath.Exp32(x[i])", 4, func(p *vecProg) { eltExp(p, p.Arg(0)) }},
	{"expsub", "vecmath.Exp32(x[i] - a)", 4, func(p *vecProg) { eltExp(p, p.Sub(p.Arg(0), p.Param(0))) }},
	{"log", "vecmath.Log32(x[i])", 4, eltLog},
	{"tanh", "vecmath.Tanh32(x[i])", 4, func(p *vecProg) { eltTanh(p, p.Arg(0)) }},
	{"sigmoid", "vecmath.Sigmoid32(x[i])", 4, eltSigmoid},
	{"erf", "vecmath.Erf32(x[i])", 4, func(p *vecProg) { eltErf(p, p.Arg(0)) }},
	{"gelu", "vecmath.Gelu32(x[i])", 4, eltGelu},
	{"gelutanh", "vecmath.GeluTanh32(x[i])", 4, eltGeluTanh},
	{"clip", "min(max(x[i], a), b), NaN stays", 4, func(p *vecProg) { p.Min(p.Param(1), p.Max(p.Param(0), p.Arg(0))) }},
	{"leakyrelu", "a * x[i] if x[i] < 0, else x[i]", 4, func(p *vecProg) { eltLeaky(p, p.Arg(0), p.Param(0)) }},
	{"adds", "x[i] + a", 4, func(p *vecProg) { p.Add(p.Arg(0), p.Param(0)) }},
	{"rsubs", "a - x[i]", 4, func(p *vecProg) { p.Sub(p.Param(0), p.Arg(0)) }},
	{"muls", "x[i] * a", 4, func(p *vecProg) { p.Mul(p.Arg(0), p.Param(0)) }},
	{"divs", "x[i] / a", 4, func(p *vecProg) { p.Div(p.Arg(0), p.Param(0)) }},
	{"rdivs", "a / x[i]", 4, func(p *vecProg) { p.Div(p.Param(0), p.Arg(0)) }},
	{"mins", "min32(x[i], a)", 4, func(p *vecProg) { eltMin(p, p.Arg(0), p.Param(0)) }},
	{"maxs", "max32(x[i], a)", 4, func(p *vecProg) { eltMax(p, p.Arg(0), p.Param(0)) }},
	{"add", "x[i] + y[i]", 4, func(p *vecProg) { p.Add(p.Arg(0), p.Arg(1)) }},
	{"sub", "x[i] - y[i]", 4, func(p *vecProg) { p.Sub(p.Arg(0), p.Arg(1)) }},
	{"mul", "x[i] * y[i]", 4, func(p *vecProg) { p.Mul(p.Arg(0), p.Arg(1)) }},
	{"div", "x[i] / y[i]", 4, func(p *vecProg) { p.Div(p.Arg(0), p.Arg(1)) }},
	{"min", "min32(x[i], y[i])", 4, func(p *vecProg) { eltMin(p, p.Arg(0), p.Arg(1)) }},
	{"max", "max32(x[i], y[i])", 4, func(p *vecProg) { eltMax(p, p.Arg(0), p.Arg(1)) }},
	{"maxnum", "x[i] if x[i] > y[i], else y[i]", 4, func(p *vecProg) { p.Max(p.Arg(0), p.Arg(1)) }},
	{"prelu", "y[i] * x[i] if x[i] < 0, else x[i]", 4, func(p *vecProg) { eltLeaky(p, p.Arg(0), p.Arg(1)) }},
}

// eltwiseFiles generates the elementwise functions for every instruction set.
func eltwiseFiles() []*Asm {
	y := New("amd64", eltwiseDir, "eltwise", "f32_avx2")
	z := New("amd64", eltwiseDir, "eltwise", "f32_avx512")
	n := New("arm64", eltwiseDir, "eltwise", "f32_neon")
	cy, cz := newConstX86(y, ymm), newConstX86(z, zmm)
	cn := newConstNEON(n)
	for _, f := range eltFuncs {
		p := &vecProg{}
		f.body(p)
		p.finish()
		eltX86(y, ymm, cy, f, p)
		eltX86(z, zmm, cz, f, p)
		eltNEON(n, cn, f, p)
	}
	cy.emit()
	cz.emit()
	cn.emit()
	tailTable(y)
	halfX86(y, ymm)
	halfX86(z, zmm)
	halfNEON(n)
	return []*Asm{y, z, n}
}

// eltParams is the signature by the number of slices read: all functions of
// one slice share theirs, so that a table can hold them.
func eltParams(p *vecProg) string {
	if p.args == 2 {
		return "dst, x, y *float32, n int"
	}
	return "dst, x *float32, n int, a, b float32"
}

func eltDoc(f eltFunc, isa string) string {
	return fmt.Sprintf(`%s_%s applies one function to n elements:

	for i := range n {
		dst[i] = %s
	}

n may be 0. No alignment is needed; dst may be one of the operands, but does
not overlap it otherwise; nothing beyond n elements is read or written.
`, f.name, isa, f.expr)
}

// eltMin gives NaN if either operand is NaN, and -0 for zeros of both signs.
// The or of both orders has both properties.
func eltMin(p *vecProg, a, b int) { p.Or(p.Min(a, b), p.Min(b, a)) }

// eltMax likewise; the and of both orders is right for zeros, and NaN is
// selected.
func eltMax(p *vecProg, a, b int) {
	m := p.And(p.Max(a, b), p.Max(b, a))
	p.Select(p.Unord(a, b), p.Bits(vecmath.NaN32), m)
}

func eltLeaky(p *vecProg, x, slope int) {
	p.Select(p.Less(x, p.F(0)), p.Mul(slope, x), x)
}

// eltReduce reduces y to r by multiples of ln 2; t holds the multiple.
func eltReduce(p *vecProg, y int) (r, t int) {
	t = p.FMA(y, p.F(vecmath.Log2E), p.F(vecmath.RoundMagic))
	n := p.Sub(t, p.F(vecmath.RoundMagic))
	r = p.FMA(n, p.F(-vecmath.Ln2Hi), y)
	return p.FMA(n, p.F(-vecmath.Ln2Lo), r), t
}

func eltExp(p *vecProg, x int) int {
	x = p.Min(p.F(vecmath.ExpHi), p.Max(p.F(vecmath.ExpLo), x))
	r, t := eltReduce(p, x)
	y := p.Horner(r, 1, 1, vecmath.ExpC2, vecmath.ExpC3, vecmath.ExpC4, vecmath.ExpC5, vecmath.ExpC6)
	h := p.Shr(t, 1)
	rest := p.SubI(t, h)
	return p.Mul(p.Mul(y, p.Shl(h, 23)), p.Shl(rest, 23))
}

func eltLog(p *vecProg) {
	x := p.Arg(0)
	tiny := p.Less(x, p.F(vecmath.MinNormal))
	m := p.Select(tiny, p.Mul(x, p.F(0x1p23)), x)
	e0 := p.Select(tiny, p.F(-23), p.F(0))
	e := p.Sar(p.SubI(m, p.Bits(vecmath.LogSplit)), 23)
	f := p.Sub(p.SubI(m, p.Shl(e, 23)), p.F(1))
	n := p.Add(p.FromInt(e), e0)
	q := p.Horner(f, -0.5, vecmath.LogC0, vecmath.LogC1, vecmath.LogC2, vecmath.LogC3,
		vecmath.LogC4, vecmath.LogC5, vecmath.LogC6, vecmath.LogC7)
	l := p.FMA(p.Mul(f, f), q, f)
	l = p.FMA(n, p.F(vecmath.Ln2Hi), l)
	l = p.Select(p.Less(p.F(0), x), l, p.Bits(0xff800000))    // zero; the next lines mend the others
	l = p.Select(p.Less(x, p.F(0)), p.Bits(vecmath.NaN32), l) // negative
	p.Select(p.Less(x, p.Bits(0x7f800000)), l, x)             // +Inf and NaN stay
}

func eltTanh(p *vecProg, x int) int {
	y := p.Mul(p.And(x, p.Bits(1<<31-1)), p.F(-2))
	y = p.Max(p.F(vecmath.TanhLo), y)
	r, t := eltReduce(p, y)
	q := p.Horner(r, vecmath.ExpC2, vecmath.ExpC3, vecmath.ExpC4, vecmath.ExpC5, vecmath.ExpC6)
	q = p.FMA(p.Mul(q, r), r, r)
	s := p.Shl(p.SubI(t, p.Bits(127)), 23)
	m := p.FMA(q, s, p.Sub(s, p.F(1)))
	return eltCopySign(p, p.Div(m, p.Add(m, p.F(2))), x)
}

func eltCopySign(p *vecProg, a, sign int) int {
	return p.Or(p.And(a, p.Bits(1<<31-1)), p.And(sign, p.Bits(1<<31)))
}

func eltSigmoid(p *vecProg) {
	x := p.Arg(0)
	e := eltExp(p, p.Or(x, p.Bits(1<<31)))
	p.Div(p.Select(p.Sign(x), e, p.F(1)), p.Add(e, p.F(1)))
}

func eltErf(p *vecProg, x int) int {
	t := p.Min(p.F(vecmath.ErfHi), p.And(x, p.Bits(1<<31-1)))
	s := p.Mul(t, t)
	a := p.Horner(s, vecmath.ErfS0, vecmath.ErfS1, vecmath.ErfS2, vecmath.ErfS3, vecmath.ErfS4, vecmath.ErfS5)
	a = p.FMA(a, t, t)
	q := p.Horner(t, vecmath.ErfL0, vecmath.ErfL1, vecmath.ErfL2, vecmath.ErfL3, vecmath.ErfL4, vecmath.ErfL5)
	q = p.Mul(q, t)
	u := p.Sub(p.F(vecmath.RoundMagic), q)
	r := p.Sub(p.Sub(p.F(vecmath.RoundMagic), u), q)
	b := p.Horner(r, 1, vecmath.Exp2C1, vecmath.Exp2C2, vecmath.Exp2C3, vecmath.Exp2C4, vecmath.Exp2C5)
	b = p.Mul(b, p.Shl(p.SubI(u, p.Bits(127)), 23))
	b = p.Sub(p.F(1), b)
	return eltCopySign(p, p.Select(p.Less(p.F(vecmath.ErfSplit), t), b, a), x)
}

func eltGelu(p *vecProg) {
	x := p.Arg(0)
	e := p.Add(eltErf(p, p.Mul(x, p.F(vecmath.InvSqrt2))), p.F(1))
	p.Mul(p.Mul(x, p.F(0.5)), e)
}

func eltGeluTanh(p *vecProg) {
	x := p.Arg(0)
	w := p.FMA(p.Mul(x, x), p.F(vecmath.Sqrt2PiC44), p.F(vecmath.Sqrt2Pi))
	t := p.Add(eltTanh(p, p.Mul(x, w)), p.F(1))
	p.Mul(p.Mul(x, p.F(0.5)), t)
}
