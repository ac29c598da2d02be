package ptx

import (
	"encoding/binary"
	"math"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// machine runs a kernel of one thread, by the words of the PTX ISA document
// ("Instruction Set"), without its registers' types: what the tests of this
// package need, and no more. Blocks of threads are for backend/cuda/ptxsim.
type machine struct {
	t     testing.TB
	lines [][]string // mnemonic or guard first, then operands
	at    map[string]int
	mem   []byte // global memory from address 0
}

var insRE = regexp.MustCompile(`^\t(@!?%p\d+ )?([a-z0-9.A-Z]+)(?: (.*))?;$`)

// load makes a machine of the only kernel of a module.
func load(t testing.TB, m *Module, mem int) *machine {
	t.Helper()
	text, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(text, "{\n")
	mc := &machine{t: t, at: map[string]int{}, mem: make([]byte, mem)}
	for line := range strings.Lines(body) {
		line = strings.TrimRight(line, "\n")
		if l, ok := strings.CutSuffix(line, ":"); ok {
			mc.at[l] = len(mc.lines)
			continue
		}
		f := insRE.FindStringSubmatch(line)
		if f == nil || f[2] == ".reg" || strings.HasPrefix(line, "\t.") || strings.HasPrefix(line, "\t//") {
			continue
		}
		mc.lines = append(mc.lines, append([]string{strings.TrimSpace(f[1]), f[2]}, strings.Split(f[3], ", ")...))
	}
	return mc
}

// run runs the kernel with parameters by name and returns how many instructions
// that took.
func (mc *machine) run(params map[string]uint64) int {
	mc.t.Helper()
	regs := map[string]uint64{}
	get := func(s string) uint64 {
		switch {
		case s[0] == '%':
			v, ok := regs[s]
			if !ok {
				mc.t.Fatalf("%s is read before it is set", s)
			}
			return v
		case strings.HasPrefix(s, "0f"):
			v, _ := strconv.ParseUint(s[2:], 16, 32)
			return v
		}
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			mc.t.Fatal(err)
		}
		return uint64(v)
	}
	place := func(s string) []byte {
		base, off, _ := strings.Cut(strings.Trim(s, "[]"), "+")
		n := get(base)
		if off != "" {
			n += get(off)
		}
		return mc.mem[n:]
	}
	steps := 0
	for pc := 0; ; pc++ {
		if steps++; steps > 1e6 {
			mc.t.Fatal("runs on and on")
		}
		guard, name, args := mc.lines[pc][0], mc.lines[pc][1], mc.lines[pc][2:]
		if guard != "" {
			g := strings.TrimLeft(guard, "@!")
			if (get(g) != 0) == (guard[1] == '!') {
				continue
			}
		}
		switch name {
		case "ret":
			return steps
		case "bra":
			pc = mc.at[args[0]] - 1
		case "ld.param.u64", "ld.param.u32", "ld.param.f32":
			regs[args[0]] = params[strings.Trim(args[1], "[]")[2:]]
		case "ld.global.u32", "ld.global.f32", "ld.global.nc.f32":
			regs[args[0]] = uint64(binary.LittleEndian.Uint32(place(args[1])))
		case "st.global.u32", "st.global.f32":
			binary.LittleEndian.PutUint32(place(args[0]), uint32(get(args[1])))
		default:
			v := make([]uint64, len(args)-1)
			for i, a := range args[1:] {
				v[i] = get(a)
			}
			regs[args[0]] = eval(mc.t, name, v)
		}
	}
}

func eval(t testing.TB, name string, v []uint64) uint64 {
	op, typ := name[:strings.IndexByte(name, '.')], name[strings.LastIndexByte(name, '.')+1:]
	switch op {
	case "mov", "cvta":
		return v[0]
	case "selp":
		if v[2] != 0 {
			return v[0]
		}
		return v[1]
	}
	f := func(i int) float32 { return math.Float32frombits(uint32(v[i])) }
	u := func(i int) uint32 { return uint32(v[i]) }
	s := func(i int) int32 { return int32(uint32(v[i])) }
	if op == "setp" {
		c := strings.Split(name, ".")[1]
		switch {
		case typ == "f32" && c == "nan":
			return truth(f(0) != f(0) || f(1) != f(1))
		case typ == "f32":
			return compare(t, c, f(0), f(1))
		case typ == "s32":
			return compare(t, c, s(0), s(1))
		}
		return compare(t, c, u(0), u(1))
	}
	switch typ {
	case "f32":
		if name != "cvt.rn.f32.s32" && name != "cvt.rn.f32.u32" {
			return uint64(math.Float32bits(evalF32(t, name, f, len(v))))
		}
	case "pred":
		switch op {
		case "and":
			return v[0] & v[1]
		case "or":
			return v[0] | v[1]
		case "not":
			return 1 - v[0]
		}
	}
	switch name {
	case "mad.wide.u32":
		return uint64(u(0))*uint64(u(1)) + v[2]
	case "mad.wide.s32":
		return uint64(int64(s(0))*int64(s(1))) + v[2]
	case "mul.wide.u32":
		return uint64(u(0)) * uint64(u(1))
	case "mad.lo.s64":
		return v[0]*v[1] + v[2]
	case "add.s64":
		return v[0] + v[1]
	}
	return uint64(evalU32(t, name, u, s))
}

func evalF32(t testing.TB, name string, f func(i int) float32, n int) float32 {
	switch name {
	case "add.rn.f32":
		return f(0) + f(1)
	case "sub.rn.f32":
		return f(0) - f(1)
	case "mul.rn.f32":
		return f(0) * f(1)
	case "fma.rn.f32":
		return vecmath.FMA32(f(0), f(1), f(2))
	case "div.rn.f32":
		return f(0) / f(1)
	case "rcp.rn.f32":
		return 1 / f(0)
	case "sqrt.rn.f32":
		return float32(math.Sqrt(float64(f(0))))
	case "neg.f32":
		return -f(0)
	case "abs.f32":
		return float32(math.Abs(float64(f(0))))
	case "cvt.rmi.f32.f32":
		return float32(math.Floor(float64(f(0))))
	case "cvt.rpi.f32.f32":
		return float32(math.Ceil(float64(f(0))))
	case "cvt.rni.f32.f32":
		return float32(math.RoundToEven(float64(f(0))))
	case "copysign.f32":
		// "Copies sign bit of a into value of b".
		return float32(math.Copysign(float64(f(1)), float64(f(0))))
	case "min.f32", "max.f32":
		// "If one of the inputs is NaN, the result is the other."
		if f(0) != f(0) {
			return f(1)
		} else if f(1) != f(1) {
			return f(0)
		}
	}
	switch name[:3] {
	case "min":
		return min(f(0), f(1))
	case "max":
		return max(f(0), f(1))
	}
	t.Fatalf("no %s of %d", name, n)
	return 0
}

func evalU32(t testing.TB, name string, u func(i int) uint32, s func(i int) int32) uint32 {
	switch name {
	case "add.u32":
		return u(0) + u(1)
	case "sub.u32":
		return u(0) - u(1)
	case "neg.s32":
		return -u(0)
	case "mul.lo.u32":
		return u(0) * u(1)
	case "mul.hi.u32":
		return uint32(uint64(u(0)) * uint64(u(1)) >> 32)
	case "mad.lo.u32":
		return u(0)*u(1) + u(2)
	case "div.u32":
		q, _ := bits.Div32(0, u(0), u(1))
		return q
	case "rem.u32":
		return bits.Rem32(0, u(0), u(1))
	case "min.u32":
		return min(u(0), u(1))
	case "max.u32":
		return max(u(0), u(1))
	case "min.s32":
		return uint32(min(s(0), s(1)))
	case "max.s32":
		return uint32(max(s(0), s(1)))
	case "and.b32":
		return u(0) & u(1)
	case "or.b32":
		return u(0) | u(1)
	case "xor.b32":
		return u(0) ^ u(1)
	case "not.b32":
		return ^u(0)
	case "shl.b32": // "shift amounts greater than the register width are clamped"
		return uint32(uint64(u(0)) << min(u(1), 32))
	case "shr.u32":
		return uint32(uint64(u(0)) >> min(u(1), 32))
	case "shr.s32":
		return uint32(int64(s(0)) >> min(u(1), 32))
	case "cvt.rn.f32.s32":
		return math.Float32bits(float32(s(0)))
	case "cvt.rn.f32.u32":
		return math.Float32bits(float32(u(0)))
	}
	t.Fatalf("no %s", name)
	return 0
}

func truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func compare[T float32 | int32 | uint32](t testing.TB, name string, a, b T) uint64 {
	switch name {
	case "eq":
		return truth(a == b)
	case "ne", "neu":
		return truth(a != b)
	case "lt":
		return truth(a < b)
	case "le":
		return truth(a <= b)
	case "gt":
		return truth(a > b)
	case "ge":
		return truth(a >= b)
	}
	t.Fatalf("no comparison %s", name)
	return 0
}

func (mc *machine) u32(i int) uint32 { return binary.LittleEndian.Uint32(mc.mem[4*i:]) }

func (mc *machine) put(i int, v uint32) { binary.LittleEndian.PutUint32(mc.mem[4*i:], v) }
