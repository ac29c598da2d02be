package ptxsim

import (
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
)

// Limits on hostile text.
const (
	maxRegs    = 1 << 16 // declared per kernel
	maxUsed    = 1 << 13 // in use, with literals: each takes 128 or 256 bytes a warp
	maxParams  = 1088    // 4352 bytes of parameters hold no more than that of ours
	maxCode    = 1 << 20 // instructions per kernel
	maxKernels = 1 << 16
	staticCap  = 48 << 10 // static shared memory (PTX ISA, 5.1.8; what ptxas takes)
)

// Module is parsed PTX: kernels ready to run. It is immutable and may be used
// from several goroutines.
type Module struct {
	version int // 10*major + minor
	target  int // NN of sm_NN
	kernels map[string]*kernel
	names   []string
}

// Parse reads a module of the subset in doc.go. Its errors are *diag.Error with
// "ptx:line:column" as File: BadModel for text that is not PTX, Unsupported for
// PTX outside the subset. It never panics.
func Parse(text []byte) (*Module, error) {
	if len(text) > maxText {
		return nil, diag.New(diag.Limit, "ptx text of %d bytes: at most %d are read", len(text), maxText)
	}
	p := &parser{lex: lexer{src: string(text), line: 1}, mod: &Module{kernels: map[string]*kernel{}}}
	if err := p.module(); err != nil {
		return nil, err
	}
	return p.mod, nil
}

// Kernels are the names of the kernels in the order of the text.
func (m *Module) Kernels() []string { return append([]string(nil), m.names...) }

// Target is the NN of the module's .target sm_NN.
func (m *Module) Target() int { return m.target }

// parser reads with one token of lookahead.
type parser struct {
	lex lexer
	tok token
	mod *Module
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

func (p *parser) bad(t token, format string, a ...any) error {
	return faultAt(diag.BadModel, p.lex.src, t, format, a...)
}

func (p *parser) unsupported(t token, format string, a ...any) error {
	return faultAt(diag.Unsupported, p.lex.src, t, format, a...)
}

func (t token) is(punct string) bool { return t.kind == tokPunct && t.text == punct }

// show is the token for a message.
func (t token) show() string {
	if t.kind == tokEOF {
		return "end of text"
	}
	if len(t.text) > 60 {
		return strconv.Quote(t.text[:60]) + "..."
	}
	return strconv.Quote(t.text)
}

// expect takes the punctuation given.
func (p *parser) expect(punct string) error {
	if !p.tok.is(punct) {
		return p.bad(p.tok, "have %s, want %q", p.tok.show(), punct)
	}
	return p.advance()
}

// word takes a word; what says which.
func (p *parser) word(what string) (token, error) {
	t := p.tok
	if t.kind != tokWord {
		return t, p.bad(t, "have %s, want %s", t.show(), what)
	}
	return t, p.advance()
}

// integer takes an unsigned integer of at most limit.
func (p *parser) integer(what string, limit uint64) (int, error) {
	t := p.tok
	if t.kind != tokNumber {
		return 0, p.bad(t, "have %s, want %s", t.show(), what)
	}
	v, ok := parseInt(t.text)
	if !ok || v > limit {
		return 0, p.bad(t, "%s is %s, want at most %d", what, t.show(), limit)
	}
	return int(v), p.advance()
}

func (p *parser) module() error {
	if err := p.advance(); err != nil {
		return err
	}
	for p.tok.kind != tokEOF {
		t, err := p.word("a directive")
		if err != nil {
			return err
		}
		switch t.text {
		case ".version":
			err = p.version()
		case ".target":
			err = p.targetSM()
		case ".address_size":
			var n int
			if n, err = p.integer("the address size", 64); err == nil && n != 64 {
				err = p.unsupported(t, "address size %d: only 64", n)
			}
		case ".visible", ".weak":
			// Linking directives change nothing here.
		case ".entry":
			if p.mod.version == 0 || p.mod.target == 0 {
				return p.bad(t, "kernel before .version and .target")
			}
			err = p.entry()
		default:
			err = p.unsupported(t, "directive %s", t.show())
		}
		if err != nil {
			return err
		}
	}
	if p.mod.version == 0 || p.mod.target == 0 {
		return p.bad(p.tok, "no .version and .target")
	}
	return nil
}

func (p *parser) version() error {
	t := p.tok
	major, minor, ok := strings.Cut(t.text, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	if t.kind != tokNumber || !ok || err1 != nil || err2 != nil || a < 1 || a > 99 || b < 0 || b > 9 {
		return p.bad(t, "have %s, want a version such as 7.0", t.show())
	}
	p.mod.version = 10*a + b
	return p.advance()
}

func (p *parser) targetSM() error {
	t, err := p.word("a target such as sm_75")
	if err != nil {
		return err
	}
	n, ok := strings.CutPrefix(t.text, "sm_")
	sm, err := strconv.Atoi(strings.TrimSuffix(n, "a"))
	if !ok || err != nil || sm < 70 || sm > 999 {
		return p.unsupported(t, "target %s: sm_70 and above", t.show())
	}
	p.mod.target = sm
	return nil
}

// param is a parameter of a kernel.
type param struct {
	name string
	typ  ptype
}

// entry reads a kernel from its name on.
func (p *parser) entry() error {
	t, err := p.word("the kernel's name")
	if err != nil {
		return err
	}
	if p.mod.kernels[t.text] != nil {
		return p.bad(t, "kernel %s is there twice", t.show())
	}
	if len(p.mod.names) == maxKernels {
		return p.bad(t, "more than %d kernels", maxKernels)
	}
	b := newBuilder(p, t.text)
	if p.tok.is("(") {
		if err := p.params(b); err != nil {
			return err
		}
	}
	if err := p.tuning(b); err != nil {
		return err
	}
	if err := p.expect("{"); err != nil {
		return err
	}
	for !p.tok.is("}") {
		if err := p.statement(b); err != nil {
			return err
		}
	}
	end := p.tok
	if err := b.finish(end); err != nil {
		return err
	}
	p.mod.kernels[t.text] = b.k
	p.mod.names = append(p.mod.names, t.text)
	return p.advance()
}

func (p *parser) params(b *builder) error {
	for {
		if err := p.advance(); err != nil { // the "(" or ","
			return err
		}
		if p.tok.is(")") && len(b.k.params) == 0 {
			break
		}
		t, err := p.word("a .param")
		if err != nil {
			return err
		}
		if t.text != ".param" {
			return p.bad(t, "have %s, want .param", t.show())
		}
		typ, err := p.typeWord()
		if err != nil {
			return err
		}
		name, err := p.word("the parameter's name")
		if err != nil {
			return err
		}
		if typ.kind == 'p' || typ.kind == 'x' || typ.bits < 32 {
			return p.unsupported(name, "parameter of type %s", typ)
		}
		if len(b.k.params) == maxParams {
			return p.bad(name, "more than %d parameters", maxParams)
		}
		if !b.declare(name.text, symbol{kind: symParam, index: len(b.k.params)}) {
			return p.bad(name, "%s is declared twice", name.show())
		}
		b.k.params = append(b.k.params, param{name.text, typ})
		if p.tok.is(")") {
			break
		}
		if !p.tok.is(",") {
			return p.bad(p.tok, "have %s, want a comma or %q", p.tok.show(), ")")
		}
	}
	return p.advance()
}

// tuning reads .maxntid and its like: what bounds a launch is kept.
func (p *parser) tuning(b *builder) error {
	for p.tok.kind == tokWord {
		t := p.tok
		if err := p.advance(); err != nil {
			return err
		}
		var dims []int
		for {
			n, err := p.integer(t.text, 1<<31-1)
			if err != nil {
				return err
			}
			dims = append(dims, n)
			if !p.tok.is(",") {
				break
			}
			if len(dims) == 3 {
				return p.bad(p.tok, "more than three extents")
			}
			if err := p.advance(); err != nil {
				return err
			}
		}
		total := 1
		for _, d := range dims {
			if d > 1024 {
				d = 1025
			}
			total *= max(d, 1)
		}
		switch t.text {
		case ".maxntid":
			b.k.maxThreads = total
		case ".reqntid":
			copy(b.k.reqBlock[:], append(dims, 1, 1))
		case ".maxnreg", ".minnctapersm":
		default:
			return p.unsupported(t, "directive %s", t.show())
		}
	}
	return nil
}

// typeWord takes a type such as .u32.
func (p *parser) typeWord() (ptype, error) {
	t, err := p.word("a type")
	if err != nil {
		return noType, err
	}
	typ, ok := parseType(strings.TrimPrefix(t.text, "."))
	if !ok || t.text[0] != '.' {
		return noType, p.unsupported(t, "type %s", t.show())
	}
	return typ, nil
}
