package main

import "fmt"

const quantDir = "runtime/kernel/quant"

// int8Files generates the 8-bit kernels: tiles and packers of the integer
// matrix product, sums of taps of the depthwise convolution, and the loops
// between float32, int32 sums and bytes.
func int8Files() []*Asm {
	y := New("amd64", gemmDir, "gemm", "i8_avx2")
	for mr := 1; mr <= 6; mr++ {
		gemmI8AVX2(y, mr)
	}
	for mr := 1; mr <= 6; mr++ {
		columnI8AVX2(y, mr)
	}
	packI8AVX2(y, true)
	packI8AVX2(y, false)
	widenAVX2(y)

	z := New("amd64", gemmDir, "gemm", "i8_avx512vnni")
	for np := 1; np <= 2; np++ {
		for mr := 1; mr <= 14; mr++ {
			gemmI8VNNI(z, mr, np)
		}
	}

	n := New("arm64", gemmDir, "gemm", "i8_neon")
	for mr := 1; mr <= 4; mr++ {
		gemmI8NEON(n, mr)
	}
	packI8NEON(n, true)
	packI8NEON(n, false)
	widenNEON(n)

	d := New("arm64", gemmDir, "gemm", "i8_dotprod")
	for mr := 1; mr <= 4; mr++ {
		gemmI8Dot(d, mr)
	}

	q := New("amd64", quantDir, "quant", "i8_avx2")
	requantAVX2(q, false)
	requantAVX2(q, true)
	quantizeAVX2(q)
	dequantizeAVX2(q)
	addI8AVX2(q)
	evensI8AVX2(q)
	maxI8AVX2(q, false)
	maxI8AVX2(q, true)
	boundsAVX2(q)
	offsetAVX2(q)

	qn := New("arm64", quantDir, "quant", "i8_neon")
	requantNEON(qn, false)
	requantNEON(qn, true)
	quantizeNEON(qn)
	dequantizeNEON(qn)
	addI8NEON(qn)
	evensI8NEON(qn)
	maxI8NEON(qn, false)
	maxI8NEON(qn, true)
	boundsNEON(qn)
	offsetNEON(qn)

	t := New("amd64", dwconvDir, "dwconv", "i8_avx2")
	tapsI8AVX2(t)
	tn := New("arm64", dwconvDir, "dwconv", "i8_neon")
	tapsI8NEON(tn)
	return []*Asm{y, z, n, d, q, qn, t, tn}
}

// gemmI8Params: elements of a are int16 where the tile is wide, else int8.
func gemmI8Params(wide bool) string {
	typ := "int8"
	if wide {
		typ = "int16"
	}
	return "tiles, kq int, a *" + typ + ", lda int, b *uint8, ldb int, c *int32, ldc int"
}

func gemmI8Doc(name string, mr, np int, panel string) string {
	return fmt.Sprintf(`%s multiplies tiles of %d rows by %d panels of 16 columns, in groups of
four steps of k:

	for range tiles {
		for i := range %d {
			for j := range %d {
				s := int32(0)
				for k := range 4 * kq {
					s += int32(a[i*lda+k]) * int32(at(b[j/16*ldb:], k, j%%16))
				}
				c[i*ldc+j] = s
			}
		}
		a, c = a[%d*lda:], c[%d*ldc:]
	}

%s
Strides are in elements, ldb in bytes; tiles and kq are at least 1. No
alignment is needed, c overlaps neither a nor b, and nothing outside the
elements named is read or written.
`, name, mr, np, mr, np*16, mr, mr, panel)
}

func columnI8Doc(name string, mr int) string {
	return fmt.Sprintf(`%s multiplies tiles of %d rows by one column, in groups of four steps
of k:

	for range tiles {
		for i := range %d {
			s := int32(0)
			for k := range 4 * kq {
				s += int32(a[i*lda+k]) * int32(at(b, k))
			}
			c[i*ldc] = s
		}
		a, c = a[%d*lda:], c[%d*ldc:]
	}

at is the int16 at [k]; ldb means nothing. Strides are in elements; tiles and
kq are at least 1. No alignment is needed, c overlaps neither a nor b, and
nothing outside the elements named is read or written.
`, name, mr, mr, mr, mr)
}

const (
	panelPairs = "at is the int16 at [k/2][j][k%2] of a panel."
	panelRows  = "at is the int16 at [k][j] of a panel."
	panelQuads = "at is the byte at [k/4][j][k%4] of a panel, unsigned."
	panelSQuad = "at is the byte at [k/4][j][k%4] of a panel, signed."
)

const packI8Params = "kq int, rows *int32, src *uint8, xor uint32, dst *uint8"

func packI8Doc(name, panel string) string {
	return fmt.Sprintf(`%s gathers 16 columns into a panel, turning bits by xor, whose four bytes
are equal:

	for k := range 4 * kq {
		for j := range 16 {
			at(dst, k, j) = src[rows[k]+j] ^ byte(xor)
		}
	}

%s
kq is at least 1; no alignment is needed, dst overlaps nothing.
`, name, panel)
}

func widenDoc(name string) string {
	return fmt.Sprintf(`%s widens signed bytes:

	for i := range n {
		dst[i] = int16(src[i])
	}

n is a positive multiple of 4. No alignment is needed, dst and src do not overlap.
`, name)
}

const requantParams = "n int, acc *int32, corr int32, m float32, r *Rule, dst *uint8"
const requantColsParams = "n int, acc, corr *int32, m *float32, r *Rule, dst *uint8"

func requantDoc(name string, cols bool) string {
	index := ""
	if cols {
		index = "[i]"
	}
	return fmt.Sprintf(`%s turns sums into bytes:

	for i := range n {
		v := min(max(float32(acc[i]+corr%s)*m%s, r.Lo), r.Hi)
		dst[i] = uint8(int32(rne(v))+r.Zero) ^ uint8(r.Xor)
	}

n is a positive multiple of 16. No alignment is needed, dst overlaps nothing.
`, name, index, index)
}

const quantizeParams = "n int, src *float32, scale float32, r *Rule, dst *uint8"

func quantizeDoc(name string) string {
	return fmt.Sprintf(`%s quantizes:

	for i := range n {
		v := src[i] / scale // 0 where that is NaN
		v = min(max(v, r.Lo), r.Hi)
		dst[i] = uint8(int32(rne(v))+r.Zero) ^ uint8(r.Xor)
	}

n is a positive multiple of 16. No alignment is needed, dst does not overlap src.
`, name)
}

const dequantizeParams = "n int, src *uint8, xor uint32, zero int32, scale float32, dst *float32"

func dequantizeDoc(name string) string {
	return fmt.Sprintf(`%s is the way back:

	for i := range n {
		dst[i] = float32(int32(src[i]^uint8(xor))-zero) * scale
	}

n is a positive multiple of 16. No alignment is needed, dst does not overlap src.
`, name)
}

const addI8Params = "n int, a, b *uint8, p *Sum, r *Rule, dst *uint8"

func addI8Doc(name string) string {
	return fmt.Sprintf(`%s adds quantized values:

	for i := range n {
		u := float32(int32(a[i]^uint8(p.XorA))-p.ZeroA) * p.A
		v := float32(int32(b[i]^uint8(p.XorB))-p.ZeroB) * p.B
		w := min(max((u+v)/p.Y, r.Lo), r.Hi)
		dst[i] = uint8(int32(rne(w))+r.Zero) ^ uint8(r.Xor)
	}

Nothing is fused. n is a positive multiple of 16. No alignment is needed, dst
may be a or b.
`, name)
}

const tapsI8Params = "n int, acc *int32, src *uint8, xor uint32, off *int, w *int16, pairs int"

func tapsI8Doc(name string) string {
	return fmt.Sprintf(`%s is a weighted sum of shifted rows:

	for i := range n {
		s := int32(0)
		for t := range 2 * pairs {
			s += int32(src[off[t]+i]^byte(xor)) * int32(w[t])
		}
		acc[i] = s
	}

The four bytes of xor are equal. n is a positive multiple of 16, pairs at least
1. No alignment is needed, acc overlaps nothing.
`, name)
}

const evensI8Params = "n int, dst, src *uint8"

func evensI8Doc(name string) string {
	return fmt.Sprintf(`%s takes every other byte:

	for i := range n {
		dst[i] = src[2*i]
	}

n is a positive multiple of 16. src[2*n-1] is read too. No alignment is needed,
dst and src do not overlap.
`, name)
}

const maxI8Params = "n int, dst, src *uint8"

func maxI8Doc(name, typ string) string {
	return fmt.Sprintf(`%s keeps the larger of two %ss:

	for i := range n {
		dst[i] = max(dst[i], src[i])
	}

n is a positive multiple of 16. No alignment is needed; dst and src may be one,
else they do not overlap.
`, name, typ)
}

const boundsParams = "n int, src, lo, hi *float32"

func boundsDoc(name string) string {
	return fmt.Sprintf(`%s widens 16 ranges:

	for i := range n {
		if src[i] < lo[i%%16] {
			lo[i%%16] = src[i]
		}
		if src[i] > hi[i%%16] {
			hi[i%%16] = src[i]
		}
	}

so that NaN changes nothing. n is a positive multiple of 16. No alignment is
needed, lo and hi overlap nothing.
`, name)
}

const offsetParams = "n int, src *int32, add int32, dst *int32"

func offsetDoc(name string) string {
	return fmt.Sprintf(`%s adds to sums:

	for i := range n {
		dst[i] = src[i] + add
	}

n is a positive multiple of 16. No alignment is needed; dst may be src, else
they do not overlap.
`, name)
}
