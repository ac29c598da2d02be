package main

import "fmt"

// widening multiply-adds by a lane: d (four 32-bit lanes) += lower or upper
// four of eight 16-bit lanes of n times lane i of m, m being V0-V15.
func SMLALElem(d, n, m, i int) Enc  { return smlal(0x0f402000, "smlal", "4h", d, n, m, i) }
func SMLAL2Elem(d, n, m, i int) Enc { return smlal(0x4f402000, "smlal2", "8h", d, n, m, i) }

func smlal(op uint32, name, lanes string, d, n, m, i int) Enc {
	if m > 15 || i < 0 || i > 7 {
		panic("asmgen: lane out of range")
	}
	w := op | uint32(i&1)<<20 | uint32(i>>1&1)<<21 | uint32(i>>2)<<11 | r(m)<<16 | r(n)<<5 | r(d)
	return Enc{w, fmt.Sprintf("%s v%d.4s, v%d.%s, v%d.h[%d]", name, d, n, lanes, m, i)}
}

// narrowing with saturation, lower half; SQXTN2 fills the upper one.
func SQXTN(d, n int) Enc {
	return Enc{0x0e614800 | r(n)<<5 | r(d), fmt.Sprintf("sqxtn v%d.4h, v%d.4s", d, n)}
}
func SQXTN2(d, n int) Enc {
	return Enc{0x4e614800 | r(n)<<5 | r(d), fmt.Sprintf("sqxtn2 v%d.8h, v%d.4s", d, n)}
}
func SQXTUN(d, n int) Enc {
	return Enc{0x2e212800 | r(n)<<5 | r(d), fmt.Sprintf("sqxtun v%d.8b, v%d.8h", d, n)}
}
func SQXTUN2(d, n int) Enc {
	return Enc{0x6e212800 | r(n)<<5 | r(d), fmt.Sprintf("sqxtun2 v%d.16b, v%d.8h", d, n)}
}

// gemmI8NEON emits a tile on SMLAL: one step of k of 16 columns meets a weight
// of each row.
func gemmI8NEON(a *Asm, mr int) {
	name := fmt.Sprintf("i8_%dx16_neon", mr)
	acc := func(i, j int) int { return 16 + 4*i + j }
	gemmI8ARM(a, name, mr, panelRows, true, acc, func() {
		for i := range mr {
			a.I("VLD1.P 8(R%d), [V%d.H4]", 8+i, i)
		}
		for k := range 4 {
			a.I("VLD1.P 32(R4), [V4.H8, V5.H8]")
			for i := range mr {
				for v := range 2 {
					a.W(SMLALElem(acc(i, 2*v), 4+v, i, k))
					a.W(SMLAL2Elem(acc(i, 2*v+1), 4+v, i, k))
				}
			}
		}
	})
}

// gemmI8Dot emits a tile on SDOT: four steps of k of four columns meet the
// four weights of a row.
func gemmI8Dot(a *Asm, mr int) {
	name := fmt.Sprintf("i8_%dx16_dotprod", mr)
	acc := func(i, j int) int { return 16 + 4*i + j }
	gemmI8ARM(a, name, mr, panelSQuad, false, acc, func() {
		a.I("VLD1.P 64(R4), [V4.B16, V5.B16, V6.B16, V7.B16]")
		for i := range mr {
			a.I("FMOVS.P 4(R%d), F%d", 8+i, i)
			for j := range 4 {
				a.W(SDOTElem(acc(i, j), 4+j, i, 0))
			}
		}
	})
}

// gemmI8ARM emits what tiles share; group emits four steps of k.
func gemmI8ARM(a *Asm, name string, mr int, panel string, wide bool, acc func(i, j int) int, group func()) {
	a.Begin(Func{Name: name, Doc: gemmI8Doc(name, mr, 1, panel), Params: gemmI8Params(wide), Regs: fmt.Sprintf(`R0 tiles left, R1 groups left, R2 a, R3 lda, R7 ldc in bytes, R4 b, R6 c
R8-R%d rows of a
V0-V%d weights of a row each, V4-V7 columns, V16-V%d sums by row`, 7+mr, mr-1, acc(mr-1, 3))})
	a.Load("tiles", "R0", "a", "R2", "lda", "R3", "c", "R6", "ldc", "R7")
	if wide {
		a.I("LSL $1, R3, R3")
	}
	a.I("LSL $2, R7, R7")
	a.Label("tile", "clear the sums, set the pointers of one tile")
	a.Load("b", "R4", "kq", "R1")
	a.I("MOVD R2, R8")
	for i := 1; i < mr; i++ {
		a.I("ADD R3, R%d, R%d", 7+i, 8+i)
	}
	for i := range 4 * mr {
		a.I("VEOR V%d.B16, V%d.B16, V%d.B16", 16+i, 16+i, 16+i)
	}
	a.Label("loop", "four steps of k")
	group()
	a.I("SUBS $1, R1")
	a.I("BGT loop")
	a.Note("Write the tile, go to the rows below.")
	for i := range mr {
		q := acc(i, 0)
		a.I("VST1 [V%d.S4, V%d.S4, V%d.S4, V%d.S4], (R6)", q, q+1, q+2, q+3)
		a.I("ADD R7, R6, R6")
		a.I("ADD R3, R2, R2")
	}
	a.I("SUBS $1, R0")
	a.I("BGT tile")
	a.Ret()
}

// packI8NEON emits the packer of rows as int16, or of groups of four bytes.
func packI8NEON(a *Asm, wide bool) {
	name, panel := "packQuads_neon", panelQuads
	if wide {
		name, panel = "packRows_neon", panelRows
	}
	a.Begin(Func{Name: name, Doc: packI8Doc(name, panel), Params: packI8Params,
		Regs: "R0 groups left, R1 rows, R2 src, R3 dst, R4 offset, R5 row\nV0-V3 rows, V4-V5 widened, V31 xor"})
	a.Load("kq", "R0", "rows", "R1", "src", "R2", "dst", "R3", "xor", "R4")
	a.I("VDUP R4, V31.S4")
	a.Label("loop", "four rows")
	for i := range 4 {
		a.I("MOVW.P 4(R1), R4")
		a.I("ADD R4, R2, R5")
		a.I("VLD1 (R5), [V%d.B16]", i)
		a.I("VEOR V31.B16, V%d.B16, V%d.B16", i, i)
		if wide {
			a.I("VUXTL V%d.B8, V4.H8", i)
			a.I("VUXTL2 V%d.B16, V5.H8", i)
			a.I("VST1.P [V4.H8, V5.H8], 32(R3)")
		}
	}
	if !wide {
		a.I("VST4.P [V0.B16, V1.B16, V2.B16, V3.B16], 64(R3)")
	}
	a.I("SUBS $1, R0")
	a.I("BGT loop")
	a.Ret()
}

func widenNEON(a *Asm) {
	a.Begin(Func{Name: "widen_neon", Doc: widenDoc("widen_neon"), Params: "n int, src *int8, dst *int16", Regs: "R0 elements left, R1 src, R2 dst"})
	a.Load("n", "R0", "src", "R1", "dst", "R2")
	sxtl := func() {
		a.W(Enc{0x0f08a400, "sxtl v0.8h, v0.8b"})
	}
	a.I("SUBS $8, R0")
	a.I("BLT rest")
	a.Label("loop", "eight elements")
	a.I("VLD1.P 8(R1), [V0.B8]")
	sxtl()
	a.I("VST1.P [V0.H8], 16(R2)")
	a.I("SUBS $8, R0")
	a.I("BGE loop")
	a.Label("rest", "four or none remain, R0 is their number less eight")
	a.I("ADDS $8, R0")
	a.I("BEQ done")
	a.I("FMOVS (R1), F0")
	sxtl()
	a.I("VST1 [V0.H4], (R2)")
	a.Label("done", "nothing is left")
	a.Ret()
}

// ruleNEON loads a Rule: V20 Lo, V21 Hi, V22 Zero, V23 Xor.
func ruleNEON(a *Asm) {
	a.Load("r", "R8")
	a.I("VLD4R (R8), [V20.S4, V21.S4, V22.S4, V23.S4]")
}

// storeNEON applies the rule to V0-V3 and writes 16 bytes to (R3), which it
// moves on.
func storeNEON(a *Asm) {
	for i := range 4 {
		a.W(FMAX(i, i, 20))
		a.W(FMIN(i, i, 21))
		a.W(FCVTNS(i, i))
		a.I("VADD V22.S4, V%d.S4, V%d.S4", i, i)
	}
	a.W(SQXTN(4, 0))
	a.W(SQXTN2(4, 1))
	a.W(SQXTN(5, 2))
	a.W(SQXTN2(5, 3))
	a.W(SQXTUN(6, 4))
	a.W(SQXTUN2(6, 5))
	a.I("VEOR V23.B16, V6.B16, V6.B16")
	a.I("VST1.P [V6.B16], 16(R3)")
}

const ruleNEONRegs = "V20-V23 the rule, R8 r"

func requantNEON(a *Asm, cols bool) {
	f := Func{Name: "requant_neon", Params: requantParams, Regs: "R0 left, R1 acc, R3 dst\nV24 corr, V25 m, " + ruleNEONRegs}
	if cols {
		f = Func{Name: "requantCols_neon", Params: requantColsParams, Regs: "R0 left, R1 acc, R3 dst, R4 corr, R5 m\nV24-V27 corr, V28-V31 m, " + ruleNEONRegs}
	}
	f.Doc = requantDoc(f.Name, cols)
	a.Begin(f)
	a.Load("n", "R0", "acc", "R1", "dst", "R3")
	if cols {
		a.Load("corr", "R4", "m", "R5")
	} else {
		a.Load("corr", "R4", "m", "F25")
		a.I("VDUP R4, V24.S4")
		a.I("VDUP V25.S[0], V25.S4")
	}
	ruleNEON(a)
	a.Label("loop", "sixteen sums")
	a.I("VLD1.P 64(R1), [V0.S4, V1.S4, V2.S4, V3.S4]")
	if cols {
		a.I("VLD1.P 64(R4), [V24.S4, V25.S4, V26.S4, V27.S4]")
		a.I("VLD1.P 64(R5), [V28.S4, V29.S4, V30.S4, V31.S4]")
	}
	for i := range 4 {
		c, m := 24, 25
		if cols {
			c, m = 24+i, 28+i
		}
		a.I("VADD V%d.S4, V%d.S4, V%d.S4", c, i, i)
		a.W(SCVTF(i, i))
		a.W(FMUL(i, i, m))
	}
	storeNEON(a)
	a.I("SUBS $16, R0")
	a.I("BGT loop")
	a.Ret()
}

func quantizeNEON(a *Asm) {
	a.Begin(Func{Name: "quantize_neon", Params: quantizeParams, Doc: quantizeDoc("quantize_neon"), Regs: "R0 left, R1 src, R3 dst\nV24 scale, V25 which are numbers, " + ruleNEONRegs})
	a.Load("n", "R0", "src", "R1", "dst", "R3", "scale", "F24")
	a.I("VDUP V24.S[0], V24.S4")
	ruleNEON(a)
	a.Label("loop", "sixteen values")
	a.I("VLD1.P 64(R1), [V0.S4, V1.S4, V2.S4, V3.S4]")
	for i := range 4 {
		a.W(FDIV(i, i, 24))
		a.W(FCMEQ(25, i, i))
		a.I("VAND V25.B16, V%d.B16, V%d.B16", i, i)
	}
	storeNEON(a)
	a.I("SUBS $16, R0")
	a.I("BGT loop")
	a.Ret()
}

// wordsNEON widens the bytes of V6 to V(to)-V(to+3).
func wordsNEON(a *Asm, to int) {
	a.I("VUXTL V6.B8, V4.H8")
	a.I("VUXTL2 V6.B16, V5.H8")
	for h := range 2 {
		a.I("VUXTL V%d.H4, V%d.S4", 4+h, to+2*h)
		a.I("VUXTL2 V%d.H8, V%d.S4", 4+h, to+2*h+1)
	}
}

func dequantizeNEON(a *Asm) {
	a.Begin(Func{Name: "dequantize_neon", Params: dequantizeParams, Doc: dequantizeDoc("dequantize_neon"), Regs: "R0 left, R1 src, R3 dst\nV24 xor, V25 zero, V26 scale"})
	a.Load("n", "R0", "src", "R1", "dst", "R3", "xor", "R4", "zero", "R5", "scale", "F26")
	a.I("VDUP R4, V24.B16")
	a.I("VDUP R5, V25.S4")
	a.I("VDUP V26.S[0], V26.S4")
	a.Label("loop", "sixteen values")
	a.I("VLD1.P 16(R1), [V6.B16]")
	a.I("VEOR V24.B16, V6.B16, V6.B16")
	wordsNEON(a, 0)
	for i := range 4 {
		a.I("VSUB V25.S4, V%d.S4, V%d.S4", i, i)
		a.W(SCVTF(i, i))
		a.W(FMUL(i, i, 26))
	}
	a.I("VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R3)")
	a.I("SUBS $16, R0")
	a.I("BGT loop")
	a.Ret()
}

func addI8NEON(a *Asm) {
	a.Begin(Func{Name: "add_neon", Params: addI8Params, Doc: addI8Doc("add_neon"), Regs: "R0 left, R1 a, R2 b, R3 dst, R9 p\nV0-V3 V16-V19 terms, V24-V25 xors, V26-V27 zeros, V28-V30 scales, " + ruleNEONRegs})
	a.Load("n", "R0", "a", "R1", "b", "R2", "dst", "R3", "p", "R9")
	a.I("VLD4R.P 16(R9), [V24.S4, V25.S4, V26.S4, V27.S4]")
	a.I("VLD3R (R9), [V28.S4, V29.S4, V30.S4]")
	ruleNEON(a)
	a.Label("loop", "sixteen sums")
	for t := range 2 {
		a.I("VLD1.P 16(R%d), [V6.B16]", 1+t)
		a.I("VEOR V%d.B16, V6.B16, V6.B16", 24+t)
		wordsNEON(a, 16*t)
		for i := 16 * t; i < 16*t+4; i++ {
			a.I("VSUB V%d.S4, V%d.S4, V%d.S4", 26+t, i, i)
			a.W(SCVTF(i, i))
			a.W(FMUL(i, i, 28+t))
		}
	}
	for i := range 4 {
		a.W(FADD(i, i, 16+i))
		a.W(FDIV(i, i, 30))
	}
	storeNEON(a)
	a.I("SUBS $16, R0")
	a.I("BGT loop")
	a.Ret()
}

func tapsI8NEON(a *Asm) {
	a.Begin(Func{Name: "taps8_neon", Params: tapsI8Params, Doc: tapsI8Doc("taps8_neon"), Regs: `R0 left, R1 acc, R2 src, R3 off, R4 w, R5 pairs
R6 taps left, R7 R8 off and w of a tap, R9 row
V0 weight, V6 row, V4-V5 widened, V16-V19 sums, V31 xor`})
	a.Load("n", "R0", "acc", "R1", "src", "R2", "xor", "R9", "off", "R3", "w", "R4", "pairs", "R5")
	a.I("VDUP R9, V31.S4")
	a.I("LSL $1, R5, R5")
	a.Label("block", "sixteen columns")
	for i := range 4 {
		a.I("VEOR V%d.B16, V%d.B16, V%d.B16", 16+i, 16+i, 16+i)
	}
	a.I("MOVD R5, R6")
	a.I("MOVD R3, R7")
	a.I("MOVD R4, R8")
	a.Label("tap", "one tap")
	a.I("MOVD.P 8(R7), R9")
	a.I("ADD R2, R9, R9")
	a.I("VLD1 (R9), [V6.B16]")
	a.I("VEOR V31.B16, V6.B16, V6.B16")
	a.I("VUXTL V6.B8, V4.H8")
	a.I("VUXTL2 V6.B16, V5.H8")
	a.I("MOVH.P 2(R8), R9")
	a.I("VDUP R9, V0.H8")
	for v := range 2 {
		a.W(SMLALElem(16+2*v, 4+v, 0, 0))
		a.W(SMLAL2Elem(17+2*v, 4+v, 0, 0))
	}
	a.I("SUBS $1, R6")
	a.I("BGT tap")
	a.I("VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R1)")
	a.I("ADD $16, R2, R2")
	a.I("SUBS $16, R0")
	a.I("BGT block")
	a.Ret()
}

func evensI8NEON(a *Asm) {
	a.Begin(Func{Name: "evens8_neon", Params: evensI8Params, Doc: evensI8Doc("evens8_neon"), Regs: "R0 left, R1 dst, R2 src\nV0 even bytes, V1 odd ones"})
	a.Load("n", "R0", "dst", "R1", "src", "R2")
	a.Label("loop", "sixteen of thirty-two bytes")
	a.I("VLD2.P 32(R2), [V0.B16, V1.B16]")
	a.I("VST1.P [V0.B16], 16(R1)")
	a.I("SUBS $16, R0")
	a.I("BGT loop")
	a.Ret()
}

func maxI8NEON(a *Asm, signed bool) {
	name, typ, e := "maxU8_neon", "unsigned byte", Enc{0x6e216400, "umax v0.16b, v0.16b, v1.16b"}
	if signed {
		name, typ, e = "maxS8_neon", "signed byte", Enc{0x4e216400, "smax v0.16b, v0.16b, v1.16b"}
	}
	a.Begin(Func{Name: name, Params: maxI8Params, Doc: maxI8Doc(name, typ), Regs: "R0 left, R1 dst, R2 src, V0-V1 bytes"})
	a.Load("n", "R0", "dst", "R1", "src", "R2")
	a.Label("loop", "sixteen bytes")
	a.I("VLD1 (R1), [V0.B16]")
	a.I("VLD1.P 16(R2), [V1.B16]")
	a.W(e)
	a.I("VST1.P [V0.B16], 16(R1)")
	a.I("SUBS $16, R0")
	a.I("BGT loop")
	a.Ret()
}

// Comparisons are false where a value is NaN; FMINNM would make signaling ones
// quiet.
func boundsNEON(a *Asm) {
	a.Begin(Func{Name: "bounds_neon", Params: boundsParams, Doc: boundsDoc("bounds_neon"), Regs: "R0 left, R1 src, R2 lo, R3 hi\nV0-V3 values, V4-V7 lo, V16-V19 hi, V20 which are beyond"})
	a.Load("n", "R0", "src", "R1", "lo", "R2", "hi", "R3")
	a.I("VLD1 (R2), [V4.S4, V5.S4, V6.S4, V7.S4]")
	a.I("VLD1 (R3), [V16.S4, V17.S4, V18.S4, V19.S4]")
	a.Label("loop", "sixteen values")
	a.I("VLD1.P 64(R1), [V0.S4, V1.S4, V2.S4, V3.S4]")
	for i := range 4 {
		a.W(FCMGT(20, 4+i, i))
		a.I("VBIT V20.B16, V%d.B16, V%d.B16", i, 4+i)
		a.W(FCMGT(20, i, 16+i))
		a.I("VBIT V20.B16, V%d.B16, V%d.B16", i, 16+i)
	}
	a.I("SUBS $16, R0")
	a.I("BGT loop")
	a.I("VST1 [V4.S4, V5.S4, V6.S4, V7.S4], (R2)")
	a.I("VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (R3)")
	a.Ret()
}

func offsetNEON(a *Asm) {
	a.Begin(Func{Name: "offset_neon", Params: offsetParams, Doc: offsetDoc("offset_neon"), Regs: "R0 left, R1 src, R3 dst\nV0-V3 sums, V24 add"})
	a.Load("n", "R0", "src", "R1", "dst", "R3", "add", "R4")
	a.I("VDUP R4, V24.S4")
	a.Label("loop", "sixteen sums")
	a.I("VLD1.P 64(R1), [V0.S4, V1.S4, V2.S4, V3.S4]")
	for i := range 4 {
		a.I("VADD V24.S4, V%d.S4, V%d.S4", i, i)
	}
	a.I("VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R3)")
	a.I("SUBS $16, R0")
	a.I("BGT loop")
	a.Ret()
}
