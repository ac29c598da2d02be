package main

import "fmt"

const dwconvDir = "runtime/kernel/dwconv"

// dwconvFiles generates the one kernel of depthwise convolution, a weighted
// sum of shifted rows, and the taking of every other element.
func dwconvFiles() []*Asm {
	y := New("amd64", dwconvDir, "dwconv", "f32_avx2")
	z := New("amd64", dwconvDir, "dwconv", "f32_avx512")
	n := New("arm64", dwconvDir, "dwconv", "f32_neon")
	tapsX86(y, ymm)
	evensAVX2(y)
	tailTable(y)
	tapsX86(z, zmm)
	tapsNEON(n)
	evensNEON(n)
	return []*Asm{y, z, n}
}

const tapsParams = "n int, dst, src *float32, off *int, w *float32, taps int, bias float32"

func tapsDoc(isa string) string {
	return fmt.Sprintf(`taps_%s is a weighted sum of shifted rows:

	for i := range n {
		s := float32(0)
		for t := range taps {
			s = fma(src[off[t]/4+i], w[t], s)
		}
		dst[i] = s + bias
	}

off holds bytes. n and taps are at least 1. No alignment is needed, dst
overlaps nothing, and nothing beyond n elements of a row is read or written.
`, isa)
}

// tapsX86 sums eight vectors at a time, then four, two and one, then a masked
// one. The sums stay in registers while the taps pass.
func tapsX86(a *Asm, v vec) {
	r := func(i int) string { return fmt.Sprintf("%s%d", v.reg, i) }
	mask := "Y15 lanes of the tail"
	if v.lanes == 16 {
		mask = "K7 lanes of the tail"
	}
	a.Begin(Func{Name: "taps_" + v.isa, Doc: tapsDoc(v.isa), Params: tapsParams, Regs: fmt.Sprintf(`CX elements left, DI dst, SI src, R9 off, R10 w, R11 taps
DX taps done, BX source of one tap, AX and R8 scratch of the mask
%s-%s sums, %s weight, %s a masked row, %s bias, %s`, r(0), r(7), r(8), r(9), r(10), mask)})
	a.Load("n", "CX", "dst", "DI", "src", "SI", "off", "R9", "w", "R10", "taps", "R11")
	a.I("VBROADCASTSS %s, %s", a.FP("bias"), r(10))
	sum := func(label string, nv int, masked bool) {
		for i := range nv {
			a.I("%s %s, %s, %s", v.zero, r(i), r(i), r(i))
		}
		a.I("XORQ DX, DX")
		a.Label(label, "one tap")
		a.I("MOVQ (R9)(DX*8), BX")
		a.I("VBROADCASTSS (R10)(DX*4), %s", r(8))
		if masked {
			maskedLoad(a, v, "(SI)(BX*1)", r(9))
			a.I("VFMADD231PS %s, %s, %s", r(9), r(8), r(0))
		} else {
			for i := range nv {
				a.I("VFMADD231PS %d(SI)(BX*1), %s, %s", i*v.lanes*4, r(8), r(i))
			}
		}
		a.I("ADDQ $1, DX")
		a.I("CMPQ DX, R11")
		a.I("JLT %s", label)
		for i := range nv {
			a.I("VADDPS %s, %s, %s", r(10), r(i), r(i))
		}
	}
	for nv := 8; nv >= 1; nv /= 2 {
		next := "tail"
		if nv > 1 {
			next = fmt.Sprintf("less%d", nv)
		}
		a.I("CMPQ CX, $%d", nv*v.lanes)
		a.I("JLT %s", next)
		if nv == 8 {
			a.Label("block", "eight vectors, as long as there are")
		}
		sum(fmt.Sprintf("sum%d", nv), nv, false)
		for i := range nv {
			a.I("VMOVUPS %s, %d(DI)", r(i), i*v.lanes*4)
		}
		a.I("ADDQ $%d, SI", nv*v.lanes*4)
		a.I("ADDQ $%d, DI", nv*v.lanes*4)
		a.I("SUBQ $%d, CX", nv*v.lanes)
		if nv == 8 {
			a.I("CMPQ CX, $%d", nv*v.lanes)
			a.I("JGE block")
		}
		if nv > 1 {
			a.Label(next, fmt.Sprintf("fewer than %d vectors are left", nv))
		}
	}
	a.Label("tail", "less than a vector is left")
	a.I("CMPQ CX, $0")
	a.I("JEQ done")
	tailMask(a, v)
	sum("last", 1, true)
	maskedStore(a, v, r(0), "(DI)")
	a.Label("done", "nothing is left")
	a.Ret()
}

const evensParams = "dst, src *float32, n int"

func evensDoc(isa string, width int) string {
	return fmt.Sprintf(`evens_%s takes every other element:

	for i := range n {
		dst[i] = src[2*i]
	}

n is a positive multiple of %d. src[2*n-1] is read too. No alignment is needed, dst and
src do not overlap.
`, isa, width)
}

func evensAVX2(a *Asm) {
	a.Begin(Func{Name: "evens_avx2", Doc: evensDoc("avx2", 8), Params: evensParams, Regs: "DI dst, SI src, CX elements left"})
	a.Load("dst", "DI", "src", "SI", "n", "CX")
	a.Label("loop", "eight of sixteen elements")
	a.I("VMOVUPS (SI), Y0")
	a.I("VSHUFPS $0x88, 32(SI), Y0, Y0")
	a.I("VPERMPD $0xd8, Y0, Y0")
	a.I("VMOVUPS Y0, (DI)")
	a.I("ADDQ $64, SI")
	a.I("ADDQ $32, DI")
	a.I("SUBQ $8, CX")
	a.I("JGT loop")
	a.Ret()
}

func evensNEON(a *Asm) {
	a.Begin(Func{Name: "evens_neon", Doc: evensDoc("neon", 4), Params: evensParams, Regs: "R0 dst, R1 src, R3 elements left"})
	a.Load("dst", "R0", "src", "R1", "n", "R3")
	a.Label("loop", "four of eight elements")
	a.I("VLD1.P 32(R1), [V0.S4, V1.S4]")
	a.I("VUZP1 V1.S4, V0.S4, V2.S4")
	a.I("VST1.P [V2.S4], 16(R0)")
	a.I("SUBS $4, R3")
	a.I("BGT loop")
	a.Ret()
}

// tapsNEON sums eight vectors at a time, then four and one, then elements.
func tapsNEON(a *Asm) {
	a.Begin(Func{Name: "taps_neon", Doc: tapsDoc("neon"), Params: tapsParams, Regs: `R3 elements left, R0 dst, R1 src, R4 off, R5 w, R6 taps
R7 and R8 off and w of a tap, R9 taps left, R10 source of one tap
V0-V7 sums, V16-V23 rows, V24 weight, V25 bias`})
	a.Load("n", "R3", "dst", "R0", "src", "R1", "off", "R4", "w", "R5", "taps", "R6")
	a.I("FMOVS %s, F25", a.FP("bias"))
	a.I("VDUP V25.S[0], V25.S4")
	sum := func(label string, nv int, scalar bool) {
		for i := range nv {
			a.I("VEOR V%d.B16, V%d.B16, V%d.B16", i, i, i)
		}
		a.I("MOVD R4, R7")
		a.I("MOVD R5, R8")
		a.I("MOVD R6, R9")
		a.Label(label, "one tap")
		a.I("MOVD.P 8(R7), R10")
		a.I("VLD1R.P 4(R8), [V24.S4]")
		a.I("ADD R1, R10, R10")
		switch {
		case scalar:
			a.I("FMOVS (R10), F16")
		case nv == 1:
			a.I("VLD1 (R10), [V16.S4]")
		default:
			for i := 0; i < nv; i += 4 {
				a.I("VLD1.P 64(R10), [V%d.S4, V%d.S4, V%d.S4, V%d.S4]", 16+i, 17+i, 18+i, 19+i)
			}
		}
		for i := range nv {
			a.W(FMLA(i, 16+i, 24))
		}
		a.I("SUBS $1, R9")
		a.I("BGT %s", label)
		for i := range nv {
			a.W(FADD(i, i, 25))
		}
	}
	for _, nv := range []int{8, 4, 1} {
		next := map[int]string{8: "less8", 4: "less4", 1: "tail"}[nv]
		a.Label(map[int]string{8: "block", 4: "four", 1: "one"}[nv], "vectors side by side: "+fmt.Sprint(nv))
		a.I("CMP $%d, R3", nv*4)
		a.I("BLT %s", next)
		sum(fmt.Sprintf("sum%d", nv), nv, false)
		if nv == 1 {
			a.I("VST1.P [V0.S4], 16(R0)")
		}
		for i := 0; i+3 < nv; i += 4 {
			a.I("VST1.P [V%d.S4, V%d.S4, V%d.S4, V%d.S4], 64(R0)", i, i+1, i+2, i+3)
		}
		a.I("ADD $%d, R1", nv*16)
		a.I("SUB $%d, R3", nv*4)
		a.I("B %s", map[int]string{8: "block", 4: "four", 1: "one"}[nv])
		a.Label(next, "fewer are left")
	}
	a.I("CBZ R3, done")
	sum("last", 1, true)
	a.I("FMOVS.P F0, 4(R0)")
	a.I("ADD $4, R1")
	a.I("SUB $1, R3")
	a.I("B tail")
	a.Label("done", "nothing is left")
	a.Ret()
}
