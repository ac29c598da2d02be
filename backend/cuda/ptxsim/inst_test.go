package ptxsim_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/backend/cuda/ptxsim"
)

// evalText is a kernel that loads operands of the types in, runs one
// instruction on them and stores what it wrote, as a word of 64 bits.
func evalText(ins, out, in string) string {
	var b strings.Builder
	b.WriteString(".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p, .param .u64 q)\n{\n")
	b.WriteString(".reg .b64 %p, %q, %off, %wide;\n.reg .b32 %t;\n.reg .pred %isn;\n")
	ops := []string{"%o"}
	fmt.Fprintf(&b, ".reg .%s %%o;\n", out)
	b.WriteString("ld.param.u64 %p, [p];\nld.param.u64 %q, [q];\nmov.u32 %t, %tid.x;\nmul.wide.u32 %off, %t, 8;\nadd.u64 %q, %q, %off;\nshl.b64 %off, %off, 2;\nadd.u64 %p, %p, %off;\n")
	for i, typ := range strings.Fields(in) {
		name := fmt.Sprintf("%%i%d", i)
		fmt.Fprintf(&b, ".reg .%s %s;\n", typ, name)
		if typ == "pred" {
			fmt.Fprintf(&b, "ld.global.u32 %%t, [%%p+%d];\nsetp.ne.u32 %s, %%t, 0;\n", 8*i, name)
		} else {
			fmt.Fprintf(&b, "ld.global.b%s %s, [%%p+%d];\n", typ[1:], name, 8*i)
		}
		ops = append(ops, name)
	}
	fmt.Fprintf(&b, "%s %s;\n", ins, strings.Join(ops, ", "))
	switch {
	case out == "pred":
		b.WriteString("selp.u64 %wide, 1, 0, %o;\nst.global.u64 [%q], %wide;\n")
	case out[1:] == "64":
		b.WriteString("st.global.b64 [%q], %o;\n")
	default:
		fmt.Fprintf(&b, "mov.u64 %%wide, 0;\nst.global.u64 [%%q], %%wide;\nst.global.b%s [%%q], %%o;\n", out[1:])
	}
	b.WriteString("ret;\n}\n")
	return b.String()
}

// eval runs one instruction on rows of up to four operands, each a thread.
func eval(t testing.TB, ins, out, in string, rows [][]uint64) []uint64 {
	t.Helper()
	mod, err := ptxsim.Parse([]byte(evalText(ins, out, in)))
	if err != nil {
		t.Fatalf("%s: %v", ins, err)
	}
	mem := ptxsim.NewMemory()
	n := len(rows)
	p, q := mem.Alloc(32*n), mem.Alloc(8*n)
	buf, _ := mem.Bytes(p, 32*n)
	for i, r := range rows {
		for j, v := range r {
			binary.LittleEndian.PutUint64(buf[32*i+8*j:], v)
		}
	}
	res := make([]uint64, 0, n)
	for at := 0; at < n; at += 1024 {
		m := min(1024, n-at)
		err = mod.Run(context.Background(), mem, "k", ptxsim.Launch{Grid: [3]int{1, 1, 1}, Block: [3]int{m, 1, 1},
			Args: []uint64{p + uint64(32*at), q + uint64(8*at)}}, ptxsim.Checks{})
		if err != nil {
			t.Fatalf("%s: %v", ins, err)
		}
	}
	buf, _ = mem.Bytes(q, 8*n)
	for i := range n {
		res = append(res, binary.LittleEndian.Uint64(buf[8*i:]))
	}
	return res
}

func fb(x float32) uint64 { return uint64(math.Float32bits(x)) }
func db(x float64) uint64 { return math.Float64bits(x) }

var (
	inf   = float32(math.Inf(1))
	nanIn = uint64(0xffc12345) // a NaN with a payload
	neg0  = uint64(1 << 31)
)

const (
	canon   = 0x7fffffff         // the NaN of f32 arithmetic
	canon64 = 0x7fffffffffffffff // of f64
)

func s32(x int32) uint64 { return uint64(uint32(x)) }
func s64(x int64) uint64 { return uint64(x) }

// Values by hand from the definitions in the PTX ISA.
var instCases = []struct {
	ins, out, in string
	args         []uint64
	want         uint64
}{
	{"add.u32", "u32", "u32 u32", []uint64{0xffffffff, 2}, 1},
	{"add.s64", "s64", "s64 s64", []uint64{s64(-1), 5}, 4},
	{"sub.s32", "s32", "s32 s32", []uint64{3, 5}, s32(-2)},
	{"mul.lo.s32", "s32", "s32 s32", []uint64{s32(-3), 5}, s32(-15)},
	{"mul.lo.u32", "u32", "u32 u32", []uint64{0x10001, 0x10001}, 0x20001},
	{"mul.hi.u32", "u32", "u32 u32", []uint64{0xffffffff, 0xffffffff}, 0xfffffffe},
	{"mul.hi.s32", "s32", "s32 s32", []uint64{s32(-1), 5}, s32(-1)},
	{"mul.hi.u64", "u64", "u64 u64", []uint64{^uint64(0), ^uint64(0)}, ^uint64(1)},
	{"mul.hi.s64", "s64", "s64 s64", []uint64{s64(-1), 5}, s64(-1)},
	{"mul.hi.s64", "s64", "s64 s64", []uint64{s64(-1), s64(-1)}, 0},
	{"mul.hi.s64", "s64", "s64 s64", []uint64{1 << 63, 1 << 63}, 1 << 62},
	{"mul.wide.u32", "u64", "u32 u32", []uint64{0xffffffff, 0xffffffff}, 0xfffffffe00000001},
	{"mul.wide.s32", "s64", "s32 s32", []uint64{s32(-2), 3}, s64(-6)},
	{"mad.lo.u32", "u32", "u32 u32 u32", []uint64{7, 9, 0xfffffffe}, 61},
	{"mad.lo.s64", "s64", "s64 s64 s64", []uint64{7, s64(-9), 1}, s64(-62)},
	{"mad.hi.s32", "s32", "s32 s32 s32", []uint64{s32(-1), 1, 10}, 9},
	{"mad.hi.u32", "u32", "u32 u32 u32", []uint64{1 << 31, 4, 10}, 12},
	{"mad.wide.s32", "s64", "s32 s32 s64", []uint64{s32(-1 << 31), 2, 1}, s64(-1<<32 + 1)},
	{"mad.wide.u32", "u64", "u32 u32 u64", []uint64{1 << 31, 4, 1}, 1<<33 + 1},
	{"div.u32", "u32", "u32 u32", []uint64{0xffffffff, 10}, 429496729},
	{"div.s32", "s32", "s32 s32", []uint64{s32(-7), 2}, s32(-3)},
	{"rem.s32", "s32", "s32 s32", []uint64{s32(-7), 2}, s32(-1)},
	{"rem.u64", "u64", "u64 u64", []uint64{1<<40 + 3, 16}, 3},
	{"div.s64", "s64", "s64 s64", []uint64{s64(-1 << 40), 3}, s64(-366503875925)},
	{"min.s32", "s32", "s32 s32", []uint64{s32(-1), 1}, s32(-1)},
	{"min.u32", "u32", "u32 u32", []uint64{s32(-1), 1}, 1},
	{"max.s64", "s64", "s64 s64", []uint64{s64(-1), 1}, 1},
	{"max.u64", "u64", "u64 u64", []uint64{s64(-1), 1}, s64(-1)},
	{"abs.s32", "s32", "s32", []uint64{s32(-5)}, 5},
	{"neg.s64", "s64", "s64", []uint64{5}, s64(-5)},
	{"and.b32", "b32", "b32 b32", []uint64{0xf0f0, 0xff00}, 0xf000},
	{"or.b64", "b64", "b64 b64", []uint64{1 << 40, 1}, 1<<40 | 1},
	{"xor.b16", "b16", "b16 b16", []uint64{0xffff, 0x00f0}, 0xff0f},
	{"not.b16", "b16", "b16", []uint64{0x00f0}, 0xff0f},
	{"not.b32", "b32", "b32", []uint64{0}, 0xffffffff},
	{"shl.b32", "b32", "b32 u32", []uint64{1, 31}, 1 << 31},
	{"shl.b32", "b32", "b32 u32", []uint64{1, 32}, 0},
	{"shl.b32", "b32", "b32 u32", []uint64{1, 0xffffffff}, 0},
	{"shl.b64", "b64", "b64 u32", []uint64{1, 40}, 1 << 40},
	{"shl.b64", "b64", "b64 u32", []uint64{1, 64}, 0},
	{"shr.u32", "u32", "u32 u32", []uint64{1 << 31, 31}, 1},
	{"shr.u32", "u32", "u32 u32", []uint64{1 << 31, 33}, 0},
	{"shr.s32", "s32", "s32 u32", []uint64{s32(-8), 2}, s32(-2)},
	{"shr.s32", "s32", "s32 u32", []uint64{s32(-8), 40}, s32(-1)},
	{"shr.s64", "s64", "s64 u32", []uint64{s64(-8), 100}, s64(-1)},
	{"shr.u64", "u64", "u64 u32", []uint64{1 << 63, 63}, 1},
	{"selp.b32", "b32", "b32 b32 pred", []uint64{3, 4, 1}, 3},
	{"selp.f64", "f64", "f64 f64 pred", []uint64{3, 4, 0}, 4},
	{"slct.u32.s32", "u32", "u32 u32 s32", []uint64{3, 4, 0}, 3},
	{"slct.u32.s32", "u32", "u32 u32 s32", []uint64{3, 4, s32(-1)}, 4},
	{"slct.u64.f32", "u64", "u64 u64 f32", []uint64{3, 4, neg0}, 3},
	{"slct.u64.f32", "u64", "u64 u64 f32", []uint64{3, 4, canon}, 4},
	{"and.pred", "pred", "pred pred", []uint64{1, 0}, 0},
	{"xor.pred", "pred", "pred pred", []uint64{1, 0}, 1},
	{"not.pred", "pred", "pred", []uint64{0}, 1},
	{"setp.lt.and.u32", "pred", "u32 u32 pred", []uint64{1, 2, 0}, 0},
	{"setp.lt.or.s32", "pred", "s32 s32 pred", []uint64{5, 2, 1}, 1},
	{"setp.lt.xor.s32", "pred", "s32 s32 pred", []uint64{s32(-5), 2, 1}, 0},
	{"setp.lo.u32", "pred", "u32 u32", []uint64{s32(-5), 2}, 0},
	{"setp.hs.u64", "pred", "u64 u64", []uint64{s64(-5), 2}, 1},

	{"add.f32", "f32", "f32 f32", []uint64{fb(inf), fb(-inf)}, canon},
	{"add.f32", "f32", "f32 f32", []uint64{nanIn, fb(1)}, canon},
	{"add.f32", "f32", "f32 f32", []uint64{neg0, neg0}, neg0},
	{"add.f32", "f32", "f32 f32", []uint64{fb(16777216), fb(1)}, fb(16777216)},
	{"sub.f32", "f32", "f32 f32", []uint64{fb(1), fb(1)}, 0},
	{"mul.f32", "f32", "f32 f32", []uint64{1, fb(0.5)}, 0}, // half the least subnormal, to even
	{"mul.f32", "f32", "f32 f32", []uint64{3, fb(0.5)}, 2},
	{"mul.f64", "f64", "f64 f64", []uint64{db(3), db(0.5)}, db(1.5)},
	{"add.f64", "f64", "f64 f64", []uint64{db(math.Inf(1)), db(math.Inf(-1))}, canon64},
	{"fma.rn.f64", "f64", "f64 f64 f64", []uint64{db(3), db(4), db(5)}, db(17)},
	{"fma.rn.f32", "f32", "f32 f32 f32", []uint64{fb(inf), 0, fb(1)}, canon},
	{"fma.rn.f32", "f32", "f32 f32 f32", []uint64{neg0, fb(1), neg0}, neg0},
	{"fma.rn.f32", "f32", "f32 f32 f32", []uint64{fb(1e30), fb(1e30), 0}, fb(inf)},
	{"div.rn.f32", "f32", "f32 f32", []uint64{fb(1), fb(3)}, 0x3eaaaaab},
	{"div.rn.f32", "f32", "f32 f32", []uint64{fb(1), neg0}, fb(-inf)},
	{"div.rn.f32", "f32", "f32 f32", []uint64{0, 0}, canon},
	{"rcp.rn.f32", "f32", "f32", []uint64{fb(3)}, 0x3eaaaaab},
	{"rcp.rn.f64", "f64", "f64", []uint64{db(4)}, db(0.25)},
	{"sqrt.rn.f32", "f32", "f32", []uint64{fb(2)}, 0x3fb504f3},
	{"sqrt.rn.f32", "f32", "f32", []uint64{fb(-1)}, canon},
	{"sqrt.rn.f32", "f32", "f32", []uint64{neg0}, neg0},
	{"min.f32", "f32", "f32 f32", []uint64{nanIn, fb(1)}, fb(1)},
	{"max.f32", "f32", "f32 f32", []uint64{fb(1), nanIn}, fb(1)},
	{"min.f32", "f32", "f32 f32", []uint64{nanIn, nanIn}, canon},
	{"min.f32", "f32", "f32 f32", []uint64{0, neg0}, neg0},
	{"max.f32", "f32", "f32 f32", []uint64{neg0, 0}, 0},
	{"min.NaN.f32", "f32", "f32 f32", []uint64{nanIn, fb(1)}, canon},
	{"max.f64", "f64", "f64 f64", []uint64{canon64, db(-1)}, db(-1)},
	{"abs.f32", "f32", "f32", []uint64{fb(-2)}, fb(2)},
	{"neg.f32", "f32", "f32", []uint64{0}, neg0},
	{"copysign.f32", "f32", "f32 f32", []uint64{fb(-1), fb(3)}, fb(-3)}, // the sign of the first
	{"ex2.approx.f32", "f32", "f32", []uint64{fb(10)}, fb(1024)},
	{"ex2.approx.f32", "f32", "f32", []uint64{fb(-inf)}, 0},
	{"ex2.approx.f32", "f32", "f32", []uint64{fb(200)}, fb(inf)},
	{"ex2.approx.f32", "f32", "f32", []uint64{fb(0.5)}, 0x3fb504f3},
	{"lg2.approx.f32", "f32", "f32", []uint64{fb(8)}, fb(3)},
	{"lg2.approx.f32", "f32", "f32", []uint64{0}, fb(-inf)},
	{"lg2.approx.f32", "f32", "f32", []uint64{fb(-1)}, canon},
	{"testp.finite.f32", "pred", "f32", []uint64{fb(inf)}, 0},
	{"testp.infinite.f32", "pred", "f32", []uint64{fb(-inf)}, 1},
	{"testp.number.f32", "pred", "f32", []uint64{fb(inf)}, 1},
	{"testp.notanumber.f32", "pred", "f32", []uint64{nanIn}, 1},
	{"testp.normal.f32", "pred", "f32", []uint64{0}, 0},
	{"testp.subnormal.f32", "pred", "f32", []uint64{1}, 1},
	{"testp.subnormal.f64", "pred", "f64", []uint64{db(1)}, 0},

	{"cvt.u64.u32", "u64", "u32", []uint64{0xffffffff}, 0xffffffff},
	{"cvt.s64.s32", "s64", "s32", []uint64{s32(-2)}, s64(-2)},
	{"cvt.u32.u64", "u32", "u64", []uint64{1<<40 | 7}, 7},
	{"cvt.s32.s8", "s32", "b32", []uint64{0x1ff}, s32(-1)},
	{"cvt.u8.u32", "b32", "u32", []uint64{0x1ff}, 0xff},
	{"cvt.s8.s32", "s32", "s32", []uint64{0xff}, s32(-1)},
	{"cvt.sat.u8.s32", "b32", "s32", []uint64{s32(-7)}, 0},
	{"cvt.sat.s8.s32", "s32", "s32", []uint64{s32(-300)}, s32(-128)},
	{"cvt.sat.s32.u32", "s32", "u32", []uint64{0xffffffff}, 0x7fffffff},
	{"cvt.sat.u32.s64", "u32", "s64", []uint64{1 << 40}, 0xffffffff},
	{"cvt.rn.f32.u32", "f32", "u32", []uint64{0xffffffff}, fb(4294967296)},
	{"cvt.rz.f32.u32", "f32", "u32", []uint64{0xffffffff}, fb(4294967040)},
	{"cvt.rn.f32.s32", "f32", "s32", []uint64{s32(-16777217)}, fb(-16777216)},
	{"cvt.rn.f32.u64", "f32", "u64", []uint64{1<<63 + 1<<39 + 1}, 0x5f000001}, // by float64 this would tie to even
	{"cvt.rn.f64.s64", "f64", "s64", []uint64{s64(-1<<62 - 1)}, db(-1 << 62)},
	{"cvt.rz.f64.u64", "f64", "u64", []uint64{^uint64(0)}, db(18446744073709549568)},
	{"cvt.rn.f16.s32", "b16", "s32", []uint64{65519}, 0x7bff},
	{"cvt.rn.f16.s32", "b16", "s32", []uint64{65520}, 0x7c00},
	{"cvt.rzi.s32.f32", "s32", "f32", []uint64{fb(-1.9)}, s32(-1)},
	{"cvt.rni.s32.f32", "s32", "f32", []uint64{fb(2.5)}, 2},
	{"cvt.rmi.s32.f32", "s32", "f32", []uint64{fb(-1.1)}, s32(-2)},
	{"cvt.rpi.s32.f32", "s32", "f32", []uint64{fb(-1.9)}, s32(-1)},
	{"cvt.rzi.s32.f32", "s32", "f32", []uint64{fb(3e9)}, 0x7fffffff},
	{"cvt.rzi.s32.f32", "s32", "f32", []uint64{fb(-3e9)}, 1 << 31},
	{"cvt.rzi.s32.f32", "s32", "f32", []uint64{nanIn}, 0},
	{"cvt.rzi.u32.f32", "u32", "f32", []uint64{fb(-3)}, 0},
	{"cvt.rzi.u32.f32", "u32", "f32", []uint64{fb(inf)}, 0xffffffff},
	{"cvt.rni.s64.f32", "s64", "f32", []uint64{fb(-inf)}, 1 << 63},
	{"cvt.rni.u64.f64", "u64", "f64", []uint64{db(1e30)}, ^uint64(0)},
	{"cvt.rni.s8.f32", "s32", "f32", []uint64{fb(-200)}, s32(-128)},
	{"cvt.rni.u8.f32", "u32", "f32", []uint64{fb(300)}, 255},
	{"cvt.rni.f32.f32", "f32", "f32", []uint64{fb(-0.5)}, neg0},
	{"cvt.rpi.f32.f32", "f32", "f32", []uint64{fb(1.25)}, fb(2)},
	{"cvt.sat.f32.f32", "f32", "f32", []uint64{fb(1.25)}, fb(1)},
	{"cvt.sat.f32.f32", "f32", "f32", []uint64{nanIn}, 0},
	{"cvt.f64.f32", "f64", "f32", []uint64{fb(1.5)}, db(1.5)},
	{"cvt.f64.f32", "f64", "f32", []uint64{nanIn}, canon64},
	{"cvt.rn.f32.f64", "f32", "f64", []uint64{db(1 + 0x1p-24)}, fb(1)},
	{"cvt.rz.f32.f64", "f32", "f64", []uint64{db(1e300)}, 0x7f7fffff},
	{"cvt.rn.f16.f32", "f16", "f32", []uint64{fb(1 + 0x1p-11)}, 0x3c00},
	{"cvt.rn.f16.f32", "f16", "f32", []uint64{fb(1 + 0x1.8p-10)}, 0x3c02},
	{"cvt.rz.f16.f32", "f16", "f32", []uint64{fb(1 + 0x1.8p-10)}, 0x3c01},
	{"cvt.rz.f16.f32", "f16", "f32", []uint64{fb(-1e9)}, 0xfbff},
	{"cvt.rn.f16.f32", "f16", "f32", []uint64{fb(-1e9)}, 0xfc00},
	{"cvt.rn.f16.f32", "b16", "f32", []uint64{nanIn}, 0x7fff},
	{"cvt.rn.f16.f32", "b16", "f32", []uint64{fb(0x1p-25)}, 0},
	{"cvt.rn.f16.f32", "b16", "f32", []uint64{fb(0x1.8p-25)}, 1},
	{"cvt.f32.f16", "f32", "b16", []uint64{1}, fb(0x1p-24)},
	{"cvt.f32.f16", "f32", "f16", []uint64{0xfc00}, fb(-inf)},
	{"cvt.rn.f16x2.f32", "b32", "f32 f32", []uint64{fb(1), fb(-2)}, 0x3c00c000}, // the first in the upper half
}

func TestInstructions(t *testing.T) {
	for _, c := range instCases {
		// A whole warp and a part of one take different ways.
		rows := make([][]uint64, 37)
		for i := range rows {
			rows[i] = c.args
		}
		for i, got := range eval(t, c.ins, c.out, c.in, rows) {
			if got != c.want {
				t.Errorf("%s %#x: have %#x, want %#x (thread %d)", c.ins, c.args, got, c.want, i)
				break
			}
		}
	}
}

// TestSetpFloat compares every comparison with its definition over numbers and
// NaN (PTX ISA, setp: the ordered ones are false for NaN, the others true).
func TestSetpFloat(t *testing.T) {
	vals := []float64{-1, 0, math.Copysign(0, -1), 2, math.Inf(1), math.NaN()}
	for _, c := range []struct {
		name string
		f    func(a, b float64) bool
	}{
		{"eq", func(a, b float64) bool { return a == b }},
		{"ne", func(a, b float64) bool { return a < b || a > b }},
		{"lt", func(a, b float64) bool { return a < b }},
		{"le", func(a, b float64) bool { return a <= b }},
		{"gt", func(a, b float64) bool { return a > b }},
		{"ge", func(a, b float64) bool { return a >= b }},
		{"equ", func(a, b float64) bool { return !(a < b || a > b) }},
		{"neu", func(a, b float64) bool { return a != b }},
		{"ltu", func(a, b float64) bool { return !(a >= b) }},
		{"leu", func(a, b float64) bool { return !(a > b) }},
		{"gtu", func(a, b float64) bool { return !(a <= b) }},
		{"geu", func(a, b float64) bool { return !(a < b) }},
		{"num", func(a, b float64) bool { return a == a && b == b }},
		{"nan", func(a, b float64) bool { return a != a || b != b }},
	} {
		var r32, r64 [][]uint64
		var want []uint64
		for _, a := range vals {
			for _, b := range vals {
				r32 = append(r32, []uint64{fb(float32(a)), fb(float32(b))})
				r64 = append(r64, []uint64{db(a), db(b)})
				w := uint64(0)
				if c.f(a, b) {
					w = 1
				}
				want = append(want, w)
			}
		}
		for typ, rows := range map[string][][]uint64{"f32": r32, "f64": r64} {
			for i, got := range eval(t, "setp."+c.name+"."+typ, "pred", typ+" "+typ, rows) {
				if got != want[i] {
					t.Errorf("setp.%s.%s %x: have %d, want %d", c.name, typ, rows[i], got, want[i])
				}
			}
		}
	}
}

// TestFMA compares fma.rn.f32 with arbitrary precision, most of all where the
// sum lies in the middle of two floats or is subnormal.
func TestFMA(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	number := func() uint64 {
		x := r.Uint32()
		switch r.IntN(4) {
		case 0:
			x &= 0xfff80003
		case 1:
			x = x&0x807fffff | uint32(r.IntN(40)+40)<<23 // products that are subnormal
		case 2:
			x = x&0x807fffff | uint32(r.IntN(60)+97)<<23
		}
		if x>>23&0xff == 0xff {
			x &^= 1 << 30
		}
		return uint64(x)
	}
	rows := make([][]uint64, 20000)
	for i := range rows {
		rows[i] = []uint64{number(), number(), number()}
		if i%3 == 0 { // near cancellation to halves
			rows[i][2] = uint64(uint32(rows[i][2])&0x80000000 | (uint32(rows[i][0])+uint32(rows[i][1])-127<<23)&0x7fffffff)
			if rows[i][2]>>23&0xff == 0xff {
				rows[i][2] = 1
			}
		}
	}
	big64 := func(b uint64) *big.Float {
		return new(big.Float).SetPrec(2000).SetFloat64(float64(math.Float32frombits(uint32(b))))
	}
	for i, got := range eval(t, "fma.rn.f32", "f32", "f32 f32 f32", rows) {
		x := big64(rows[i][0])
		x.Mul(x, big64(rows[i][1]))
		x.Add(x, big64(rows[i][2]))
		w, _ := x.Float32()
		if x.Sign() == 0 {
			w = math.Float32frombits(uint32(got)) // the sign of an exact zero is tested by hand
		}
		if fb(w) != got {
			t.Fatalf("fma %x: have %#x, want %#x", rows[i], got, fb(w))
		}
	}
}
