package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// emu executes the amd64 text that this package emits, so that kernels for
// processors that a developer does not have are tested all the same. It knows
// the instructions in use and no more; memory is a few regions, and an access
// outside of them is an error, as is one through the wrong width.
//
// It checks the emitted text, not the encoding, which is the assembler's; the
// tests run it on AVX2 kernels too, whose results hardware confirms.
type emu struct {
	code   []emuInstr
	labels map[string]int

	r     map[string]int64
	z     [32][16]uint32
	flag  int64 // sign decides the conditional jumps
	frame map[int]int64
	mem   []emuRegion
	steps int
}

type emuInstr struct {
	op   string
	args []string
	line string
}

type emuRegion struct {
	name string
	base int64
	data []float32
}

// newEmu takes the body of function name from an assembly file.
func newEmu(text, name string) (*emu, error) {
	_, body, ok := strings.Cut(text, "TEXT ·"+name+"(SB)")
	if !ok {
		return nil, fmt.Errorf("no function %s", name)
	}
	body, _, _ = strings.Cut(body, "\nTEXT ")
	e := &emu{labels: map[string]int{}, r: map[string]int64{}, frame: map[int]int64{}}
	for _, line := range strings.Split(body, "\n")[1:] {
		line, _, _ = strings.Cut(line, "//")
		line = strings.TrimSpace(line)
		if l, ok := strings.CutSuffix(line, ":"); ok {
			e.labels[l] = len(e.code)
		} else if line != "" {
			op, rest, _ := strings.Cut(line, " ")
			e.code = append(e.code, emuInstr{op, strings.Split(rest, ", "), line})
		}
	}
	return e, nil
}

// region makes data addressable and returns its address.
func (e *emu) region(name string, data []float32) int64 {
	base := int64(len(e.mem)+1)<<40 + 4 // aligned to an element, no more
	e.mem = append(e.mem, emuRegion{name, base, data})
	return base
}

// call sets the parameters, eight bytes each, and runs to RET.
func (e *emu) call(params ...int64) error {
	for i, p := range params {
		e.frame[8*i] = p
	}
	for i := range e.z { // whatever was there before
		for j := range e.z[i] {
			e.z[i][j] = 0x7fdead00 + uint32(i)
		}
	}
	for pc := 0; pc < len(e.code); {
		in := e.code[pc]
		if e.steps++; e.steps > 50_000_000 {
			return fmt.Errorf("no end in sight at %q", in.line)
		}
		if in.op == "RET" {
			return nil
		}
		next, err := e.step(in)
		if err != nil {
			return fmt.Errorf("%q: %w", in.line, err)
		}
		if next != "" {
			to, ok := e.labels[next]
			if !ok {
				return fmt.Errorf("%q: no such label", in.line)
			}
			pc = to
			continue
		}
		pc++
	}
	return fmt.Errorf("fell off the end")
}

// step executes one instruction and returns the label to go to, or "".
func (e *emu) step(in emuInstr) (string, error) {
	a := in.args
	jump := map[string]bool{"JLT": e.flag < 0, "JLE": e.flag <= 0, "JGT": e.flag > 0, "JGE": e.flag >= 0, "JEQ": e.flag == 0, "JMP": true}
	if taken, ok := jump[in.op]; ok {
		if taken {
			return a[0], nil
		}
		return "", nil
	}
	switch in.op {
	case "PREFETCHT0", "VZEROUPPER":
		return "", nil
	case "MOVQ", "SHLQ", "ADDQ", "SUBQ", "CMPQ", "LEAQ":
		return "", e.integer(in.op, a)
	}
	return "", e.vector(in.op, a)
}

func (e *emu) integer(op string, a []string) error {
	dst := a[1]
	if op == "LEAQ" {
		at, err := e.address(a[0])
		e.r[dst] = at
		return err
	}
	x, err := e.value(a[0])
	if err != nil {
		return err
	}
	switch op {
	case "MOVQ":
		e.r[dst] = x
		return nil
	case "CMPQ":
		y, err := e.value(dst)
		e.flag = x - y
		return err
	case "SHLQ":
		e.r[dst] <<= x
	case "ADDQ":
		e.r[dst] += x
	case "SUBQ":
		e.r[dst] -= x
	}
	e.flag = e.r[dst]
	return nil
}

// value reads an immediate, a parameter or a register.
func (e *emu) value(s string) (int64, error) {
	if imm, ok := strings.CutPrefix(s, "$"); ok {
		return strconv.ParseInt(imm, 0, 64)
	}
	if sym, ok := strings.CutSuffix(s, "(FP)"); ok {
		_, off, _ := strings.Cut(sym, "+")
		n, err := strconv.Atoi(off)
		v, known := e.frame[n]
		if err != nil || !known {
			return 0, fmt.Errorf("no parameter at %s", s)
		}
		return v, nil
	}
	v, ok := e.r[s]
	if !ok {
		return 0, fmt.Errorf("register %s was never set", s)
	}
	return v, nil
}

// address computes disp(base)(index*scale).
func (e *emu) address(s string) (int64, error) {
	disp, rest, ok := strings.Cut(s, "(")
	if !ok {
		return 0, fmt.Errorf("%s is no address", s)
	}
	at := int64(0)
	if disp != "" {
		d, err := strconv.ParseInt(disp, 0, 64)
		if err != nil {
			return 0, err
		}
		at = d
	}
	for _, part := range strings.Split(strings.TrimSuffix(rest, ")"), ")(") {
		reg, scale, scaled := strings.Cut(part, "*")
		v, err := e.value(reg)
		if err != nil {
			return 0, err
		}
		if scaled {
			n, _ := strconv.Atoi(scale)
			v *= int64(n)
		}
		at += v
	}
	return at, nil
}

// access returns n elements of memory.
func (e *emu) access(s string, n int) ([]float32, error) {
	at, err := e.address(s)
	if err != nil {
		return nil, err
	}
	for _, m := range e.mem {
		i := (at - m.base) / 4
		if at >= m.base-1<<39 && at < m.base+1<<39 {
			if i < 0 || int(i)+n > len(m.data) || (at-m.base)%4 != 0 {
				return nil, fmt.Errorf("elements [%d, %d) of %s, which has %d", i, int(i)+n, m.name, len(m.data))
			}
			return m.data[i : int(i)+n], nil
		}
	}
	return nil, fmt.Errorf("address %#x is in no region", at)
}

// reg parses a vector register: its number and how many lanes its name takes.
func reg(s string) (n, lanes int, ok bool) {
	if s == "" || !strings.Contains("XYZ", s[:1]) {
		return 0, 0, false
	}
	n, err := strconv.Atoi(s[1:])
	return n, map[byte]int{'X': 4, 'Y': 8, 'Z': 16}[s[0]], err == nil && n < 32
}

// source reads a vector register or memory.
func (e *emu) source(s string, lanes int) ([16]uint32, error) {
	var v [16]uint32
	if n, l, ok := reg(s); ok {
		if l != lanes {
			return v, fmt.Errorf("register %s has %d lanes, want %d", s, l, lanes)
		}
		return e.z[n], nil
	}
	m, err := e.access(s, lanes)
	for i, x := range m {
		v[i] = math.Float32bits(x)
	}
	return v, err
}

func (e *emu) vector(op string, a []string) error {
	n, lanes, ok := reg(a[len(a)-1])
	if !ok { // a store
		from, l, isReg := reg(a[0])
		if op != "VMOVUPS" && op != "VMOVDQU32" || !isReg {
			return fmt.Errorf("not in the instruction set of the emulator")
		}
		m, err := e.access(a[1], l)
		for i := range m {
			m[i] = math.Float32frombits(e.z[from][i])
		}
		return err
	}
	out := e.z[n]
	defer func() { // lanes above the operand size become zero
		for i := lanes; i < 16; i++ {
			e.z[n][i] = 0
		}
	}()
	width := lanes
	if op == "VBROADCASTSS" || op == "VPBROADCASTD" {
		width = 1
	}
	s1, err := e.source(a[0], width)
	if err != nil {
		return err
	}
	var s2 [16]uint32
	if len(a) == 3 {
		if s2, err = e.source(a[1], lanes); err != nil {
			return err
		}
	}
	f := math.Float32frombits
	for i := range lanes {
		switch op {
		case "VMOVUPS", "VMOVDQU32":
			out[i] = s1[i]
		case "VPDPBUSD": // signed bytes first, as Go's assembler has them
			for b := 0; b < 32; b += 8 {
				out[i] += uint32(int32(int8(s1[i]>>b)) * int32(uint8(s2[i]>>b)))
			}
		case "VBROADCASTSS", "VPBROADCASTD":
			out[i] = s1[0]
		case "VXORPS", "VPXORQ":
			out[i] = s1[i] ^ s2[i]
		case "VADDPS":
			out[i] = math.Float32bits(f(s1[i]) + f(s2[i]))
		case "VFMADD231PS":
			out[i] = math.Float32bits(vecmath.FMA32(f(s1[i]), f(s2[i]), f(out[i])))
		default:
			return fmt.Errorf("not in the instruction set of the emulator")
		}
	}
	e.z[n] = out
	return nil
}
