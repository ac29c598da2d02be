package ptxsim_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/backend/cuda/ptxsim"
	"github.com/mlc-go/mlc/ir/diag"
)

func hex(x uint32) string { return fmt.Sprintf("0x%x", x) }

// TestParseErrors has what ptxas refuses too, or what the subset leaves out.
func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		body string
		kind diag.Kind
		want string
	}{
		{"add.u32 %r4, %f0, %r1;", diag.BadModel, "have type .f32, want .u32"},
		{"add.u32 %r4, %r1;", diag.BadModel, "have 2 operands, want 3"},
		{"add.u32 %r4, %r0, 4294967296;", diag.BadModel, "literal is no .u32"},
		{"add.f32 %f0, %f0, 1;", diag.BadModel, "literal is no .f32"},
		{"add.u32 %r99, %r0, 1;", diag.BadModel, `"%r99" is not declared`},
		{"add.u32 %r4, %laneid, 1;", diag.BadModel, "only mov and cvt"},
		{"mov.u32 %tid.x, 1;", diag.BadModel, "not declared"},
		{"mov.f32 %f0, 0f3F8000;", diag.BadModel, "want 8 hexadecimal digits"},
		{"fma.f32 %f0, %f1, %f2, %f3;", diag.Unsupported, "fma.f32: have .f32, want .rn"},
		{"add.ftz.f32 %f0, %f1, %f2;", diag.Unsupported, "add.ftz.f32"},
		{"cvt.f32.u32 %f0, %r0;", diag.BadModel, "rounding modifier"},
		{"cvt.rn.f32.f32 %f0, %f1;", diag.BadModel, "rounding modifier"},
		{"setp.lt.b32 %p0, %r0, %r1;", diag.BadModel, "no comparison .lt"},
		{"setp.lo.s32 %p0, %r0, %r1;", diag.BadModel, "no comparison .lo"},
		{"ld.global.u32 %f0, [%rd0];", diag.BadModel, "have type .f32"},
		{"ld.global.f16 %h0, [%rd0];", diag.Unsupported, "ld.global.f16"},
		{"ld.global.u32 %r4, [%r0];", diag.BadModel, "want .u64"},
		{"ld.global.v4.b64 {%rd0,%rd1,%rd2,%rd3}, [%rd4];", diag.BadModel, "at most 16"},
		{"ld.global.v2.f32 {%f0}, [%rd4];", diag.BadModel, "vector of 2"},
		{"ld.local.u32 %r0, [%rd4];", diag.Unsupported, "ld.local.u32"},
		{"ld.param.u32 %r0, [p];", diag.BadModel, "which is .u64"},
		{"ld.global.u32 %r4, [%rd0-4];", diag.BadModel, `want "+"`},
		{"bar.sync 16;", diag.BadModel, "want a barrier"},
		{"bra NOWHERE;", diag.BadModel, `no label "NOWHERE"`},
		{"AB: bra AC;", diag.BadModel, "did you mean AB?"},
		{"A: A: ret;", diag.BadModel, "declared twice"},
		{"@%r0 bra A; A: ret;", diag.BadModel, "no declared predicate"},
		{".reg .b32 %r<4>;", diag.BadModel, "the name is taken"},
		{".reg .b32 %big<100000>;", diag.BadModel, "at most 65536"},
		{".shared .b8 huge[50000];", diag.BadModel, "over 49152 bytes"},
		{"tex.2d.v4.f32.s32 {%f0,%f1,%f2,%f3}, [%rd0];", diag.Unsupported, "tex.2d"},
		{"add.u32 %r4, %r0, 1", diag.BadModel, `want ","`},
		{"mov.u32 %r4, 0x;", diag.BadModel, "integer literal"},
		{"/* no end", diag.BadModel, "comment without an end"},
		{"mov.u32 %r4, `;", diag.BadModel, "unknown character"},
		{"call f;", diag.Unsupported, "instruction"},
	} {
		_, err := ptxsim.Parse([]byte(frame(c.body)))
		if err == nil {
			t.Errorf("%s: no error", c.body)
			continue
		}
		if diag.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "ptx:2") {
			t.Errorf("%s: have %v (%v), want %v with %q", c.body, err, diag.KindOf(err), c.kind, c.want)
		}
	}
	old := strings.Replace(frame(mmaZero), "m16n8k8.", "m16n8k16.", 1)
	old = strings.Replace(strings.Replace(old, "{%r4,%r4}, {%r4}", "{%r4,%r4,%r4,%r4}, {%r4,%r4}", 1), "sm_80", "sm_75", 1)
	if _, err := ptxsim.Parse([]byte(old)); err == nil || !strings.Contains(err.Error(), "want 7.0 and sm_80") {
		t.Errorf("m16n8k16 on sm_75: %v", err)
	}
	for _, text := range []string{"", ".version 7.0", ".version 7.0\n.target sm_75\n.address_size 32", "junk", ".version 7.0\n.target sm_75\n.entry k() {"} {
		if _, err := ptxsim.Parse([]byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func TestLaunchErrors(t *testing.T) {
	mod := load(t, "tiled.ptx")
	one := [3]int{1, 1, 1}
	ok := ptxsim.Launch{Grid: one, Block: [3]int{16, 16, 1}, Args: []uint64{0, 0, 0, 0}}
	for _, c := range []struct {
		change func(l *ptxsim.Launch)
		want   string
	}{
		{func(l *ptxsim.Launch) { l.Grid[1] = 0 }, "grid extent y is 0"},
		{func(l *ptxsim.Launch) { l.Grid[2] = 65536 }, "grid extent z is 65536"},
		{func(l *ptxsim.Launch) { l.Block[2] = 65 }, "block extent z is 65"},
		{func(l *ptxsim.Launch) { l.Block[0] = 17 }, "block of 272 threads, want at most 256"},
		{func(l *ptxsim.Launch) { l.Args = l.Args[:3] }, "have 3 arguments, want 4"},
		{func(l *ptxsim.Launch) { l.Args = []uint64{0, 0, 0, 1 << 32} }, "argument 3 (pn) is 0x100000000, out of range of .u32"},
		{func(l *ptxsim.Launch) { l.Dynamic = 16 }, "no .extern .shared"},
		{func(l *ptxsim.Launch) { l.Dynamic = 64 << 10 }, "at most 65536 together on sm_75"},
	} {
		l := ok
		c.change(&l)
		err := mod.Run(context.Background(), ptxsim.NewMemory(), "tiled", l, ptxsim.Checks{})
		if err == nil || !strings.Contains(err.Error(), c.want) || diag.KindOf(err) != diag.Usage {
			t.Errorf("have %v, want %q", err, c.want)
		}
	}
	err := mod.Run(context.Background(), ptxsim.NewMemory(), "tile", ok, ptxsim.Checks{})
	if err == nil || !strings.Contains(err.Error(), "did you mean tiled?") {
		t.Error(err)
	}
}

func TestDynamicShared(t *testing.T) {
	text := strings.Replace(frame("add.u32 %r4, %r1, 0; mov.u32 %r5, dyn; add.u32 %r4, %r4, %r5; st.shared.u32 [%r4], %r0;"),
		".shared .align 16 .b8 sh2[64];", ".shared .align 16 .b8 sh2[64];\n.extern .shared .align 16 .b8 dyn[];", 1)
	mod := parse(t, text)
	mem := ptxsim.NewMemory()
	l := ptxsim.Launch{Grid: [3]int{1, 1, 1}, Block: [3]int{64, 1, 1}, Args: []uint64{mem.Alloc(4), 0}, Dynamic: 256}
	if err := mod.Run(context.Background(), mem, "k", l, ptxsim.Checks{}); err != nil {
		t.Error(err)
	}
	l.Dynamic = 252
	wantFault(t, mod.Run(context.Background(), mem, "k", l, ptxsim.Checks{}), ptxsim.OutOfBounds, "st.shared")
}

func TestMemory(t *testing.T) {
	m := ptxsim.NewMemory()
	a, b := m.Alloc(100), m.AllocUninit(100)
	if a < 1<<40 || b <= a+100 || a%256 != 0 || b%256 != 0 {
		t.Fatalf("addresses %x, %x", a, b)
	}
	if err := m.Write(a+90, make([]byte, 11)); err == nil {
		t.Error("a write over the end")
	}
	if err := m.Write(a, []byte("hello")); err != nil {
		t.Error(err)
	}
	if err := m.Copy(b+10, a, 5); err != nil {
		t.Error(err)
	}
	got := make([]byte, 5)
	if err := m.Read(got, b+10); err != nil || string(got) != "hello" {
		t.Error(err, got)
	}
	if err := m.Free(a + 1); err == nil {
		t.Error("freed from the middle")
	}
	if err := m.Free(a); err != nil {
		t.Error(err)
	}
	if _, err := m.Bytes(a, 1); err == nil {
		t.Error("bytes of what was freed")
	}
	if c := m.Alloc(100); c == a {
		t.Error("an address given twice")
	}
}

// FuzzParse parses any text, and runs what it takes for a moment.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"vadd.ptx", "tiled.ptx", "reduce.ptx", "collatz.ptx", "mma.ptx"} {
		f.Add(read(f, name))
	}
	for _, c := range checkCases {
		f.Add(frame(c.bad))
		f.Add(frame(c.good))
	}
	for _, c := range instCases {
		f.Add(evalText(c.ins, c.out, c.in))
	}
	f.Fuzz(func(t *testing.T, text string) {
		mod, err := ptxsim.Parse([]byte(text))
		if err != nil {
			if diag.KindOf(err) == diag.Internal {
				t.Fatal(err)
			}
			return
		}
		mem := ptxsim.NewMemory()
		a := mem.Alloc(1024)
		for _, name := range mod.Kernels() {
			for n := range 6 {
				args := []uint64{a, a, a, 16, 1, 1}[:n]
				err := mod.Run(context.Background(), mem, name, ptxsim.Launch{Grid: [3]int{2, 1, 1}, Block: [3]int{40, 1, 1}, Args: args},
					ptxsim.Checks{Budget: 5000, Workers: 1})
				if err != nil && err.Error() == "" {
					t.Fatal("an empty error")
				}
			}
		}
	})
}
