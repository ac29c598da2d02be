package ptx

import "fmt"

// Barrier waits until all threads of the block are here, and makes what they
// wrote to shared and global memory visible to each other. All threads of a
// block come to it, or none.
func (k *Kernel) Barrier() { k.ins("bar.sync 0") }

// WarpSync is Barrier for the 32 threads of a warp.
func (k *Kernel) WarpSync() { k.ins("bar.warp.sync -1") }

// WarpSize is the number of threads of a warp.
const WarpSize = 32

// shfl gives each thread of the warp the value of another; all threads take part.
func (k *Kernel) shfl(c class, mode string, v val, n U32, clamp int) val {
	text := k.arg(c, k.inReg(c, v)) + ", " + k.arg(b32, n.val)
	r := k.fresh(c)
	k.ins("shfl.sync.%s.b32 %s%d, %s, %d, -1", mode, classes[c].prefix, r, text, clamp)
	return val{k: k, reg: r}
}

// ShflXorF32 is v of the lane whose number is this one's xor mask, ShflDownF32
// of the lane n further, ShflUpF32 of the lane n before, ShflF32 of lane n;
// beyond the warp it is the thread's own. All threads of the warp come here.
func (k *Kernel) ShflXorF32(v F32, mask U32) F32 { return F32{k.shfl(f32, "bfly", v.val, mask, 31)} }
func (k *Kernel) ShflDownF32(v F32, n U32) F32   { return F32{k.shfl(f32, "down", v.val, n, 31)} }
func (k *Kernel) ShflUpF32(v F32, n U32) F32     { return F32{k.shfl(f32, "up", v.val, n, 0)} }
func (k *Kernel) ShflF32(v F32, lane U32) F32    { return F32{k.shfl(f32, "idx", v.val, lane, 31)} }

// ShflXorU32 and its like are those of F32 for integers.
func (k *Kernel) ShflXorU32(v, mask U32) U32 { return U32{k.shfl(b32, "bfly", v.val, mask, 31)} }
func (k *Kernel) ShflDownU32(v, n U32) U32   { return U32{k.shfl(b32, "down", v.val, n, 31)} }
func (k *Kernel) ShflUpU32(v, n U32) U32     { return U32{k.shfl(b32, "up", v.val, n, 0)} }
func (k *Kernel) ShflU32(v, lane U32) U32    { return U32{k.shfl(b32, "idx", v.val, lane, 31)} }

// WarpReduce combines v of all 32 lanes by f, which is commutative, in every
// lane alike: by halves, so the order is fixed.
func (k *Kernel) WarpReduce(v F32, f func(a, b F32) F32) F32 {
	for mask := WarpSize / 2; mask > 0; mask /= 2 {
		v = f(v, k.ShflXorF32(v, I(mask)))
	}
	return v
}

// WarpSum is the sum of v over the warp, in every lane.
func (k *Kernel) WarpSum(v F32) F32 { return k.WarpReduce(v, F32.Add) }

// WarpMax is the maximum of v over the warp, in every lane, NaN if one is.
func (k *Kernel) WarpMax(v F32) F32 { return k.WarpReduce(v, F32.Max) }

// Pack rounds two floats to float16, ties to even: lo is the half of the lower
// bits, which stands first in memory.
func (k *Kernel) Pack(lo, hi F32) H2 {
	if k.SM() >= 80 {
		return H2{k.op2(b32, f32, "cvt.rn.f16x2.f32", k.inReg(f32, hi.val), k.inReg(f32, lo.val))}
	}
	l := k.op2(b16, f32, "cvt.rn.f16.f32", k.inReg(f32, lo.val))
	h := k.op2(b16, f32, "cvt.rn.f16.f32", k.inReg(f32, hi.val))
	text := k.args(b16, l, h)
	r := k.fresh(b32)
	k.ins("mov.b32 %%r%d, {%s}", r, text)
	return H2{val{k: k, reg: r}}
}

// Unpack widens the two halves, the one of the lower bits first.
func (a H2) Unpack() (lo, hi F32) {
	if a.isImm() {
		return F(0), F(0) // the only immediate there is
	}
	k := a.k
	text := k.arg(b32, a.val)
	l, h := val{k: k, reg: k.fresh(b16)}, val{k: k, reg: k.fresh(b16)}
	k.ins("mov.b32 {%s}, %s", k.args(b16, l, h), text)
	return F32{k.op2(f32, b16, "cvt.f32.f16", l)}, F32{k.op2(f32, b16, "cvt.f32.f16", h)}
}

// Bits are the bits of the pair.
func (a H2) Bits() U32 { return U32(a) }

// AsH2 is the pair of the same bits.
func (a U32) AsH2() H2 { return H2(a) }

// LdMatrix loads four 8x8 matrices of float16 from shared memory as operands of
// MMA: lane 8i+j gives the address, a multiple of 16, of row j of matrix i, and
// has in result i the elements 2t, 2t+1 of row g of matrix i, with trans of
// column g. All threads of the warp come here.
func (k *Kernel) LdMatrix(row Shared, trans bool) [4]H2 {
	var out [4]H2
	at, t := row.text(), ""
	if trans {
		t = ".trans"
	}
	if row.masked {
		k.fail("a matrix is loaded by all lanes or none")
	}
	for i := range out {
		out[i] = H2{val{k: k, reg: k.fresh(b32)}}
	}
	k.ins("ldmatrix.sync.aligned.m8n8.x4%s.shared.b16 {%s}, %s", t, k.args(b32, out[0].val, out[1].val, out[2].val, out[3].val), at)
	return out
}

// MMAm16n8k8 adds the product of a 16x8 and an 8x8 matrix of float16 to a 16x8
// matrix of floats, on tensor cores; the warp's threads hold the elements. With
// g = lane/4 and t = lane%4: a[0] holds (row g, columns 2t, 2t+1), a[1] the same
// of row g+8; b (rows 2t, 2t+1, column g); acc[0], acc[1] (row g, columns 2t,
// 2t+1), acc[2], acc[3] the same of row g+8.
func (k *Kernel) MMAm16n8k8(acc [4]VarF32, a [2]H2, b H2) {
	k.mma("m16n8k8", acc, []val{a[0].val, a[1].val}, []val{b.val})
}

// MMAm16n8k16 is MMAm16n8k8 of a 16x16 and a 16x8 matrix: a[2], a[3] hold the
// columns 8 after those of a[0], a[1], and b[1] the rows 8 after those of b[0].
// Before sm_80 it is two instructions.
func (k *Kernel) MMAm16n8k16(acc [4]VarF32, a [4]H2, b [2]H2) {
	if k.SM() < 80 {
		k.MMAm16n8k8(acc, [2]H2{a[0], a[1]}, b[0])
		k.MMAm16n8k8(acc, [2]H2{a[2], a[3]}, b[1])
		return
	}
	k.mma("m16n8k16", acc, []val{a[0].val, a[1].val, a[2].val, a[3].val}, []val{b[0].val, b[1].val})
}

func (k *Kernel) mma(shape string, acc [4]VarF32, a, b []val) {
	for _, vs := range [][]val{a, b} {
		for i := range vs {
			vs[i] = k.inReg(b32, vs[i])
		}
	}
	d := fmt.Sprintf("{%s}", k.args(f32, acc[0].v.val, acc[1].v.val, acc[2].v.val, acc[3].v.val))
	k.ins("mma.sync.aligned.%s.row.col.f32.f16.f16.f32 %s, {%s}, {%s}, %s", shape, d, k.args(b32, a...), k.args(b32, b...), d)
}
