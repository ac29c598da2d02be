package main

import "fmt"

const reduceDir = "runtime/kernel/reduce"

// foldFuncs are the folds of many elements into 16 lanes.
var foldFuncs = []struct{ name, expr string }{
	{"sum", "acc[i%16] + x[i]"},
	{"max", "max32(acc[i%16], x[i])"},
	{"min", "min32(acc[i%16], x[i])"},
}

// reduceFiles generates the folds for every instruction set.
func reduceFiles() []*Asm {
	y := New("amd64", reduceDir, "reduce", "f32_avx2")
	z := New("amd64", reduceDir, "reduce", "f32_avx512")
	n := New("arm64", reduceDir, "reduce", "f32_neon")
	for _, f := range foldFuncs {
		foldX86(y, ymm, f.name, f.expr)
		foldX86(z, zmm, f.name, f.expr)
		foldNEON(n, f.name, f.expr)
	}
	return []*Asm{y, z, n}
}

const foldParams = "acc, x *float32, n int"

func foldDoc(name, isa, expr string) string {
	return fmt.Sprintf(`%s_%s folds n elements into 16 lanes:

	for i := range n {
		acc[i%%16] = %s
	}

n is a positive multiple of 16. No alignment is needed.
`, name, isa, expr)
}

func foldX86(a *Asm, v vec, name, expr string) {
	nv := 16 / v.lanes
	r := func(i int) string { return fmt.Sprintf("%s%d", v.reg, i) }
	and, or := "VANDPS", "VORPS"
	if v.lanes == 16 {
		and, or = "VPANDD", "VPORD"
	}
	a.Begin(Func{Name: name + "_" + v.isa, Params: foldParams, Doc: foldDoc(name, v.isa, expr),
		Regs: fmt.Sprintf("DI acc, SI x, CX elements left\n%s-%s lanes, %s element, %s and %s scratch", r(0), r(nv-1), r(4), r(5), r(6))})
	a.Load("acc", "DI", "x", "SI", "n", "CX")
	for i := range nv {
		a.I("VMOVUPS %d(DI), %s", i*v.lanes*4, r(i))
	}
	a.Label("loop", "16 elements")
	for i := range nv {
		acc := r(i)
		if name == "sum" {
			a.I("VADDPS %d(SI), %s, %s", i*v.lanes*4, acc, acc)
			continue
		}
		a.I("VMOVUPS %d(SI), %s", i*v.lanes*4, r(4))
		if name == "min" { // the or of both orders: NaN stays, -0 is below +0
			a.I("VMINPS %s, %s, %s", r(4), acc, r(5))
			a.I("VMINPS %s, %s, %s", acc, r(4), r(6))
			a.I("%s %s, %s, %s", or, r(5), r(6), acc)
			continue
		}
		// The and of both orders, and all ones where either is NaN.
		a.I("VMAXPS %s, %s, %s", r(4), acc, r(5))
		a.I("VMAXPS %s, %s, %s", acc, r(4), r(6))
		a.I("%s %s, %s, %s", and, r(5), r(6), r(5))
		if v.lanes == 16 {
			a.I("VCMPPS $3, %s, %s, K1", r(4), acc)
			a.I("VPMOVM2D K1, %s", r(6))
		} else {
			a.I("VCMPPS $3, %s, %s, %s", r(4), acc, r(6))
		}
		a.I("%s %s, %s, %s", or, r(5), r(6), acc)
	}
	a.I("ADDQ $64, SI")
	a.I("SUBQ $16, CX")
	a.I("JGT loop")
	for i := range nv {
		a.I("VMOVUPS %s, %d(DI)", r(i), i*v.lanes*4)
	}
	a.Ret()
}

func foldNEON(a *Asm, name, expr string) {
	op := map[string]func(d, n, m int) Enc{"sum": FADD, "max": FMAX, "min": FMIN}[name]
	a.Begin(Func{Name: name + "_neon", Params: foldParams, Doc: foldDoc(name, "neon", expr),
		Regs: "R0 acc, R1 x, R3 elements left\nV0-V3 lanes, V4-V7 elements"})
	a.Load("acc", "R0", "x", "R1", "n", "R3")
	a.I("VLD1 (R0), [V0.S4, V1.S4, V2.S4, V3.S4]")
	a.Label("loop", "16 elements")
	a.I("VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]")
	for i := range 4 {
		a.W(op(i, i, 4+i))
	}
	a.I("SUBS $16, R3")
	a.I("BGT loop")
	a.I("VST1 [V0.S4, V1.S4, V2.S4, V3.S4], (R0)")
	a.Ret()
}
