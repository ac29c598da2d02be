package main

import (
	"fmt"
	"math/rand/v2"
)

// int8Calls are all tiles of bytes with a few groups of four steps of k and
// many, at random and at extremes; strides with and without gaps; one tile and
// several below each other.
func int8Calls(add func(*call)) {
	r := random(6)
	for np := 1; np <= 2; np++ {
		for mr := 1; mr <= 14; mr++ {
			for _, kq := range []int{1, 2, 3, 5, 144} {
				for _, extreme := range []bool{false, true} {
					tiles := 1
					if kq <= 5 {
						tiles += r.IntN(3)
					}
					add(int8Call(r, mr, np, tiles, kq, r.IntN(3)*4, extreme))
				}
			}
		}
	}
}

// int8Call is one call of a tile, whose sums are those of the stub's comment.
func int8Call(r *rand.Rand, mr, np, tiles, kq, gap int, extreme bool) *call {
	m, n := tiles*mr, 16*np
	lda, ldb, ldc := 4*kq+gap, 64*kq+gap, n+gap
	a, b, c := make([]int8, (m-1)*lda+4*kq), make([]uint8, (np-1)*ldb+64*kq), make([]int32, (m-1)*ldc+n)
	for i := range a {
		if a[i] = int8(r.IntN(256)); extreme {
			a[i] = []int8{-128, 127}[r.IntN(2)]
		}
	}
	for i := range b {
		if b[i] = uint8(r.IntN(256)); extreme {
			b[i] = 255
		}
	}
	for i := range c {
		c[i] = r.Int32()
	}
	want := append([]int32(nil), c...)
	for i := range m {
		for j := range n {
			s := int32(0)
			for k := range 4 * kq {
				s += int32(a[i*lda+k]) * int32(b[j/16*ldb+k/4*64+j%16*4+k%4])
			}
			want[i*ldc+j] = s
		}
	}
	k := newCall("gemm", fmt.Sprintf("i8_%dx%d_*vnni", mr, n), fmt.Sprintf("tiles=%d kq=%d gap=%d extreme=%t", tiles, kq, gap, extreme))
	in(k.ints(tiles, kq), raw, a).ints(lda)
	in(k, raw, b).ints(ldb)
	return out(k, raw, c, want).ints(ldc)
}
