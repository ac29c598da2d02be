package ptxsim

import (
	"github.com/mlc-go/mlc/ir/dtype"
)

// mma decodes mma.sync.aligned.m16n8k8 and m16n8k16 of f16 with f32 sums.
//
// Fragments (PTX ISA, "Matrix Fragments for mma.m16n8k8" and "m16n8k16 with
// floating point type"): with g = lane/4 and t = lane%4, the f16 pair in
// register r of A is row g + 8*(r&1), columns 2t + 8*(r>>1) and the next; the
// pair in register r of B is rows 2t + 8*r and the next, column g; c0 and c1
// are row g, columns 2t and 2t+1, c2 and c3 the same of row g+8.
func (d *decoder) mma() {
	d.must("sync")
	d.must("aligned")
	shape := d.must("m16n8k8", "m16n8k16")
	d.must("row")
	d.must("col")
	for _, t := range []string{"f32", "f16", "f16", "f32"} {
		d.must(t)
	}
	if !d.end(4) {
		return
	}
	k := 8
	if shape == "m16n8k16" {
		k = 16
		d.needs(70, 80)
	} else {
		d.needs(65, 75)
	}
	half, single := ptype{'x', 32}, ptype{'f', 32}
	dst := d.fragment(0, 4, single, true)
	a := d.fragment(1, k/4, half, false)
	b := d.fragment(2, k/8, half, false)
	c := d.fragment(3, 4, single, false)
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		if !w.wholeWarp(in, m) {
			return false
		}
		multiply(w, k, dst, a, b, c)
		return true
	}
}

// fragment binds the n registers of operand i.
func (d *decoder) fragment(i, n int, t ptype, dst bool) []int32 {
	if d.err != nil {
		return nil
	}
	o := d.s.ops[i]
	if o.kind != opVector || len(o.elems) != n {
		d.bad(o.tok, "want a vector of %d registers", n)
		return nil
	}
	list := make([]int32, n)
	for j, e := range o.elems {
		if dst {
			r, _ := d.register(e, t, false)
			list[j] = r.idx
			continue
		}
		list[j] = d.source(e, t, false)
		d.reads(class32, list[j])
	}
	return list
}

// multiply is D = A*B + C. PTX leaves the order and the rounding of the sum
// open, at no less than single precision: here products are exact, and sums
// are kept in float64, over k in order from C, and rounded once.
func multiply(w *warp, k int, dst, ra, rb, rc []int32) {
	var a [16][16]float64
	var b [16][8]float64
	var out [4]v32
	for l := range warpSize {
		g, t := l/4, l%4
		for r, reg := range ra {
			x := w.r32[reg][l]
			row, col := g+8*(r&1), 2*t+8*(r>>1)
			a[row][col] = float64(dtype.F16ToF32(uint16(x)))
			a[row][col+1] = float64(dtype.F16ToF32(uint16(x >> 16)))
		}
		for r, reg := range rb {
			x := w.r32[reg][l]
			b[2*t+8*r][g] = float64(dtype.F16ToF32(uint16(x)))
			b[2*t+8*r+1][g] = float64(dtype.F16ToF32(uint16(x >> 16)))
		}
	}
	for l := range warpSize {
		g, t := l/4, l%4
		for i, reg := range rc {
			row, col := g+8*(i>>1), 2*t+i&1
			s := float64(f32(w.r32[reg][l]))
			for j := range k {
				s += float64(a[row][j] * b[j][col])
			}
			out[i][l] = bits32(float32(s))
		}
	}
	for i, reg := range dst {
		w.r32[reg] = out[i]
		w.init[class32][reg] = fullMask
	}
}
