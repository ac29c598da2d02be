package ptxsim

import (
	"slices"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
)

type symbolKind uint8

const (
	symParam symbolKind = iota
	symShared
	symLabel
)

// symbol is a name of a kernel that is no register.
type symbol struct {
	kind  symbolKind
	index int // parameter, variable, program counter
}

type regRange struct {
	typ ptype
	n   int // 0 for a single register
}

// regRef is a register of the kernel's files.
type regRef struct {
	typ ptype
	idx int32
}

// builder collects a kernel while its text is read.
type builder struct {
	p       *parser
	k       *kernel
	syms    map[string]symbol
	decl    map[string]regRange // by name or by the prefix of a range
	nDecl   int
	regs    map[string]regRef // those in use
	const32 map[uint32]int32
	const64 map[uint64]int32
	params  map[[2]int]int32 // parameter and class: its register
	jumps   []jump
	static  uint32 // bytes of static shared memory without the gaps
}

// jump is a branch whose label is resolved at the kernel's end.
type jump struct {
	at    int
	label token
}

func newBuilder(p *parser, name string) *builder {
	k := &kernel{name: name, src: p.lex.src, sharedUnit: 16, globalUnit: 16, sharedEnd: sharedBase}
	b := &builder{p: p, k: k, syms: map[string]symbol{}, decl: map[string]regRange{}, regs: map[string]regRef{},
		const32: map[uint32]int32{}, const64: map[uint64]int32{}, params: map[[2]int]int32{}}
	b.new(class32, fullMask) // register 0 of each file stands for "no operand"
	b.new(class64, fullMask)
	b.new(classP, fullMask)
	return b
}

// new adds a register to a file; init are the lanes that hold a value from
// the start.
func (b *builder) new(c class, init uint32) int32 {
	list := &b.k.init[c]
	*list = append(*list, init)
	return int32(len(*list) - 1)
}

// declare adds a name; false where it is there.
func (b *builder) declare(name string, s symbol) bool {
	if _, ok := b.syms[name]; ok {
		return false
	}
	b.syms[name] = s
	return true
}

func (b *builder) declareRegs(name string, typ ptype, n int) bool {
	if _, ok := b.decl[name]; ok || b.nDecl+max(n, 1) > maxRegs {
		return false
	}
	if specialOf(name) != noSpecial {
		return false
	}
	b.nDecl += max(n, 1)
	b.decl[name] = regRange{typ, n}
	return true
}

// reg finds a declared register by its name.
func (b *builder) reg(name string) (regRef, bool) {
	if r, ok := b.regs[name]; ok {
		return r, true
	}
	d, ok := b.decl[name]
	if ok && d.n > 0 {
		return regRef{}, false
	}
	if !ok {
		stem := strings.TrimRight(name, "0123456789")
		num := name[len(stem):]
		if num == "" || len(num) > 1 && num[0] == '0' {
			return regRef{}, false
		}
		i, err := strconv.Atoi(num)
		if d, ok = b.decl[stem]; !ok || err != nil || i >= d.n {
			return regRef{}, false
		}
	}
	r := regRef{d.typ, b.new(d.typ.class(), 0)}
	b.regs[name] = r
	return r, true
}

// literal32 is a register that holds v in every lane.
func (b *builder) literal32(v uint32) int32 {
	if v == 0 {
		return 0
	}
	i, ok := b.const32[v]
	if !ok {
		i = b.new(class32, fullMask)
		b.const32[v] = i
		b.k.fixed32 = append(b.k.fixed32, fixed{idx: i, value: uint64(v)})
	}
	return i
}

func (b *builder) literal64(v uint64) int32 {
	if v == 0 {
		return 0
	}
	i, ok := b.const64[v]
	if !ok {
		i = b.new(class64, fullMask)
		b.const64[v] = i
		b.k.fixed64 = append(b.k.fixed64, fixed{idx: i, value: v})
	}
	return i
}

// paramReg is a register that a launch fills with a parameter.
func (b *builder) paramReg(n int, c class) int32 {
	key := [2]int{n, int(c)}
	i, ok := b.params[key]
	if !ok {
		i = b.new(c, fullMask)
		b.params[key] = i
		b.k.paramRegs = append(b.k.paramRegs, paramReg{idx: i, param: n, class: c})
	}
	return i
}

// special is a register that holds a special one, such as %tid.x.
func (b *builder) special(s special) int32 {
	for _, r := range b.k.specials {
		if r.what == s {
			return r.idx
		}
	}
	i := b.new(class32, fullMask)
	b.k.specials = append(b.k.specials, specialReg{idx: i, what: s})
	return i
}

func (b *builder) label(t token) error {
	if t.text[0] == '.' || t.text[0] == '%' {
		return b.p.bad(t, "label %s", t.show())
	}
	if !b.declare(t.text, symbol{symLabel, len(b.k.code)}) {
		return b.p.bad(t, "%s is declared twice", t.show())
	}
	return nil
}

// addShared lays a variable out. Variables lie apart, so that running over
// the end of one is no access to the next.
func (b *builder) addShared(t token, v sharedVar) error {
	if !b.declare(t.text, symbol{symShared, len(b.k.shared)}) {
		return b.p.bad(t, "%s is declared twice", t.show())
	}
	if n := len(b.k.shared); n > 0 && b.k.shared[n-1].isDynamic {
		return b.p.unsupported(t, "shared variable behind the one of dynamic extent")
	}
	if len(b.k.shared) == 256 {
		return b.p.bad(t, "more than 256 shared variables")
	}
	align := func(x uint32) uint32 { return (x + v.align - 1) &^ (v.align - 1) }
	if v.size > staticCap || align(b.static)+uint32(v.size) > staticCap {
		return b.p.bad(t, "static shared memory over %d bytes", staticCap)
	}
	b.static = align(b.static) + uint32(v.size)
	v.lo = align(b.k.sharedEnd)
	v.hi = v.lo + uint32(v.size)
	b.k.sharedEnd = v.hi + sharedGap
	b.k.shared = append(b.k.shared, v)
	return nil
}

// instruction decodes s and appends it.
func (b *builder) instruction(s *stmt) error {
	if len(b.k.code) == maxCode {
		return b.p.bad(s.tok, "more than %d instructions", maxCode)
	}
	d := decoder{b: b, s: s, mods: s.mods}
	d.in.line = int32(s.tok.line)
	if s.guard != "" {
		r, ok := b.reg(s.guard)
		if !ok || r.typ.kind != 'p' {
			return b.p.bad(s.guardTok, "guard %s is no declared predicate", s.guardTok.show())
		}
		d.in.guard, d.in.guardNot = r.idx, s.guardNot
	}
	d.decode()
	if d.err != nil {
		return d.err
	}
	if len(b.k.init[class32])+len(b.k.init[class64])+len(b.k.init[classP]) > maxUsed {
		return b.p.unsupported(s.tok, "more than %d registers and literals in use", maxUsed)
	}
	b.k.code = append(b.k.code, d.in)
	return nil
}

// finish resolves labels and ends the code.
func (b *builder) finish(end token) error {
	b.k.code = append(b.k.code, inst{kind: kindExit, line: int32(end.line)})
	for _, j := range b.jumps {
		s, ok := b.syms[j.label.text]
		if !ok || s.kind != symLabel {
			return b.p.bad(j.label, "no label %s%s", j.label.show(), diag.DidYouMean(j.label.text, b.labels(), "none is near"))
		}
		b.k.code[j.at].target = int32(s.index)
	}
	b.k.static = b.static
	return nil
}

func (b *builder) labels() []string {
	var out []string
	for n, s := range b.syms {
		if s.kind == symLabel {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}
