package ptxsim_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mlc-go/mlc/backend/cuda/ptxsim"
	"github.com/mlc-go/mlc/ir/diag"
)

// frame makes a kernel k(p: address, n: u32) of a body. %r0 is the thread,
// %r1 four times it, %rd0 the address, %rd1 that of the thread's word.
func frame(body string) string {
	return `.version 7.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 p, .param .u32 n)
{
	.reg .pred %p<8>;
	.reg .b16 %h<8>;
	.reg .b32 %r<32>;
	.reg .f32 %f<16>;
	.reg .b64 %rd<8>;
	.shared .align 16 .b8 sh[512];
	.shared .align 16 .b8 sh2[64];
	mov.u32 %r0, %tid.x;
	shl.b32 %r1, %r0, 2;
	ld.param.u64 %rd0, [p];
	cvt.u64.u32 %rd1, %r1;
	add.u64 %rd1, %rd0, %rd1;
	mov.u32 %r2, sh;
	add.u32 %r3, %r2, %r1;   // the thread's word of sh
` + body + "\n}\n"
}

type setup struct {
	blocks, threads int
	uninit          bool
	protect         bool
	checks          ptxsim.Checks
}

// runBody runs a framed body over 1024 bytes of memory.
func runBody(t *testing.T, body string, s setup) error {
	t.Helper()
	mod := parse(t, frame(body))
	mem := ptxsim.NewMemory()
	p := mem.Alloc(1024)
	if s.uninit {
		p = mem.AllocUninit(1024)
	}
	if s.protect {
		if err := mem.Protect(p); err != nil {
			t.Fatal(err)
		}
	}
	return mod.Run(context.Background(), mem, "k", ptxsim.Launch{Grid: [3]int{max(s.blocks, 1), 1, 1},
		Block: [3]int{max(s.threads, 1), 1, 1}, Args: []uint64{p, 5}}, s.checks)
}

// want checks that err is a fault of class c whose line has the text.
func wantFault(t *testing.T, err error, c ptxsim.Class, text string) {
	t.Helper()
	var f *ptxsim.Fault
	var e *diag.Error
	if !errors.As(err, &f) || !errors.As(err, &e) {
		t.Fatalf("have %v, want a fault: %v", err, c)
	}
	if f.Class != c || !strings.Contains(f.Text, text) || e.Node != "kernel "+f.Kernel {
		t.Fatalf("have %v, want %v in %q", err, c, text)
	}
}

// Each check has a body that violates it, with the instruction that is to be
// named, and one as near as can be that does not.
var checkCases = []struct {
	name  string
	class ptxsim.Class
	at    string
	bad   string
	good  string
	setup setup
}{
	{"global end", ptxsim.OutOfBounds, "[%rd0+1024]",
		"ld.global.u32 %r4, [%rd0+1024];", "ld.global.u32 %r4, [%rd0+1020];", setup{}},
	{"global begin", ptxsim.OutOfBounds, "[%rd0+-4]",
		"ld.global.u32 %r4, [%rd0+-4];", "ld.global.u32 %r4, [%rd0];", setup{}},
	{"global vector over the end", ptxsim.OutOfBounds, "v4",
		"mov.f32 %f0, 0f00000000; st.global.v4.f32 [%rd0+1016], {%f0,%f0,%f0,%f0};",
		"mov.f32 %f0, 0f00000000; st.global.v4.f32 [%rd0+1008], {%f0,%f0,%f0,%f0};", setup{}},
	{"missing predicate", ptxsim.OutOfBounds, "st.global",
		"st.global.u32 [%rd1], %r0;", "setp.lt.u32 %p0, %r0, 256; @%p0 st.global.u32 [%rd1], %r0;", setup{threads: 288}},
	{"null", ptxsim.OutOfBounds, "[%rd2]",
		"mov.u64 %rd2, 0; ld.global.u32 %r4, [%rd2];", "mov.u64 %rd2, %rd0; ld.global.u32 %r4, [%rd2];", setup{}},
	{"global alignment", ptxsim.Misaligned, "[%rd0+2]",
		"ld.global.u32 %r4, [%rd0+2];", "ld.global.u16 %r4, [%rd0+2];", setup{}},
	{"vector alignment", ptxsim.Misaligned, "v2",
		"ld.global.v2.f32 {%f0,%f1}, [%rd0+4];", "ld.global.v2.f32 {%f0,%f1}, [%rd0+8];", setup{}},
	{"shared end", ptxsim.OutOfBounds, "st.shared",
		"st.shared.u32 [%r2+512], %r0;", "st.shared.u32 [%r2+508], %r0;", setup{}},
	{"shared from address zero", ptxsim.OutOfBounds, "st.shared",
		"mov.u32 %r4, 0; st.shared.u32 [%r4], %r0;", "mov.u32 %r4, sh2; st.shared.u32 [%r4], %r0;", setup{}},
	{"shared alignment", ptxsim.Misaligned, "st.shared",
		"st.shared.u32 [sh+2], %r0;", "st.shared.u32 [sh+4], %r0;", setup{}},
	{"shared across two variables", ptxsim.OutOfBounds, "v2",
		"st.shared.v2.u32 [sh2+64], {%r0,%r0};", "st.shared.v2.u32 [sh2+56], {%r0,%r0};", setup{}},
	{"store to constants", ptxsim.ReadOnly, "st.global",
		"st.global.u32 [%rd0], %r0;", "ld.global.u32 %r4, [%rd0];", setup{protect: true}},
	{"nc of what was written", ptxsim.ReadOnly, "ld.global.nc",
		"st.global.u32 [%rd0], %r0; ld.global.nc.u32 %r4, [%rd0];",
		"st.global.u32 [%rd0], %r0; ld.global.nc.u32 %r4, [%rd0+4];", setup{}},
	{"shared never written", ptxsim.UninitMemory, "ld.shared",
		"st.shared.u32 [sh], %r0; ld.shared.u32 %r4, [sh+4];", "st.shared.u32 [sh], %r0; ld.shared.u32 %r4, [sh];", setup{}},
	{"shared written in part", ptxsim.UninitMemory, "ld.shared.u32",
		"st.shared.u16 [sh], %r0; ld.shared.u32 %r4, [sh];",
		"st.shared.u16 [sh], %r0; st.shared.u16 [sh+2], %r0; ld.shared.u32 %r4, [sh];", setup{}},
	{"shared of the block before", ptxsim.UninitMemory, "ld.shared",
		"mov.u32 %r4, %ctaid.x; setp.eq.u32 %p0, %r4, 0; @%p0 st.shared.u32 [sh], %r0; ld.shared.u32 %r5, [sh];",
		"st.shared.u32 [sh], %r0; ld.shared.u32 %r5, [sh];", setup{blocks: 2, checks: ptxsim.Checks{Workers: 1}}},
	{"global never written", ptxsim.UninitMemory, "ld.global",
		"ld.global.u32 %r4, [%rd0];", "st.global.u32 [%rd0], %r0; ld.global.u32 %r4, [%rd0];", setup{uninit: true}},
	{"register", ptxsim.UninitReg, "add.u32 %r5",
		"add.u32 %r5, %r4, 1;", "mov.u32 %r4, 0; add.u32 %r5, %r4, 1;", setup{}},
	{"register of a lane", ptxsim.UninitReg, "add.u32 %r5",
		"setp.ne.u32 %p0, %r0, 7; @%p0 mov.u32 %r4, 0; add.u32 %r5, %r4, 1;",
		"setp.ne.u32 %p0, %r0, 7; @%p0 mov.u32 %r4, 0; @%p0 add.u32 %r5, %r4, 1;", setup{threads: 32}},
	{"register stored", ptxsim.UninitReg, "st.global", "st.global.u32 [%rd0], %r9;", "st.global.u32 [%rd0], %r0;", setup{}},
	{"address register", ptxsim.UninitReg, "ld.global", "ld.global.u32 %r4, [%rd5];", "ld.global.u32 %r4, [%rd0];", setup{}},
	{"guard", ptxsim.UninitReg, "@%p3", "@%p3 bra L; L: ret;", "setp.eq.u32 %p3, %r0, 0; @%p3 bra L; L: ret;", setup{}},
	{"division", ptxsim.DivideByZero, "rem.u32",
		"mov.u32 %r4, 0; rem.u32 %r5, %r0, %r4;", "mov.u32 %r4, 3; rem.u32 %r5, %r0, %r4;", setup{}},
	{"race of two warps", ptxsim.SharedRace, ".shared",
		"xor.b32 %r4, %r3, 128; st.shared.u32 [%r3], %r0; ld.shared.u32 %r5, [%r4];",
		"xor.b32 %r4, %r3, 128; st.shared.u32 [%r3], %r0; bar.sync 0; ld.shared.u32 %r5, [%r4];", setup{threads: 64, checks: ptxsim.Checks{Skip: ptxsim.UninitShared}}},
	{"race of two lanes", ptxsim.SharedRace, "ld.shared",
		"xor.b32 %r4, %r3, 4; st.shared.u32 [%r3], %r0; ld.shared.u32 %r5, [%r4];",
		"xor.b32 %r4, %r3, 4; st.shared.u32 [%r3], %r0; bar.warp.sync -1; ld.shared.u32 %r5, [%r4];", setup{threads: 32}},
	{"a shuffle orders no memory", ptxsim.SharedRace, "ld.shared",
		"xor.b32 %r4, %r3, 4; st.shared.u32 [%r3], %r0; shfl.sync.bfly.b32 %r6, %r0, 1, 31, -1; ld.shared.u32 %r5, [%r4];",
		"xor.b32 %r4, %r3, 4; st.shared.u32 [%r3], %r0; shfl.sync.bfly.b32 %r6, %r0, 1, 31, -1; ld.shared.u32 %r5, [%r3];", setup{threads: 32}},
	{"bar.warp.sync of other lanes", ptxsim.SharedRace, "ld.shared",
		`xor.b32 %r4, %r3, 64; st.shared.u32 [%r3], %r0; setp.lt.u32 %p0, %r0, 16; @%p0 bra A; bar.warp.sync 0xffff0000; bra B;
A: bar.warp.sync 0xffff; B: ld.shared.u32 %r5, [%r4];`,
		`xor.b32 %r4, %r3, 32; st.shared.u32 [%r3], %r0; setp.lt.u32 %p0, %r0, 16; @%p0 bra A; bar.warp.sync 0xffff0000; bra B;
A: bar.warp.sync 0xffff; B: ld.shared.u32 %r5, [%r4];`, setup{threads: 32}},
	{"bar.warp.sync in two branches", ptxsim.SharedRace, "ld.shared",
		`xor.b32 %r4, %r3, 64; st.shared.u32 [%r3], %r0; setp.lt.u32 %p0, %r0, 16; @%p0 bra A; bar.warp.sync -1; bra B;
A: bar.warp.sync 0xffff; B: ld.shared.u32 %r5, [%r4];`,
		`xor.b32 %r4, %r3, 64; st.shared.u32 [%r3], %r0; setp.lt.u32 %p0, %r0, 16; @%p0 bra A; bar.warp.sync -1; bra B;
A: bar.warp.sync -1; B: ld.shared.u32 %r5, [%r4];`, setup{threads: 32}},
	{"bar.warp.sync for another warp", ptxsim.SharedRace, ".shared",
		"xor.b32 %r4, %r3, 128; st.shared.u32 [%r3], %r0; bar.warp.sync -1; ld.shared.u32 %r5, [%r4];",
		"xor.b32 %r4, %r3, 64; st.shared.u32 [%r3], %r0; bar.warp.sync -1; ld.shared.u32 %r5, [%r4];", setup{threads: 64, checks: ptxsim.Checks{Skip: ptxsim.UninitShared}}},
	{"write after the reads of a warp", ptxsim.SharedRace, "st.shared.u32 [sh], 2",
		"setp.eq.u32 %p0, %r0, 0; @%p0 st.shared.u32 [sh], 1; bar.sync 0; ld.shared.u32 %r4, [sh]; @%p0 st.shared.u32 [sh], 2;",
		"setp.eq.u32 %p0, %r0, 0; @%p0 st.shared.u32 [sh], 1; bar.sync 0; ld.shared.u32 %r4, [sh]; bar.warp.sync -1; @%p0 st.shared.u32 [sh], 2;", setup{threads: 32}},
	{"write after the reads of a block", ptxsim.SharedRace, ".shared",
		"setp.eq.u32 %p0, %r0, 0; @%p0 st.shared.u32 [sh], 1; bar.sync 0; ld.shared.u32 %r4, [sh]; bar.warp.sync -1; @%p0 st.shared.u32 [sh], 2; bar.sync 0;",
		"setp.eq.u32 %p0, %r0, 0; @%p0 st.shared.u32 [sh], 1; bar.sync 0; ld.shared.u32 %r4, [sh]; bar.sync 0; @%p0 st.shared.u32 [sh], 2; bar.sync 0;", setup{threads: 64}},
	{"two writes of one value", ptxsim.SharedRace, "st.shared",
		"st.shared.u32 [sh], 1;", "setp.eq.u32 %p0, %r0, 1; @%p0 st.shared.u32 [sh], 1;", setup{threads: 2}},
	{"bytes side by side", ptxsim.SharedRace, "st.shared.u16",
		"mov.u32 %r5, sh; add.u32 %r5, %r5, %r0; st.shared.u8 [%r5], %r0; st.shared.u16 [sh], %r0;",
		"mov.u32 %r5, sh; add.u32 %r5, %r5, %r0; st.shared.u8 [%r5], %r0; bar.sync 0; setp.eq.u32 %p0, %r0, 1; @%p0 st.shared.u16 [sh], %r0;", setup{threads: 2}},
	{"two blocks write", ptxsim.GlobalRace, "st.global", "st.global.u32 [%rd1], 1;",
		"mov.u32 %r4, %ctaid.x; mul.wide.u32 %rd2, %r4, 128; add.u64 %rd1, %rd1, %rd2; st.global.u32 [%rd1], 1;", setup{blocks: 2, threads: 32}},
	{"two threads write", ptxsim.GlobalRace, "st.global", "st.global.u32 [%rd0], 1;", "st.global.u32 [%rd1], 1;", setup{threads: 2}},
	{"a block reads what another writes", ptxsim.GlobalRace, "global",
		"mov.u32 %r4, %ctaid.x; setp.eq.u32 %p0, %r4, 0; @%p0 st.global.u32 [%rd1], 1; @!%p0 ld.global.u32 %r5, [%rd1];",
		"ld.global.u32 %r5, [%rd1];", setup{blocks: 2, threads: 32}},
	{"a barrier orders no other block", ptxsim.GlobalRace, "global",
		"mov.u32 %r4, %ctaid.x; setp.eq.u32 %p0, %r4, 0; @%p0 st.global.u32 [%rd1], 1; bar.sync 0; @!%p0 ld.global.u32 %r5, [%rd1];",
		"mov.u32 %r4, %ctaid.x; setp.eq.u32 %p0, %r4, 0; @%p0 st.global.u32 [%rd1], 1; bar.sync 0; @%p0 ld.global.u32 %r5, [%rd1];", setup{blocks: 2, threads: 32}},
	{"global within a block", ptxsim.GlobalRace, ".global",
		"xor.b32 %r4, %r1, 128; cvt.u64.u32 %rd2, %r4; add.u64 %rd2, %rd0, %rd2; st.global.u32 [%rd1], 1; ld.global.u32 %r5, [%rd2];",
		"xor.b32 %r4, %r1, 128; cvt.u64.u32 %rd2, %r4; add.u64 %rd2, %rd0, %rd2; st.global.u32 [%rd1], 1; bar.sync 0; ld.global.u32 %r5, [%rd2];", setup{threads: 64}},
	{"barrier in a branch", ptxsim.Divergence, "bar.sync",
		"setp.lt.u32 %p0, %r0, 16; @%p0 bra L; bar.sync 0; L: ret;", "setp.lt.u32 %p0, %r0, 32; @%p0 bra L; bar.sync 0; L: ret;", setup{threads: 64}},
	{"barrier under a guard", ptxsim.Divergence, "bar.sync",
		"setp.lt.u32 %p0, %r0, 16; @%p0 bar.sync 0;", "setp.lt.u32 %p0, %r0, 64; @%p0 bar.sync 0;", setup{threads: 64}},
	{"bra.uni", ptxsim.Divergence, "bra.uni",
		"setp.lt.u32 %p0, %r0, 16; @%p0 bra.uni L; L: ret;", "setp.lt.u32 %p0, %r0, 32; @%p0 bra.uni L; L: ret;", setup{threads: 64}},
	{"two barriers", ptxsim.Deadlock, "bar.sync",
		"setp.lt.u32 %p0, %r0, 32; @%p0 bra L; bar.sync 0; ret; L: bar.sync 1;",
		"setp.lt.u32 %p0, %r0, 32; @%p0 bra L; bar.sync 0; ret; L: bar.sync 0;", setup{threads: 64}},
	{"shuffle in a branch", ptxsim.Deadlock, "shfl.sync",
		"setp.lt.u32 %p0, %r0, 16; @%p0 bra L; shfl.sync.bfly.b32 %r4, %r0, 1, 31, -1; L: bar.warp.sync -1;",
		"setp.lt.u32 %p0, %r0, 16; @%p0 bra L; shfl.sync.bfly.b32 %r4, %r0, 1, 31, 0xffff0000; L: bar.warp.sync -1;", setup{threads: 32}},
	{"shuffle from a lane outside", ptxsim.InactiveLane, "shfl.sync",
		"setp.lt.u32 %p0, %r0, 16; @%p0 shfl.sync.bfly.b32 %r4, %r0, 16, 31, 0xffff;",
		"setp.lt.u32 %p0, %r0, 16; @%p0 shfl.sync.bfly.b32 %r4, %r0, 8, 31, 0xffff;", setup{threads: 32}},
	{"shuffle from a lane that is not", ptxsim.InactiveLane, "shfl.sync",
		"shfl.sync.down.b32 %r4, %r0, 8, 31, -1;", "shfl.sync.down.b32 %r4, %r0, 8, 23, -1;", setup{threads: 24}},
	{"member mask without oneself", ptxsim.BadOperand, "bar.warp.sync",
		"bar.warp.sync 0xffff;", "bar.warp.sync 0xffffffff;", setup{threads: 32}},
	{"member masks that differ", ptxsim.BadOperand, "bar.warp.sync",
		"mov.u32 %r4, -1; setp.eq.u32 %p0, %r0, 3; @%p0 mov.u32 %r4, 0xff; bar.warp.sync %r4;",
		"mov.u32 %r4, -1; bar.warp.sync %r4;", setup{threads: 32}},
	{"mma in a branch", ptxsim.Divergence, "mma.sync", "setp.lt.u32 %p0, %r0, 16; @%p0 bra L;" + mmaZero + "L: ret;", mmaZero, setup{threads: 32}},
	{"mma of half a warp", ptxsim.Divergence, "mma.sync", "setp.lt.u32 %p0, %r0, 16; @%p0 ret;" + mmaZero, mmaZero, setup{threads: 64}},
	{"ldmatrix of a row never written", ptxsim.UninitMemory, "ldmatrix", `shl.b32 %r4, %r0, 4; add.u32 %r4, %r2, %r4; setp.ne.u32 %p0, %r0, 6; @%p0 st.shared.v4.u32 [%r4], {%r0,%r0,%r0,%r0};
bar.warp.sync -1; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r5}, [%r4];`, `shl.b32 %r4, %r0, 4; add.u32 %r4, %r2, %r4; setp.ne.u32 %p0, %r0, 8; @%p0 st.shared.v4.u32 [%r4], {%r0,%r0,%r0,%r0};
bar.warp.sync -1; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r5}, [%r4];`, setup{threads: 32}},
	{"ldmatrix without a barrier", ptxsim.SharedRace, "st.shared.u32", `shl.b32 %r4, %r0, 4; add.u32 %r4, %r2, %r4; st.shared.v4.u32 [%r4], {%r0,%r0,%r0,%r0};
bar.warp.sync -1; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r5}, [%r4]; st.shared.u32 [%r3], %r0;`, `shl.b32 %r4, %r0, 4; add.u32 %r4, %r2, %r4; st.shared.v4.u32 [%r4], {%r0,%r0,%r0,%r0};
bar.warp.sync -1; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r5}, [%r4]; bar.warp.sync -1; st.shared.u32 [%r3], %r0;`, setup{threads: 32}},
	{"ldmatrix misaligned", ptxsim.Misaligned, "ldmatrix", "st.shared.u32 [%r3], %r0; bar.warp.sync -1; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r5}, [%r3];",
		"st.shared.u32 [%r3], %r0; bar.warp.sync -1; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r5}, [sh];", setup{threads: 32}},
	{"atomic and plain writes", ptxsim.GlobalRace, "global", "red.global.add.u32 [%rd0], 1; setp.eq.u32 %p0, %r0, 7; @%p0 st.global.u32 [%rd0], 1;",
		"red.global.add.u32 [%rd0], 1; setp.eq.u32 %p0, %r0, 7; @%p0 st.global.u32 [%rd0+4], 1;", setup{threads: 64}},
	{"atomic on shared, then a read", ptxsim.SharedRace, "ld.shared", "setp.eq.u32 %p0, %r0, 0; @%p0 st.shared.u32 [sh], 0; bar.sync 0; red.shared.add.u32 [sh], 1; ld.shared.u32 %r4, [sh];",
		"setp.eq.u32 %p0, %r0, 0; @%p0 st.shared.u32 [sh], 0; bar.sync 0; red.shared.add.u32 [sh], 1; bar.sync 0; ld.shared.u32 %r4, [sh];", setup{threads: 64}},
	{"atomic on constants", ptxsim.ReadOnly, "red.global", "red.global.add.f32 [%rd0], 0f3F800000;", "ld.global.f32 %f0, [%rd0];", setup{protect: true}},
	{"atomic on what nobody wrote", ptxsim.UninitMemory, "atom.global", "atom.global.add.u32 %r4, [%rd0], 1;", "st.global.u32 [%rd0], 0; atom.global.add.u32 %r4, [%rd0], 1;", setup{uninit: true}},
	{"endless loop", ptxsim.Endless, "",
		"L: add.u32 %r4, %r0, 1; setp.ne.u32 %p0, %r4, 0; @%p0 bra L;", "L: add.u32 %r4, %r0, 1; setp.eq.u32 %p0, %r4, 0; @%p0 bra L;",
		setup{checks: ptxsim.Checks{Budget: 100000}}},
}

const mmaZero = ` mov.u32 %r4, 0; mov.f32 %f0, 0f00000000;
mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f1,%f2,%f3,%f4}, {%r4,%r4}, {%r4}, {%f0,%f0,%f0,%f0};
`

func TestChecks(t *testing.T) {
	for _, c := range checkCases {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			if err := runBody(t, strings.ReplaceAll(c.good, "; ", ";\n"), c.setup); err != nil {
				t.Errorf("the good one: %v", err)
			}
			err := runBody(t, strings.ReplaceAll(c.bad, "; ", ";\n"), c.setup)
			wantFault(t, err, c.class, c.at)
		})
	}
}

// TestSkip runs violations of the checks that can be left out with each left
// out: all but those whose check stays must pass, with equal memory each time.
func TestSkip(t *testing.T) {
	flag := map[ptxsim.Class]ptxsim.Skip{ptxsim.SharedRace: ptxsim.SharedRaces, ptxsim.GlobalRace: ptxsim.GlobalRaces,
		ptxsim.UninitReg: ptxsim.UninitRegs}
	for _, c := range checkCases {
		if s, ok := flag[c.class]; ok && c.name != "address register" {
			set := c.setup
			set.checks.Skip |= s
			if err := runBody(t, c.bad, set); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
	skip := ptxsim.Checks{Skip: ptxsim.UninitShared | ptxsim.UninitGlobal}
	if err := runBody(t, "ld.shared.u32 %r4, [sh]; ld.global.u32 %r5, [%rd0];", setup{uninit: true, checks: skip}); err != nil {
		t.Error(err)
	}
}

// TestTiledWithoutBarrier removes either barrier of the tiled product.
func TestTiledWithoutBarrier(t *testing.T) {
	text := read(t, "tiled.ptx")
	for _, mark := range []string{"bar.sync 0; // filled", "bar.sync 0; // drained"} {
		if !strings.Contains(text, mark) {
			t.Fatal("no " + mark)
		}
		mod := parse(t, strings.Replace(text, mark, "", 1))
		for _, workers := range []int{1, 2, 5} {
			err := product(t, mod, 32, ptxsim.Checks{Workers: workers}, nil)
			var f *ptxsim.Fault
			if !errors.As(err, &f) || f.Class != ptxsim.SharedRace && f.Class != ptxsim.UninitMemory {
				t.Errorf("without %q: have %v", mark, err)
			} else if f.Block != [3]int{} {
				t.Errorf("with %d workers: block %v is not the first that fails", workers, f.Block)
			}
		}
	}
}

func TestContext(t *testing.T) {
	mod := parse(t, frame("L: bra L;"))
	mem := ptxsim.NewMemory()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	err := mod.Run(ctx, mem, "k", ptxsim.Launch{Grid: [3]int{100, 1, 1}, Block: [3]int{64, 1, 1}, Args: []uint64{mem.Alloc(4), 0}}, ptxsim.Checks{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}
