package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// gemmCalls are all tiles with a few steps of k, a whole block and one less;
// first blocks and later ones; strides with and without gaps; one tile and
// several below each other. Tiles take no kc of 0: see the stubs.
func gemmCalls(add func(*call)) {
	r := random(3)
	for np := 1; np <= 4; np *= 2 {
		for mr := 1; mr <= 14 && (np < 4 || mr <= 3); mr++ { // of 64 columns there are three
			for _, kc := range []int{1, 2, 3, 4, 5, gemm.BlockK - 1, gemm.BlockK} {
				for acc := range 2 {
					tiles := 1
					if kc <= 5 {
						tiles += r.IntN(3)
					}
					add(gemmCall(r, mr, np, tiles, kc, acc, r.IntN(3)*5, r.IntN(2) == 0))
				}
			}
		}
	}
}

// gemmCall is one call of a tile. The product is by gemm.Generic; gap lies
// between rows and between panels.
func gemmCall(r *rand.Rand, mr, np, tiles, kc, acc, gap int, special bool) *call {
	m, n := tiles*mr, np*gemm.Panel
	lda, ldb, ldc := kc+gap, kc*gemm.Panel+gap, n+gap
	a := sums(r, (m-1)*lda+kc, special)
	rows := sums(r, kc*n, special)
	packed := make([]float32, gemm.PackedB(kc, n))
	gemm.PackB(packed, rows, kc, n, n, false)
	b := sums(r, (np-1)*ldb+kc*gemm.Panel, special)
	for p := range np {
		copy(b[p*ldb:], packed[p*kc*gemm.Panel:(p+1)*kc*gemm.Panel])
	}

	c := sums(r, (m-1)*ldc+n, special)
	want := append([]float32(nil), c...)
	job := gemm.Generic.Prepare(gemm.Params{M: m, N: n, K: kc, A: a, LdA: lda, B: packed, C: want, LdC: ldc}, 1)
	job.Run(nil, make([]float32, job.Scratch()))
	if acc != 0 {
		for i := range m {
			for j := range n {
				want[i*ldc+j] = c[i*ldc+j] + want[i*ldc+j]
			}
		}
	}

	k := newCall("gemm", fmt.Sprintf("f32_%dx%d_*", mr, n),
		fmt.Sprintf("tiles=%d kc=%d acc=%d gap=%d special=%t", tiles, kc, acc, gap, special))
	in(k.ints(tiles, kc), f32, a).ints(lda)
	in(k, f32, b).ints(ldb)
	return out(k, f32, c, want).ints(ldc, acc)
}

// dwconvCalls are weighted sums of shifted rows, whose last row ends where the
// memory does. The sum is that which the stub's comment says.
func dwconvCalls(add func(*call)) {
	r := random(4)
	for _, n := range lengths()[1:] {
		for _, taps := range []int{1, 2, 9} {
			const reach = 37 // rows begin at most so far from each other
			src, w, off := sums(r, n+reach, n%2 == 0), sums(r, taps, false), make([]int64, taps)
			for t := range off {
				off[t] = 4 * r.Int64N(reach+1)
			}
			off[0], off[taps-1] = 0, 4*reach
			bias := value(r)
			want := fill(n, func(i int) float32 {
				s := float32(0)
				for t := range w {
					s = vecmath.FMA32(src[int(off[t]/4)+i], w[t], s)
				}
				return s + bias
			})
			c := newCall("dwconv", "taps_*", fmt.Sprintf("n=%d taps=%d bias=%x", n, taps, bias)).ints(n)
			in(in(in(out(c, f32, blank(n), want), f32, src), raw, off), f32, w)
			add(c.ints(taps).floats(bias))
		}
	}
}

// reduceCalls fold groups of 16 elements into lanes, up to a whole chunk; the
// steps are those of eltwise.Generic.
func reduceCalls(add func(*call)) {
	r := random(5)
	for _, f := range []struct {
		name string
		op   eltwise.Op
	}{{"sum", eltwise.Add}, {"max", eltwise.Max}, {"min", eltwise.Min}} {
		for _, groups := range []int{1, 2, 3, 4, 5, 8, 31, 64, vecmath.Chunk / vecmath.Lanes} {
			for _, how := range []string{"ordinary", "special", "zeros"} {
				n := groups * vecmath.Lanes
				x, acc := sums(r, n, how == "special"), sums(r, vecmath.Lanes, false)
				if how == "zeros" { // of both signs
					sign := func(int) float32 { return [2]float32{0, minus0}[r.IntN(2)] }
					x, acc = fill(n, sign), fill(vecmath.Lanes, sign)
				}
				want := append([]float32(nil), acc...)
				for i := 0; i < n; i += vecmath.Lanes {
					eltwise.Generic.Do2(f.op, want, want, x[i:])
				}
				c := newCall("reduce", f.name+"_*", fmt.Sprintf("n=%d %s", n, how))
				add(in(out(c, f32, acc, want), f32, x).ints(n))
			}
		}
	}
}
