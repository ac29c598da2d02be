package main

import "fmt"

// vec is a vector register file of amd64.
type vec struct {
	reg   string // "Y" or "Z"
	lanes int    // float32 per register
	count int    // registers
	zero  string // instruction that zeroes
	isa   string // suffix of names
}

var (
	ymm = vec{"Y", 8, 16, "VXORPS", "avx2"}
	zmm = vec{"Z", 16, 32, "VPXORQ", "avx512"}
)

// gemmX86 emits one tile of mr rows and np panels.
//
// Rows of A are addressed three to a pointer: base, base+lda, base+2*lda. The
// vectors of B stay in registers while the rows pass (each element of A is
// broadcast from memory), except in low wide tiles, where the rows' elements
// stay and the vectors of B pass.
func gemmX86(a *Asm, v vec, mr, np int) {
	t := &tileX86{Asm: a, vec: v, mr: mr, np: np, nv: np * 16 / v.lanes}
	t.rowsStay = mr*t.nv+t.nv+1 > v.count || np == 4
	name := fmt.Sprintf("f32_%dx%d_%s", mr, np*16, v.isa)
	a.Begin(Func{Name: name, Doc: gemmDoc(name, mr, np), Regs: t.regs(), Params: gemmParams})
	a.Load("tiles", "BX", "a", "SI", "lda", "R8", "c", "DX", "ldc", "R10")
	a.I("SHLQ $2, R8")
	a.I("SHLQ $2, R10")
	if np > 1 {
		a.Load("ldb", "R14")
		a.I("SHLQ $2, R14")
	}

	a.Label("tile", "clear the sums, set the pointers of one tile")
	a.Load("b", "DI", "kc", "CX")
	t.pointers()
	for i := range mr * t.nv {
		a.I("%s %s, %s, %s", v.zero, t.r(i), t.r(i), t.r(i))
	}
	t.prefetchC()
	const unroll = 4
	a.I("SUBQ $%d, CX", unroll)
	a.I("JLT rest")

	a.Label("loop", "four steps of k")
	for u := range unroll {
		t.step(u)
	}
	t.advance(unroll)
	a.I("SUBQ $%d, CX", unroll)
	a.I("JGE loop")

	a.Label("rest", "zero to three steps remain, CX is their number less four")
	a.I("ADDQ $%d, CX", unroll)
	a.I("JLE sum")

	a.Label("one", "one step of k")
	t.step(0)
	t.advance(1)
	a.I("SUBQ $1, CX")
	a.I("JGT one")

	a.Label("sum", "add what C holds where acc is set")
	a.I("CMPQ %s, $0", a.FP("acc"))
	a.I("JEQ store")
	a.I("MOVQ DX, AX")
	for i := range mr {
		for j := range t.nv {
			a.I("VADDPS %d(AX), %s, %s", j*v.lanes*4, t.acc(i, j), t.acc(i, j))
		}
		if i < mr-1 {
			a.I("ADDQ R10, AX")
		}
	}

	a.Label("store", "write the tile, go to the rows below")
	for i := range mr {
		for j := range t.nv {
			a.I("VMOVUPS %s, %d(DX)", t.acc(i, j), j*v.lanes*4)
		}
		a.I("ADDQ R10, DX")
	}
	a.Load("kc", "CX")
	nextTileX86(a, mr, 2)
}

type tileX86 struct {
	*Asm
	vec
	mr, np, nv int
	rowsStay   bool
}

// rowPtr holds rows 0-2, 3-5 and so on.
var rowPtr = [...]string{"SI", "R9", "R11", "R12", "R13"}

func (t *tileX86) r(i int) string      { return fmt.Sprintf("%s%d", t.reg, i) }
func (t *tileX86) acc(i, j int) string { return t.r(i*t.nv + j) }

// tmp names the registers above the sums.
func (t *tileX86) tmp(i int) string { return t.r(t.mr*t.nv + i) }

func (t *tileX86) regs() string {
	n := t.mr * t.nv
	s := "BX tiles left, CX steps left, R8 lda, R10 ldc in bytes, DX c, AX scratch\n"
	s += "SI rows 0-2 of a"
	for i := 3; i < t.mr; i += 3 {
		s += fmt.Sprintf(", %s rows %d-%d", rowPtr[i/3], i, min(i+2, t.mr-1))
	}
	s += "\nDI panel 0 of b"
	if t.np > 1 {
		s += ", R14 distance of panels in bytes"
	}
	if t.np > 2 {
		s += ", R13 panel 2"
	}
	s += fmt.Sprintf("\n%s-%s sums by row, %s and up ", t.r(0), t.r(n-1), t.r(n))
	if t.rowsStay {
		return s + "elements of a, then a vector of b"
	}
	return s + "vectors of b, then elements of a"
}

// rowsX86 derives the pointers of the rows from 3 on from SI.
func rowsX86(a *Asm, mr int) {
	for i := 3; i < mr; i += 3 {
		a.I("LEAQ (%s)(R8*2), %s", rowPtr[i/3-1], rowPtr[i/3])
		a.I("ADDQ R8, %s", rowPtr[i/3])
	}
}

// rowX86 is the operand at an offset in row i.
func rowX86(i, bytes int) string {
	return fmt.Sprintf("%d(%s)", bytes, rowPtr[i/3]) + [...]string{"", "(R8*1)", "(R8*2)"}[i%3]
}

// aheadX86 moves the pointers of all rows.
func aheadX86(a *Asm, mr, bytes int) {
	for i := 0; i < mr; i += 3 {
		a.I("ADDQ $%d, %s", bytes, rowPtr[i/3])
	}
}

// nextTileX86 ends a tile whose rows were read to their ends, CX steps of
// 1<<shift bytes: SI goes to the row below it.
func nextTileX86(a *Asm, mr, shift int) {
	a.I("SHLQ $%d, CX", shift)
	a.I("SUBQ CX, SI")
	for i := 0; i+1 < mr; i += 2 {
		a.I("LEAQ (SI)(R8*2), SI")
	}
	if mr%2 == 1 {
		a.I("ADDQ R8, SI")
	}
	a.I("SUBQ $1, BX")
	a.I("JGT tile")
	a.Ret()
}

// pointers derives the row and panel pointers from SI and DI.
func (t *tileX86) pointers() {
	rowsX86(t.Asm, t.mr)
	if t.np > 2 {
		t.I("LEAQ (DI)(R14*2), R13")
	}
}

func (t *tileX86) prefetchC() {
	t.I("MOVQ DX, AX")
	for i := range t.mr {
		for p := range t.np {
			t.I("PREFETCHT0 %d(AX)", p*64)
		}
		if i < t.mr-1 {
			t.I("ADDQ R10, AX")
		}
	}
}

// rowAt is the operand of element k+u of row i.
func (t *tileX86) rowAt(i, u int) string { return rowX86(i, 4*u) }

// vecAt is the operand of vector j of B in step u.
func (t *tileX86) vecAt(j, u int) string {
	per := 16 / t.lanes
	p, off := j/per, u*64+j%per*t.lanes*4
	base := "DI"
	if p >= 2 {
		base = "R13"
	}
	if p%2 == 1 {
		return fmt.Sprintf("%d(%s)(R14*1)", off, base)
	}
	return fmt.Sprintf("%d(%s)", off, base)
}

// ahead is how far ahead of its use B is prefetched.
const ahead = 1024

func (t *tileX86) step(u int) {
	for p := range t.np {
		if t.mr <= 3 { // B comes from beyond L1 where few rows share it
			t.I("PREFETCHT0 %s", t.vecAt(p*16/t.lanes, u+ahead/64))
		}
	}
	if t.rowsStay {
		for i := range t.mr {
			t.I("VBROADCASTSS %s, %s", t.rowAt(i, u), t.tmp(i))
		}
		for j := range t.nv {
			if t.mr == 1 {
				t.I("VFMADD231PS %s, %s, %s", t.vecAt(j, u), t.tmp(0), t.acc(0, j))
				continue
			}
			b := t.tmp(t.mr + j%(t.count-t.mr*t.nv-t.mr))
			t.I("VMOVUPS %s, %s", t.vecAt(j, u), b)
			for i := range t.mr {
				t.I("VFMADD231PS %s, %s, %s", b, t.tmp(i), t.acc(i, j))
			}
		}
		return
	}
	for j := range t.nv {
		t.I("VMOVUPS %s, %s", t.vecAt(j, u), t.tmp(j))
	}
	for i := range t.mr {
		e := t.tmp(t.nv + i%(t.count-t.mr*t.nv-t.nv))
		t.I("VBROADCASTSS %s, %s", t.rowAt(i, u), e)
		for j := range t.nv {
			t.I("VFMADD231PS %s, %s, %s", t.tmp(j), e, t.acc(i, j))
		}
	}
}

// advance moves the pointers over n steps.
func (t *tileX86) advance(n int) {
	aheadX86(t.Asm, t.mr, n*4)
	t.I("ADDQ $%d, DI", n*64)
	if t.np > 2 {
		t.I("ADDQ $%d, R13", n*64)
	}
}

// packTX86 emits the transposing packer: 16 rows of a matrix become a panel.
func packTX86(a *Asm) {
	a.Begin(Func{Name: "packT_avx2", Params: "kc int, src *float32, ld int, dst *float32",
		Doc: packTDoc("avx2"),
		Regs: `CX steps left, R8 ld in bytes, DI dst
SI rows 0-2 of the upper eight, R9 3-5, R11 6-7; AX bytes to the lower eight
Y0-Y7 rows, then columns; Y8-Y15 halves of the transposition`})
	a.Load("kc", "CX", "src", "SI", "ld", "R8", "dst", "DI")
	a.I("SHLQ $2, R8")

	a.Label("loop", "eight columns of both halves of the rows")
	for half := range 2 {
		if half == 0 {
			a.I("MOVQ SI, AX")
		} else {
			a.I("LEAQ (SI)(R8*8), AX")
		}
		a.I("LEAQ (AX)(R8*2), R9")
		a.I("ADDQ R8, R9")
		a.I("LEAQ (R9)(R8*2), R11")
		a.I("ADDQ R8, R11")
		base := []string{"AX", "R9", "R11"}
		for i := range 8 {
			a.I("VMOVUPS (%s)%s, Y%d", base[i/3], []string{"", "(R8*1)", "(R8*2)"}[i%3], i)
		}
		// Pairs of rows interleave, then pairs of pairs, then the 128-bit halves.
		for i := 0; i < 8; i += 2 {
			a.I("VUNPCKLPS Y%d, Y%d, Y%d", i+1, i, 8+i)
			a.I("VUNPCKHPS Y%d, Y%d, Y%d", i+1, i, 9+i)
		}
		for q := 0; q < 8; q += 4 { // rows q..q+3; columns c and c+4 land in register q+c
			a.I("VSHUFPS $0x44, Y%d, Y%d, Y%d", 10+q, 8+q, q)
			a.I("VSHUFPS $0xee, Y%d, Y%d, Y%d", 10+q, 8+q, q+1)
			a.I("VSHUFPS $0x44, Y%d, Y%d, Y%d", 11+q, 9+q, q+2)
			a.I("VSHUFPS $0xee, Y%d, Y%d, Y%d", 11+q, 9+q, q+3)
		}
		for c := range 4 {
			a.I("VPERM2F128 $0x20, Y%d, Y%d, Y8", 4+c, c)
			a.I("VPERM2F128 $0x31, Y%d, Y%d, Y9", 4+c, c)
			a.I("VMOVUPS Y8, %d(DI)", c*64+half*32)
			a.I("VMOVUPS Y9, %d(DI)", (c+4)*64+half*32)
		}
	}
	a.I("ADDQ $32, SI")
	a.I("ADDQ $512, DI")
	a.I("SUBQ $8, CX")
	a.I("JGT loop")
	a.Ret()
}

// packX86 emits the straight packer: rows of 16*np columns become np panels.
func packX86(a *Asm, np int) {
	regs := "CX rows left, SI row, R8 ld in bytes, R9 row to prefetch\nDI panel 0"
	if np > 1 {
		regs += ", R10 size of a panel, R11 panel 3, all in bytes"
	}
	a.Begin(Func{Name: fmt.Sprintf("pack%d_avx2", np), Params: "kc int, src *float32, ld int, dst *float32",
		Doc:  packDoc("avx2", np),
		Regs: regs + fmt.Sprintf("\nY0-Y%d the row", 2*np-1)})
	a.Load("kc", "CX", "src", "SI", "ld", "R8", "dst", "DI")
	a.I("SHLQ $2, R8")
	if np > 1 {
		a.I("MOVQ CX, R10")
		a.I("SHLQ $6, R10")
		a.I("LEAQ (DI)(R10*2), R11")
		a.I("ADDQ R10, R11")
	}
	a.I("LEAQ (SI)(R8*8), R9")

	a.Label("loop", "one row")
	for i := range np {
		a.I("PREFETCHT0 %d(R9)", 64*i)
	}
	for i := range 2 * np {
		a.I("VMOVUPS %d(SI), Y%d", 32*i, i)
	}
	for i, at := range []string{"(DI)", "(DI)(R10*1)", "(DI)(R10*2)", "(R11)"}[:np] {
		a.I("VMOVUPS Y%d, %s", 2*i, at)
		a.I("VMOVUPS Y%d, 32%s", 2*i+1, at)
	}
	a.I("ADDQ R8, SI")
	a.I("ADDQ R8, R9")
	a.I("ADDQ $64, DI")
	if np > 1 {
		a.I("ADDQ $64, R11")
	}
	a.I("SUBQ $1, CX")
	a.I("JGT loop")
	a.Ret()
}
