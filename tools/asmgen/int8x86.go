package main

import "fmt"

func gemmI8Next(mr int) string {
	return fmt.Sprintf("\nnext is where weights will be read next: of these, %d*kq bytes are fetched into\nthe second cache.\n", 4*mr)
}

// gemmI8AVX2 emits a tile on VPMADDWD, which is exact for every weight: a
// vector of a panel holds two steps of k of eight columns, and a pair of
// weights of a row meets it.
func gemmI8AVX2(a *Asm, mr int) {
	name := fmt.Sprintf("i8_%dx16_avx2", mr)
	acc := func(i, j int) string { return fmt.Sprintf("Y%d", 2*i+j) }
	a.Begin(Func{Name: name, Doc: gemmI8Doc(name, mr, 1, panelPairs) + gemmI8Next(mr), Params: gemmI8Params(true) + ", next *int8", Regs: fmt.Sprintf(`BX tiles left, CX groups left, R8 lda, R10 ldc in bytes, DX c, DI b, R11 next
SI rows 0-2 of a, R9 rows 3-5
Y0-Y%d sums by row, Y12-Y13 two steps of 16 columns, Y14-Y15 weights and products`, 2*mr-1)})
	a.Load("tiles", "BX", "a", "SI", "lda", "R8", "c", "DX", "ldc", "R10", "next", "R11")
	a.I("SHLQ $1, R8")
	a.I("SHLQ $2, R10")
	a.Label("tile", "clear the sums, set the pointers of one tile")
	a.Load("b", "DI", "kq", "CX")
	rowsX86(a, mr)
	for i := range 2 * mr {
		a.I("VPXOR Y%d, Y%d, Y%d", i, i, i)
	}
	a.Label("loop", "four steps of k, two by two")
	for u := range 2 {
		a.I("VMOVDQU %d(DI), Y12", 64*u)
		a.I("VMOVDQU %d(DI), Y13", 64*u+32)
		for i := range mr {
			a.I("VPBROADCASTD %s, Y14", rowX86(i, 4*u))
			a.I("VPMADDWD Y12, Y14, Y15")
			a.I("VPMADDWD Y13, Y14, Y14")
			a.I("VPADDD Y15, %s, %s", acc(i, 0), acc(i, 0))
			a.I("VPADDD Y14, %s, %s", acc(i, 1), acc(i, 1))
		}
	}
	a.I("PREFETCHT1 (R11)")
	a.I("ADDQ $%d, R11", 4*mr)
	a.I("ADDQ $128, DI")
	aheadX86(a, mr, 8)
	a.I("SUBQ $1, CX")
	a.I("JGT loop")

	a.Note("Write the tile, go to the rows below.")
	for i := range mr {
		a.I("VMOVDQU %s, (DX)", acc(i, 0))
		a.I("VMOVDQU %s, 32(DX)", acc(i, 1))
		a.I("ADDQ R10, DX")
	}
	a.Load("kq", "CX")
	nextTileX86(a, mr, 3)
}

// columnI8AVX2 emits a tile of one column, whose steps of k lie side by side
// as those of the rows do.
func columnI8AVX2(a *Asm, mr int) {
	name := fmt.Sprintf("i8_%dx1_avx2", mr)
	a.Begin(Func{Name: name, Doc: columnI8Doc(name, mr), Params: gemmI8Params(true), Regs: fmt.Sprintf(`BX tiles left, CX groups left, R8 lda, R10 ldc in bytes, DX c, DI b
SI rows 0-2 of a, R9 rows 3-5
Y0-Y%d sums by row, Y12 steps of the column, Y13-Y15 of a row, and products`, mr-1)})
	a.Load("tiles", "BX", "a", "SI", "lda", "R8", "c", "DX", "ldc", "R10")
	a.I("SHLQ $1, R8")
	a.I("SHLQ $2, R10")
	step := func(bytes int) {
		a.I("ADDQ $%d, DI", bytes)
		aheadX86(a, mr, bytes)
	}
	a.Label("tile", "clear the sums, set the pointers of one tile")
	a.Load("b", "DI", "kq", "CX")
	rowsX86(a, mr)
	for i := range mr {
		a.I("VPXOR Y%d, Y%d, Y%d", i, i, i)
	}
	a.I("SUBQ $4, CX")
	a.I("JLT rest")
	a.Label("loop", "sixteen steps of k")
	a.I("VMOVDQU (DI), Y12")
	for i := range mr {
		a.I("VPMADDWD %s, Y12, Y%d", rowX86(i, 0), 13+i%3)
		a.I("VPADDD Y%d, Y%d, Y%d", 13+i%3, i, i)
	}
	step(32)
	a.I("SUBQ $4, CX")
	a.I("JGE loop")
	a.Label("rest", "less than four groups remain, CX is their number less four")
	a.I("ADDQ $4, CX")
	a.I("JLE sum")
	a.Label("four", "four steps of k; the upper lanes are zero")
	a.I("VMOVQ (DI), X12")
	for i := range mr {
		a.I("VMOVQ %s, X%d", rowX86(i, 0), 13+i%3)
		a.I("VPMADDWD Y%d, Y12, Y%d", 13+i%3, 13+i%3)
		a.I("VPADDD Y%d, Y%d, Y%d", 13+i%3, i, i)
	}
	step(8)
	a.I("SUBQ $1, CX")
	a.I("JGT four")
	a.Label("sum", "add the lanes, write the tile, go to the rows below")
	for i := range mr {
		a.I("VEXTRACTI128 $1, Y%d, X13", i)
		a.I("VPADDD X13, X%d, X%d", i, i)
		a.I("VPSHUFD $0x4e, X%d, X13", i)
		a.I("VPADDD X13, X%d, X%d", i, i)
		a.I("VPSHUFD $0xb1, X%d, X13", i)
		a.I("VPADDD X13, X%d, X%d", i, i)
		a.I("VMOVD X%d, (DX)", i)
		a.I("ADDQ R10, DX")
	}
	a.Load("kq", "CX")
	nextTileX86(a, mr, 3)
}

// packI8AVX2 emits the packer of pairs as int16, or of groups of four bytes.
func packI8AVX2(a *Asm, wide bool) {
	name, panel := "packQuads_avx2", panelQuads
	if wide {
		name, panel = "packPairs_avx2", panelPairs
	}
	a.Begin(Func{Name: name, Doc: packI8Doc(name, panel), Params: packI8Params,
		Regs: "CX groups left, DX rows, SI src, DI dst, AX R8-R10 offsets\nX0-X3 rows, X4-X7 interleaved, X15 xor"})
	a.Load("kq", "CX", "rows", "DX", "src", "SI", "dst", "DI")
	spread(a, "xor", "AX", "X15")
	a.Label("loop", "four rows")
	for i, r := range []string{"AX", "R8", "R9", "R10"} {
		a.I("MOVLQSX %d(DX), %s", 4*i, r)
		a.I("VPXOR (SI)(%s*1), X15, X%d", r, i)
	}
	a.I("VPUNPCKLBW X1, X0, X4")
	a.I("VPUNPCKHBW X1, X0, X5")
	a.I("VPUNPCKLBW X3, X2, X6")
	a.I("VPUNPCKHBW X3, X2, X7")
	if wide {
		for i := range 4 {
			a.I("VPMOVZXBW X%d, Y%d", 4+i, i)
			a.I("VMOVDQU Y%d, %d(DI)", i, 32*i)
		}
		a.I("ADDQ $128, DI")
	} else {
		for i := range 2 {
			a.I("VPUNPCKLWD X%d, X%d, X%d", 6+i, 4+i, 2*i)
			a.I("VPUNPCKHWD X%d, X%d, X%d", 6+i, 4+i, 2*i+1)
		}
		for i := range 4 {
			a.I("VMOVDQU X%d, %d(DI)", i, 16*i)
		}
		a.I("ADDQ $64, DI")
	}
	a.I("ADDQ $16, DX")
	a.I("SUBQ $1, CX")
	a.I("JGT loop")
	a.Ret()
}

func widenAVX2(a *Asm) {
	a.Begin(Func{Name: "widen_avx2", Doc: widenDoc("widen_avx2"), Params: "n int, src *int8, dst *int16", Regs: "CX elements left, SI src, DI dst"})
	a.Load("n", "CX", "src", "SI", "dst", "DI")
	a.I("SUBQ $16, CX")
	a.I("JLT rest")
	a.Label("loop", "sixteen elements")
	a.I("VPMOVSXBW (SI), Y0")
	a.I("VMOVDQU Y0, (DI)")
	a.I("ADDQ $16, SI")
	a.I("ADDQ $32, DI")
	a.I("SUBQ $16, CX")
	a.I("JGE loop")
	a.Label("rest", "less than sixteen remain, CX is their number less sixteen")
	a.I("ADDQ $16, CX")
	a.I("JLE done")
	a.Label("four", "four elements")
	a.I("VMOVD (SI), X0")
	a.I("VPMOVSXBW X0, X0")
	a.I("VMOVQ X0, (DI)")
	a.I("ADDQ $4, SI")
	a.I("ADDQ $8, DI")
	a.I("SUBQ $4, CX")
	a.I("JGT four")
	a.Label("done", "nothing is left")
	a.Ret()
}

// gemmI8VNNI emits a tile on VPDPBUSD, the panel being its unsigned operand.
func gemmI8VNNI(a *Asm, mr, np int) {
	name := fmt.Sprintf("i8_%dx%d_avx512vnni", mr, 16*np)
	acc := func(i, j int) string { return fmt.Sprintf("Z%d", np*i+j) }
	a.Begin(Func{Name: name, Doc: gemmI8Doc(name, mr, np, panelQuads), Params: gemmI8Params(false), Regs: fmt.Sprintf(`BX tiles left, CX groups left, R8 lda, R10 ldc in bytes, DX c
DI panel 0 of b, R14 panel 1; SI rows 0-2 of a, R9 3-5, R11 6-8, R12 9-11, R13 12-13
Z0-Z%d sums by row, Z28-Z29 four steps of the columns, Z30 weights of a row`, np*mr-1)})
	a.Load("tiles", "BX", "a", "SI", "lda", "R8", "c", "DX", "ldc", "R10")
	a.I("SHLQ $2, R10")
	a.Label("tile", "clear the sums, set the pointers of one tile")
	a.Load("b", "DI", "kq", "CX")
	if np == 2 {
		a.Load("ldb", "R14")
		a.I("ADDQ DI, R14")
	}
	rowsX86(a, mr)
	for i := range mr * np {
		a.I("VPXORQ Z%d, Z%d, Z%d", i, i, i)
	}
	a.Label("loop", "four steps of k")
	a.I("VMOVDQU32 (DI), Z28")
	if np == 2 {
		a.I("VMOVDQU32 (R14), Z29")
	}
	for i := range mr {
		a.I("VPBROADCASTD %s, Z%d", rowX86(i, 0), 30+i%2)
		for j := range np {
			a.I("VPDPBUSD Z%d, Z%d, %s", 30+i%2, 28+j, acc(i, j))
		}
	}
	a.I("ADDQ $64, DI")
	if np == 2 {
		a.I("ADDQ $64, R14")
	}
	aheadX86(a, mr, 4)
	a.I("SUBQ $1, CX")
	a.I("JGT loop")
	a.Note("Write the tile, go to the rows below.")
	for i := range mr {
		for j := range np {
			a.I("VMOVDQU32 %s, %d(DX)", acc(i, j), 64*j)
		}
		a.I("ADDQ R10, DX")
	}
	a.Load("kq", "CX")
	nextTileX86(a, mr, 2)
}
