package main

// ruleX86 loads a Rule: Y10 Lo, Y11 Hi, Y12 Zero, X13 Xor.
func ruleX86(a *Asm) {
	a.Load("r", "R8")
	for i := range 4 {
		op, reg := "VBROADCASTSS", "Y"
		if i >= 2 {
			op = "VPBROADCASTD"
		}
		if i == 3 {
			reg = "X"
		}
		a.I("%s %d(R8), %s%d", op, 4*i, reg, 10+i)
	}
}

// storeX86 applies the rule to Y0 and Y1 and writes 16 bytes to (DI).
func storeX86(a *Asm) {
	for i := range 2 {
		a.I("VMAXPS Y10, Y%d, Y%d", i, i)
		a.I("VMINPS Y11, Y%d, Y%d", i, i)
		a.I("VCVTPS2DQ Y%d, Y%d", i, i)
		a.I("VPADDD Y12, Y%d, Y%d", i, i)
	}
	a.I("VPACKSSDW Y1, Y0, Y0")
	a.I("VPERMQ $0xd8, Y0, Y0")
	a.I("VEXTRACTI128 $1, Y0, X1")
	a.I("VPACKUSWB X1, X0, X0")
	a.I("VPXOR X13, X0, X0")
	a.I("VMOVDQU X0, (DI)")
}

const ruleRegs = "Y10-Y12 bounds and zero of the rule, X13 its xor, R8 r"

func requantAVX2(a *Asm, cols bool) {
	f := Func{Name: "requant_avx2", Params: requantParams, Regs: "CX left, SI acc, DI dst\nY8 corr, Y9 m, " + ruleRegs}
	if cols {
		f = Func{Name: "requantCols_avx2", Params: requantColsParams, Regs: "CX left, SI acc, DI dst, R9 corr, R10 m\n" + ruleRegs}
	}
	f.Doc = requantDoc(f.Name, cols)
	a.Begin(f)
	a.Load("n", "CX", "acc", "SI", "dst", "DI")
	if cols {
		a.Load("corr", "R9", "m", "R10")
	} else {
		spread(a, "corr", "AX", "Y8")
		a.I("VBROADCASTSS %s, Y9", a.FP("m"))
	}
	ruleX86(a)
	a.Label("loop", "sixteen sums")
	for i := range 2 {
		a.I("VMOVDQU %d(SI), Y%d", 32*i, i)
		if cols {
			a.I("VPADDD %d(R9), Y%d, Y%d", 32*i, i, i)
			a.I("VCVTDQ2PS Y%d, Y%d", i, i)
			a.I("VMULPS %d(R10), Y%d, Y%d", 32*i, i, i)
			continue
		}
		a.I("VPADDD Y8, Y%d, Y%d", i, i)
		a.I("VCVTDQ2PS Y%d, Y%d", i, i)
		a.I("VMULPS Y9, Y%d, Y%d", i, i)
	}
	storeX86(a)
	a.I("ADDQ $64, SI")
	if cols {
		a.I("ADDQ $64, R9")
		a.I("ADDQ $64, R10")
	}
	a.I("ADDQ $16, DI")
	a.I("SUBQ $16, CX")
	a.I("JGT loop")
	a.Ret()
}

func quantizeAVX2(a *Asm) {
	a.Begin(Func{Name: "quantize_avx2", Params: quantizeParams, Doc: quantizeDoc("quantize_avx2"), Regs: "CX left, SI src, DI dst\nY2 which are numbers, Y9 scale, " + ruleRegs})
	a.Load("n", "CX", "src", "SI", "dst", "DI")
	a.I("VBROADCASTSS %s, Y9", a.FP("scale"))
	ruleX86(a)
	a.Label("loop", "sixteen values")
	for i := range 2 {
		a.I("VMOVUPS %d(SI), Y%d", 32*i, i)
		a.I("VDIVPS Y9, Y%d, Y%d", i, i)
		a.I("VCMPPS $7, Y%d, Y%d, Y2", i, i)
		a.I("VANDPS Y2, Y%d, Y%d", i, i)
	}
	storeX86(a)
	a.I("ADDQ $64, SI")
	a.I("ADDQ $16, DI")
	a.I("SUBQ $16, CX")
	a.I("JGT loop")
	a.Ret()
}

func dequantizeAVX2(a *Asm) {
	a.Begin(Func{Name: "dequantize_avx2", Params: dequantizeParams, Doc: dequantizeDoc("dequantize_avx2"), Regs: "CX left, SI src, DI dst\nX8 xor, Y9 zero, Y10 scale"})
	a.Load("n", "CX", "src", "SI", "dst", "DI")
	spread(a, "xor", "AX", "X8")
	spread(a, "zero", "AX", "Y9")
	a.I("VBROADCASTSS %s, Y10", a.FP("scale"))
	a.Label("loop", "sixteen values")
	a.I("VPXOR (SI), X8, X0")
	a.I("VPMOVZXBD X0, Y1")
	a.I("VPSRLDQ $8, X0, X0")
	a.I("VPMOVZXBD X0, Y2")
	for i := 1; i <= 2; i++ {
		a.I("VPSUBD Y9, Y%d, Y%d", i, i)
		a.I("VCVTDQ2PS Y%d, Y%d", i, i)
		a.I("VMULPS Y10, Y%d, Y%d", i, i)
		a.I("VMOVUPS Y%d, %d(DI)", i, 32*(i-1))
	}
	a.I("ADDQ $16, SI")
	a.I("ADDQ $64, DI")
	a.I("SUBQ $16, CX")
	a.I("JGT loop")
	a.Ret()
}

func addI8AVX2(a *Asm) {
	a.Begin(Func{Name: "add_avx2", Params: addI8Params, Doc: addI8Doc("add_avx2"), Regs: "CX left, SI a, DX b, DI dst, R9 p\nY0-Y3 terms, X4 bytes, X5-X6 xors, Y7-Y8 zeros, Y9 Y14 Y15 scales, " + ruleRegs})
	a.Load("n", "CX", "a", "SI", "b", "DX", "dst", "DI", "p", "R9")
	a.I("VPBROADCASTD (R9), X5")
	a.I("VPBROADCASTD 4(R9), X6")
	a.I("VPBROADCASTD 8(R9), Y7")
	a.I("VPBROADCASTD 12(R9), Y8")
	a.I("VBROADCASTSS 16(R9), Y9")
	a.I("VBROADCASTSS 20(R9), Y14")
	a.I("VBROADCASTSS 24(R9), Y15")
	ruleX86(a)
	a.Label("loop", "sixteen sums")
	for t, f := range []struct{ src, xor, zero, scale string }{{"SI", "X5", "Y7", "Y9"}, {"DX", "X6", "Y8", "Y14"}} {
		a.I("VPXOR (%s), %s, X4", f.src, f.xor)
		a.I("VPMOVZXBD X4, Y%d", 2*t)
		a.I("VPSRLDQ $8, X4, X4")
		a.I("VPMOVZXBD X4, Y%d", 2*t+1)
		for i := 2 * t; i < 2*t+2; i++ {
			a.I("VPSUBD %s, Y%d, Y%d", f.zero, i, i)
			a.I("VCVTDQ2PS Y%d, Y%d", i, i)
			a.I("VMULPS %s, Y%d, Y%d", f.scale, i, i)
		}
	}
	for i := range 2 {
		a.I("VADDPS Y%d, Y%d, Y%d", i+2, i, i)
		a.I("VDIVPS Y15, Y%d, Y%d", i, i)
	}
	storeX86(a)
	for _, r := range []string{"SI", "DX", "DI"} {
		a.I("ADDQ $16, %s", r)
	}
	a.I("SUBQ $16, CX")
	a.I("JGT loop")
	a.Ret()
}

func tapsI8AVX2(a *Asm) {
	a.Begin(Func{Name: "taps8_avx2", Params: tapsI8Params, Doc: tapsI8Doc("taps8_avx2"), Regs: `CX left, DI acc, SI src, R9 off, R10 w, R11 pairs
DX pairs done, AX BX offsets of a pair
Y0-Y1 sums, X2-X3 rows of a pair, Y4-Y5 interleaved, Y6 weights, X15 xor`})
	a.Load("n", "CX", "acc", "DI", "src", "SI", "off", "R9", "w", "R10", "pairs", "R11")
	spread(a, "xor", "AX", "X15")
	a.Label("block", "sixteen columns")
	a.I("VPXOR Y0, Y0, Y0")
	a.I("VPXOR Y1, Y1, Y1")
	a.I("XORQ DX, DX")
	a.I("MOVQ R9, R12")
	a.Label("pair", "two taps")
	a.I("MOVQ (R12), AX")
	a.I("MOVQ 8(R12), BX")
	a.I("VPXOR (SI)(AX*1), X15, X2")
	a.I("VPXOR (SI)(BX*1), X15, X3")
	a.I("VPUNPCKLBW X3, X2, X4")
	a.I("VPUNPCKHBW X3, X2, X5")
	a.I("VPMOVZXBW X4, Y4")
	a.I("VPMOVZXBW X5, Y5")
	a.I("VPBROADCASTD (R10)(DX*4), Y6")
	a.I("VPMADDWD Y4, Y6, Y4")
	a.I("VPMADDWD Y5, Y6, Y5")
	a.I("VPADDD Y4, Y0, Y0")
	a.I("VPADDD Y5, Y1, Y1")
	a.I("ADDQ $16, R12")
	a.I("ADDQ $1, DX")
	a.I("CMPQ DX, R11")
	a.I("JLT pair")
	a.I("VMOVDQU Y0, (DI)")
	a.I("VMOVDQU Y1, 32(DI)")
	a.I("ADDQ $16, SI")
	a.I("ADDQ $64, DI")
	a.I("SUBQ $16, CX")
	a.I("JGT block")
	a.Ret()
}

// spread loads a parameter of four bytes into all lanes of a register, through
// a scratch register.
func spread(a *Asm, name, scratch, reg string) {
	a.Load(name, scratch)
	a.I("VMOVD %s, X%s", scratch, reg[1:])
	a.I("VPBROADCASTD X%s, %s", reg[1:], reg)
}

func evensI8AVX2(a *Asm) {
	a.Begin(Func{Name: "evens8_avx2", Params: evensI8Params, Doc: evensI8Doc("evens8_avx2"), Regs: "CX left, DI dst, SI src\nX0-X1 bytes, X2 mask of the even ones"})
	a.Load("n", "CX", "dst", "DI", "src", "SI")
	a.I("VPCMPEQW X2, X2, X2")
	a.I("VPSRLW $8, X2, X2")
	a.Label("loop", "sixteen of thirty-two bytes")
	a.I("VPAND (SI), X2, X0")
	a.I("VPAND 16(SI), X2, X1")
	a.I("VPACKUSWB X1, X0, X0")
	a.I("VMOVDQU X0, (DI)")
	a.I("ADDQ $32, SI")
	a.I("ADDQ $16, DI")
	a.I("SUBQ $16, CX")
	a.I("JGT loop")
	a.Ret()
}

func maxI8AVX2(a *Asm, signed bool) {
	name, typ, op := "maxU8_avx2", "unsigned byte", "VPMAXUB"
	if signed {
		name, typ, op = "maxS8_avx2", "signed byte", "VPMAXSB"
	}
	a.Begin(Func{Name: name, Params: maxI8Params, Doc: maxI8Doc(name, typ), Regs: "CX left, DI dst, SI src, X0 bytes"})
	a.Load("n", "CX", "dst", "DI", "src", "SI")
	a.Label("loop", "sixteen bytes")
	a.I("VMOVDQU (SI), X0")
	a.I("%s (DI), X0, X0", op)
	a.I("VMOVDQU X0, (DI)")
	a.I("ADDQ $16, SI")
	a.I("ADDQ $16, DI")
	a.I("SUBQ $16, CX")
	a.I("JGT loop")
	a.Ret()
}

// The minimum of x and lo is lo where one of them is NaN, as the last operand
// (Go's first) is then the result.
func boundsAVX2(a *Asm) {
	a.Begin(Func{Name: "bounds_avx2", Params: boundsParams, Doc: boundsDoc("bounds_avx2"), Regs: "CX left, SI src, DX lo, DI hi\nY0-Y1 values, Y2-Y3 lo, Y4-Y5 hi"})
	a.Load("n", "CX", "src", "SI", "lo", "DX", "hi", "DI")
	for i := range 2 {
		a.I("VMOVUPS %d(DX), Y%d", 32*i, 2+i)
		a.I("VMOVUPS %d(DI), Y%d", 32*i, 4+i)
	}
	a.Label("loop", "sixteen values")
	for i := range 2 {
		a.I("VMOVUPS %d(SI), Y%d", 32*i, i)
		a.I("VMINPS Y%d, Y%d, Y%d", 2+i, i, 2+i)
		a.I("VMAXPS Y%d, Y%d, Y%d", 4+i, i, 4+i)
	}
	a.I("ADDQ $64, SI")
	a.I("SUBQ $16, CX")
	a.I("JGT loop")
	for i := range 2 {
		a.I("VMOVUPS Y%d, %d(DX)", 2+i, 32*i)
		a.I("VMOVUPS Y%d, %d(DI)", 4+i, 32*i)
	}
	a.Ret()
}

func offsetAVX2(a *Asm) {
	a.Begin(Func{Name: "offset_avx2", Params: offsetParams, Doc: offsetDoc("offset_avx2"), Regs: "CX left, SI src, DI dst\nY0-Y1 sums, Y8 add"})
	a.Load("n", "CX", "src", "SI", "dst", "DI")
	spread(a, "add", "AX", "Y8")
	a.Label("loop", "sixteen sums")
	for i := range 2 {
		a.I("VPADDD %d(SI), Y8, Y%d", 32*i, i)
		a.I("VMOVDQU Y%d, %d(DI)", i, 32*i)
	}
	a.I("ADDQ $64, SI")
	a.I("ADDQ $64, DI")
	a.I("SUBQ $16, CX")
	a.I("JGT loop")
	a.Ret()
}
