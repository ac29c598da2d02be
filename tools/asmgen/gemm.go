package main

import "fmt"

const gemmDir = "runtime/kernel/gemm"

// gemmFiles generates the matrix-product kernels: for each instruction set the
// tiles of mr rows by np panels of 16 columns that its Micro dispatches to.
func gemmFiles() []*Asm {
	y := New("amd64", gemmDir, "gemm", "f32_avx2")
	for mr := 1; mr <= 6; mr++ {
		gemmX86(y, ymm, mr, 1)
	}
	gemmX86(y, ymm, 1, 4)
	gemmX86(y, ymm, 2, 2)
	gemmX86(y, ymm, 3, 2)
	packX86(y, 1)
	packX86(y, 4)
	packTX86(y)

	z := New("amd64", gemmDir, "gemm", "f32_avx512")
	for np := 1; np <= 2; np++ {
		for mr := 1; mr <= 14; mr++ {
			gemmX86(z, zmm, mr, np)
		}
	}
	for mr := 1; mr <= 3; mr++ {
		gemmX86(z, zmm, mr, 4)
	}

	n := New("arm64", gemmDir, "gemm", "f32_neon")
	for mr := 1; mr <= 4; mr++ {
		gemmNEON(n, mr, 1)
	}
	gemmNEON(n, 1, 2)
	gemmNEON(n, 2, 2)
	packNEON(n, 1)
	packNEON(n, 4)
	packTNEON(n)
	return []*Asm{y, z, n}
}

const gemmParams = "tiles, kc int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, acc int"

// gemmDoc is the contract of a tile, shared by all instruction sets.
func gemmDoc(name string, mr, np int) string {
	panels := "a single panel, ldb is not used"
	if np > 1 {
		panels = fmt.Sprintf("%d panels of 16 columns", np)
	}
	return fmt.Sprintf(`%s multiplies tiles of %d rows by %s:

	for range tiles {
		for i := range %d {
			for j := range %d {
				s := float32(0)
				for k := range kc {
					s = fma(a[i*lda+k], b[j/16*ldb+k*16+j%%16], s)
				}
				if acc != 0 {
					s = c[i*ldc+j] + s
				}
				c[i*ldc+j] = s
			}
		}
		a, c = a[%d*lda:], c[%d*ldc:]
	}

Strides are in elements; tiles and kc are at least 1. No alignment is needed,
c overlaps neither a nor b, and nothing outside the elements named is read or
written.
`, name, mr, panels, mr, np*16, mr, mr)
}

func packDoc(isa string, np int) string {
	return fmt.Sprintf(`pack%d_%s copies %d columns into adjacent panels:

	for k := range kc {
		for j := range %d {
			dst[j/16*kc*16+k*16+j%%16] = src[k*ld+j]
		}
	}

kc is at least 1, ld is in elements; no alignment is needed, src and dst don't
overlap.
`, np, isa, np*16, np*16)
}

func packTDoc(isa string) string {
	return fmt.Sprintf(`packT_%s transposes 16 rows into a panel:

	for k := range kc {
		for j := range 16 {
			dst[k*16+j] = src[j*ld+k]
		}
	}

kc is a multiple of 8 and at least 8, ld is in elements; no alignment is
needed, src and dst don't overlap.
`, isa)
}
