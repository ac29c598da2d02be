// Package ptxsim runs PTX in Go, where there is no GPU, and finds mistakes in it.
//
// It owns the reading of PTX text and what each instruction does, device memory
// with addresses of its own, the order of threads, and what is checked while
// they run. It must not know who wrote the PTX, plan.Program, or any driver.
//
//	mod, err := ptxsim.Parse(text)
//	mem := ptxsim.NewMemory()
//	p := mem.Alloc(4 * n)
//	err = mod.Run(ctx, mem, "scale", ptxsim.Launch{Grid: [3]int{n / 256, 1, 1},
//		Block: [3]int{256, 1, 1}, Args: []uint64{p}}, ptxsim.Checks{})
//	var f *ptxsim.Fault // what is wrong, in which line, by which thread, at which address
//	if errors.As(err, &f) { ... }
//
// # The subset
//
// Modules of .version, .target sm_70 or above, .address_size 64 and .entry with
// .param of 32 and 64 bits, .maxntid and .reqntid; in a kernel .reg, .shared and
// .extern .shared, labels, guards. Instructions:
//
//	mov, selp, slct, cvt, cvta.to.global, packing and unpacking by mov
//	add, sub, mul, mad, div, rem, min, max, abs, neg of 32 and 64 bits
//	fma.rn, div.rn, rcp.rn, sqrt.rn, ex2.approx, lg2.approx, copysign, testp
//	and, or, xor, not, shl, shr; setp with .and, .or, .xor
//	ld and st of global and shared, with .nc, .v2, .v4; ld.param
//	bra, ret, exit; bar.sync, bar.warp.sync
//	shfl.sync, vote.sync, activemask, ldmatrix, atom.add, red.add
//	mma.sync.aligned m16n8k8 and m16n8k16 .row.col.f32.f16.f16.f32
//
// Everything else, .ftz and .approx of other instructions among it, is an error
// of Parse. Operand types are checked as ptxas checks them, and a little more: a
// literal must fit, a parameter is loaded whole, a load writes no register twice.
//
// # What is exact and what is chosen
//
// Each instruction rounds once, as the PTX ISA says. Where the ISA leaves a
// choice:
//
//   - A NaN that arithmetic makes is 0x7fffffff (f64: 0x7fffffffffffffff).
//   - ex2.approx and lg2.approx are computed in float64 and rounded; hardware may
//     be 2 ulp off, and Checks.Ulp moves the results to see whether that matters.
//   - mma adds exact products in float64, over k in order, and rounds once;
//     tensor cores add in other orders and with fewer bits.
//   - ldmatrix counts as a read by the lane that gives the address.
//
// # Order
//
// Blocks are independent and run on several goroutines. Within a block, warps
// take turns from barrier to barrier. Within a warp, the lanes that stand lowest
// in the code run together until lanes further on are reached, so code of
// structured form meets again where its branches do. No result depends on the
// number of goroutines: what could is a race, which is reported, or blocks run
// one after another (GlobalRaces left out; atomics on global memory).
//
// Exited threads count as arrived at barriers, as on hardware since sm_70.
//
// # Races
//
// Since Volta, lanes of a warp are threads like any others: nothing but
// bar.warp.sync orders what its members did to memory, and bar.sync what the
// block did. shfl.sync, vote.sync and mma.sync bring lanes together but order no
// memory (PTX ISA, bar.warp.sync; CUDA programming guide, warp shuffle
// functions), though a device seldom shows it. Two accesses to one byte by
// different threads of which one is a write, without such order, are a race, the
// same value written twice too. Nothing orders blocks of a launch; launches are
// ordered. Atomic additions do not race with each other.
//
// Where several lanes of a warp read one place and then a part of the warp alone
// meets at bar.warp.sync and writes it, the other lanes are taken for readers:
// there, and only there, can a race be reported that is none.
//
// Of several blocks that fail, the lowest is reported; of several races between
// blocks, which one may depend on time, that there is one does not.
//
// # What is not found
//
// A kernel that is right for the widths, extents and lanes it was run with may be
// wrong for others. Memory is checked by allocation: make one for each buffer.
// Register pressure, occupancy and speed are ptxas's and the device's matter.
package ptxsim
