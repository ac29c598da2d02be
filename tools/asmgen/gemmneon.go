package main

import "fmt"

// gemmNEON emits one tile of mr rows and np panels. Four steps of k at a time:
// a vector holds four elements of a row of A, and the multiply-add takes one
// of them for all its lanes.
func gemmNEON(a *Asm, mr, np int) {
	name := fmt.Sprintf("f32_%dx%d_neon", mr, np*16)
	nv := np * 4
	acc := func(i, j int) int { return 32 - mr*nv + i*nv + j }
	regs := "R0 tiles left, R1 steps left, R3 lda, R7 ldc in bytes, R6 c, R2 a, R12 scratch\n"
	regs += fmt.Sprintf("R8-R%d rows of a, R4 panel 0 of b", 7+mr)
	if np == 2 {
		regs += ", R5 panel 1"
	}
	regs += fmt.Sprintf("\nV0-V%d four elements of a row each, V4-V7 vectors of b, V%d-V31 sums by row", mr-1, acc(0, 0))
	a.Begin(Func{Name: name, Doc: gemmDoc(name, mr, np), Regs: regs, Params: gemmParams})
	a.Load("tiles", "R0", "a", "R2", "lda", "R3", "c", "R6", "ldc", "R7")
	a.I("LSL $2, R3, R3")
	a.I("LSL $2, R7, R7")

	a.Label("tile", "clear the sums, set the pointers of one tile")
	a.Load("b", "R4", "kc", "R1")
	if np == 2 {
		a.Load("ldb", "R5")
		a.I("ADD R5<<2, R4, R5")
	}
	a.I("MOVD R2, R8")
	for i := 1; i < mr; i++ {
		a.I("ADD R3, R%d, R%d", 7+i, 8+i)
	}
	for i := acc(0, 0); i < 32; i++ {
		a.I("VEOR V%d.B16, V%d.B16, V%d.B16", i, i, i)
	}
	step := func(lane int) {
		for p := range np {
			a.I("VLD1.P 64(R%d), [V4.S4, V5.S4, V6.S4, V7.S4]", 4+p)
			for i := range mr {
				for j := range 4 {
					a.W(FMLAElem(acc(i, p*4+j), 4+j, i, lane))
				}
			}
		}
	}
	a.I("SUBS $4, R1")
	a.I("BLT rest")

	a.Label("loop", "four steps of k")
	for i := range mr {
		a.I("VLD1.P 16(R%d), [V%d.S4]", 8+i, i)
	}
	for u := range 4 {
		step(u)
	}
	a.I("SUBS $4, R1")
	a.I("BGE loop")

	a.Label("rest", "zero to three steps remain, R1 is their number less four")
	a.I("ADDS $4, R1")
	a.I("BEQ sum")

	a.Label("one", "one step of k")
	for i := range mr {
		a.I("FMOVS.P 4(R%d), F%d", 8+i, i)
	}
	step(0)
	a.I("SUBS $1, R1")
	a.I("BGT one")

	a.Label("sum", "add what C holds where acc is set")
	a.Load("acc", "R12")
	a.I("CBZ R12, store")
	a.I("MOVD R6, R12")
	for i := range mr {
		for p := range np {
			if p == 0 && np > 1 {
				a.I("ADD $64, R12, R13")
			}
			a.I("VLD1 (R%d), [V4.S4, V5.S4, V6.S4, V7.S4]", 12+p)
			for j := range 4 {
				a.W(FADD(acc(i, p*4+j), 4+j, acc(i, p*4+j)))
			}
		}
		if i < mr-1 {
			a.I("ADD R7, R12, R12")
		}
	}

	a.Label("store", "write the tile, go to the rows below")
	for i := range mr {
		for p := range np {
			if p == 0 && np > 1 {
				a.I("ADD $64, R6, R13")
			}
			q := acc(i, p*4)
			a.I("VST1 [V%d.S4, V%d.S4, V%d.S4, V%d.S4], (R%d)", q, q+1, q+2, q+3, [...]int{6, 13}[p])
		}
		a.I("ADD R7, R6, R6")
		a.I("ADD R3, R2, R2")
	}
	a.I("SUBS $1, R0")
	a.I("BGT tile")
	a.Ret()
}

// packNEON emits the straight packer: rows of 16*np columns become np panels.
func packNEON(a *Asm, np int) {
	a.Begin(Func{Name: fmt.Sprintf("pack%d_neon", np), Params: "kc int, src *float32, ld int, dst *float32",
		Doc:  packDoc("neon", np),
		Regs: "R0 rows left, R1 row, R2 ld in bytes, R3 scratch\n" + fmt.Sprintf("R8-R%d panels, V0-V3 16 columns", 7+np)})
	a.Load("kc", "R0", "src", "R1", "ld", "R2", "dst", "R8")
	a.I("LSL $2, R2, R2")
	for p := 1; p < np; p++ {
		a.I("ADD R0<<6, R%d, R%d", 7+p, 8+p)
	}

	a.Label("loop", "one row")
	a.I("MOVD R1, R3")
	for p := range np {
		a.I("VLD1.P 64(R3), [V0.S4, V1.S4, V2.S4, V3.S4]")
		a.I("VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R%d)", 8+p)
	}
	a.I("ADD R2, R1, R1")
	a.I("SUBS $1, R0")
	a.I("BGT loop")
	a.Ret()
}

// packTNEON emits the transposing packer, in squares of four by four.
func packTNEON(a *Asm) {
	a.Begin(Func{Name: "packT_neon", Params: "kc int, src *float32, ld int, dst *float32",
		Doc: packTDoc("neon"),
		Regs: `R0 steps left, R1 four columns of row 0, R2 ld in bytes, R3 row, R4 dst
V0-V3 rows, V4-V7 their halves interleaved, V16-V31 four columns of 16 rows`})
	a.Load("kc", "R0", "src", "R1", "ld", "R2", "dst", "R4")
	a.I("LSL $2, R2, R2")

	a.Label("loop", "four columns of all rows")
	a.I("MOVD R1, R3")
	for q := range 4 {
		for i := range 4 {
			a.I("VLD1 (R3), [V%d.S4]", i)
			a.I("ADD R2, R3, R3")
		}
		for i := range 2 {
			a.I("VTRN1 V%d.S4, V%d.S4, V%d.S4", 2*i+1, 2*i, 4+2*i)
			a.I("VTRN2 V%d.S4, V%d.S4, V%d.S4", 2*i+1, 2*i, 5+2*i)
		}
		for c := range 2 { // column c of this square is quad q of row c of the panel
			a.I("VTRN1 V%d.D2, V%d.D2, V%d.D2", 6+c, 4+c, 16+4*c+q)
			a.I("VTRN2 V%d.D2, V%d.D2, V%d.D2", 6+c, 4+c, 24+4*c+q)
		}
	}
	for c := range 4 {
		v := 16 + 4*c
		a.I("VST1.P [V%d.S4, V%d.S4, V%d.S4, V%d.S4], 64(R4)", v, v+1, v+2, v+3)
	}
	a.I("ADD $16, R1, R1")
	a.I("SUBS $4, R0")
	a.I("BGT loop")
	a.Ret()
}
