package ptxsim_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/backend/cuda/ptxsim"
)

// gemmText is the product of row-major n by n matrices (n a multiple of 64) as
// a template would write it: blocks of 256 threads, a tile of 64x64 in steps of
// 16, four by four elements a thread, the steps unrolled. A is kept transposed
// in shared memory, so that both operands are loaded as vectors.
func gemmText(n int) string {
	var b strings.Builder
	p := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	p(".version 7.0\n.target sm_75\n.address_size 64")
	p(".visible .entry gemm(.param .u64 pa, .param .u64 pb, .param .u64 pc)\n.maxntid 256\n{")
	p(".reg .pred %%p;\n.reg .b32 %%r<20>;\n.reg .b64 %%rd<10>;\n.reg .f32 %%a<4>, %%b<4>, %%c<16>, %%x<4>, %%y<4>;")
	p(".shared .align 16 .b8 sa[4096];\n.shared .align 16 .b8 sb[4096];")
	p("ld.param.u64 %%rd0, [pa];\nld.param.u64 %%rd1, [pb];\nld.param.u64 %%rd2, [pc];")
	p("mov.u32 %%r0, %%tid.x;\nmov.u32 %%r1, %%ctaid.x;\nmov.u32 %%r2, %%ctaid.y;")
	// Thread t loads A[t/4][4*(t%4)...] and B[t/16][4*(t%16)...] of the tile.
	p("shl.b32 %%r3, %%r2, 6;\nshr.u32 %%r4, %%r0, 2;\nadd.u32 %%r5, %%r3, %%r4;\nand.b32 %%r6, %%r0, 3;\nshl.b32 %%r6, %%r6, 2;")
	p("mad.lo.u32 %%r7, %%r5, %d, %%r6;\nmul.wide.u32 %%rd3, %%r7, 4;\nadd.u64 %%rd3, %%rd0, %%rd3;", n)
	p("shl.b32 %%r8, %%r1, 6;\nshr.u32 %%r9, %%r0, 4;\nand.b32 %%r10, %%r0, 15;\nshl.b32 %%r11, %%r10, 2;\nadd.u32 %%r12, %%r8, %%r11;")
	p("mad.lo.u32 %%r7, %%r9, %d, %%r12;\nmul.wide.u32 %%rd4, %%r7, 4;\nadd.u64 %%rd4, %%rd1, %%rd4;", n)
	// Where it keeps them, and where its own operands begin.
	p("mov.u32 %%r13, sa;\nmov.u32 %%r14, sb;\nshl.b32 %%r15, %%r6, 8;\nshl.b32 %%r16, %%r4, 2;\nadd.u32 %%r15, %%r15, %%r16;\nadd.u32 %%r15, %%r13, %%r15;")
	p("shl.b32 %%r16, %%r0, 4;\nadd.u32 %%r16, %%r14, %%r16;\nshl.b32 %%r17, %%r9, 4;\nadd.u32 %%r13, %%r13, %%r17;\nshl.b32 %%r17, %%r10, 4;\nadd.u32 %%r14, %%r14, %%r17;")
	for i := range 16 {
		p("mov.f32 %%c%d, 0f00000000;", i)
	}
	p("mov.u32 %%r18, 0;\nLOOP:")
	p("ld.global.nc.v4.f32 {%%x0,%%x1,%%x2,%%x3}, [%%rd3];\nld.global.nc.v4.f32 {%%y0,%%y1,%%y2,%%y3}, [%%rd4];")
	for i := range 4 {
		p("st.shared.f32 [%%r15+%d], %%x%d;", 256*i, i)
	}
	p("st.shared.v4.f32 [%%r16], {%%y0,%%y1,%%y2,%%y3};\nbar.sync 0;")
	for k := range 16 {
		p("ld.shared.v4.f32 {%%a0,%%a1,%%a2,%%a3}, [%%r13+%d];\nld.shared.v4.f32 {%%b0,%%b1,%%b2,%%b3}, [%%r14+%d];", 256*k, 256*k)
		for i := range 16 {
			p("fma.rn.f32 %%c%d, %%a%d, %%b%d, %%c%d;", i, i/4, i%4, i)
		}
	}
	p("bar.sync 0;\nadd.u64 %%rd3, %%rd3, 64;\nadd.u64 %%rd4, %%rd4, %d;\nadd.u32 %%r18, %%r18, 16;\nsetp.lt.u32 %%p, %%r18, %d;\n@%%p bra LOOP;", 64*n, n)
	p("shl.b32 %%r9, %%r9, 2;\nadd.u32 %%r3, %%r3, %%r9;\nmad.lo.u32 %%r7, %%r3, %d, %%r12;\nmul.wide.u32 %%rd5, %%r7, 4;\nadd.u64 %%rd5, %%rd2, %%rd5;", n)
	for i := range 4 {
		p("st.global.v4.f32 [%%rd5+%d], {%%c%d,%%c%d,%%c%d,%%c%d};", 4*n*i, 4*i, 4*i+1, 4*i+2, 4*i+3)
	}
	p("ret;\n}")
	return b.String()
}

// gemm runs gemmText(n) and returns its operands and result.
func gemm(t testing.TB, mod *ptxsim.Module, n int, c ptxsim.Checks, s *ptxsim.Stats) (x, y, z []float32) {
	t.Helper()
	mem := ptxsim.NewMemory()
	x, y = ramp(n*n, 7), ramp(n*n, 11)
	out := mem.AllocUninit(4 * n * n)
	err := mod.Run(context.Background(), mem, "gemm", ptxsim.Launch{Grid: [3]int{n / 64, n / 64, 1}, Block: [3]int{256, 1, 1},
		Args: []uint64{putF32(mem, x), putF32(mem, y), out}, Stats: s}, c)
	if err != nil {
		t.Fatal(err)
	}
	return x, y, getF32(t, mem, out, n*n)
}

func TestGEMM(t *testing.T) {
	const n = 128
	x, y, z := gemm(t, parse(t, gemmText(n)), n, ptxsim.Checks{}, nil)
	for i := range n * n {
		var want float64 // exact: few bits
		for k := range n {
			want += float64(x[i/n*n+k]) * float64(y[k*n+i%n])
		}
		if float64(z[i]) != want {
			t.Fatalf("element %d: have %v, want %v", i, z[i], want)
		}
	}
}

// BenchmarkGEMM runs 16.8 M multiply-adds and reports the millions of
// lane-instructions, and of multiply-adds, a second.
func BenchmarkGEMM(b *testing.B) {
	const n = 256
	mod := parse(b, gemmText(n))
	for _, c := range []struct {
		name string
		ptxsim.Checks
	}{
		{"checked", ptxsim.Checks{Workers: 1}},
		{"checked-all-cores", ptxsim.Checks{}},
		{"unchecked", ptxsim.Checks{Workers: 1, Skip: ptxsim.Unchecked}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var lanes, macs float64
			for b.Loop() {
				var s ptxsim.Stats
				gemm(b, mod, n, c.Checks, &s)
				lanes += float64(s.Lanes)
				macs += n * n * n
			}
			b.ReportMetric(lanes/b.Elapsed().Seconds()/1e6, "Mlane/s")
			b.ReportMetric(macs/b.Elapsed().Seconds()/1e6, "MMAC/s")
		})
	}
}

// BenchmarkVectorAdd is bound by global memory and its shadow.
func BenchmarkVectorAdd(b *testing.B) {
	const n = 1 << 18
	mod := load(b, "vadd.ptx")
	mem := ptxsim.NewMemory()
	args := []uint64{mem.Alloc(4 * n), mem.Alloc(4 * n), mem.Alloc(4 * n), n}
	var lanes float64
	for b.Loop() {
		var s ptxsim.Stats
		if err := mod.Run(context.Background(), mem, "vadd", ptxsim.Launch{Grid: [3]int{n / 256, 1, 1}, Block: [3]int{256, 1, 1},
			Args: args, Stats: &s}, ptxsim.Checks{Workers: 1}); err != nil {
			b.Fatal(err)
		}
		lanes += float64(s.Lanes)
	}
	b.ReportMetric(lanes/b.Elapsed().Seconds()/1e6, "Mlane/s")
}

// BenchmarkLaunch is the cost of a launch that does next to nothing.
func BenchmarkLaunch(b *testing.B) {
	mod := load(b, "vadd.ptx")
	mem := ptxsim.NewMemory()
	for range 50 {
		mem.Alloc(1 << 20)
	}
	args := []uint64{mem.Alloc(4), mem.Alloc(4), mem.Alloc(4), 1}
	b.ReportAllocs()
	for b.Loop() {
		if err := mod.Run(context.Background(), mem, "vadd", ptxsim.Launch{Grid: [3]int{1, 1, 1}, Block: [3]int{256, 1, 1},
			Args: args}, ptxsim.Checks{Workers: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
