package ptxsim

import "math"

// regs reads the rest of a .reg declaration.
func (p *parser) regs(b *builder) error {
	typ, err := p.typeWord()
	if err != nil {
		return err
	}
	for {
		t, err := p.word("a register")
		if err != nil {
			return err
		}
		if typ.bits == 8 {
			return p.unsupported(t, "register of type %s", typ)
		}
		n := 0
		if p.tok.is("<") {
			if err := p.advance(); err != nil {
				return err
			}
			if n, err = p.integer("the number of registers", maxRegs); err != nil {
				return err
			}
			if err := p.expect(">"); err != nil {
				return err
			}
			if n == 0 {
				return p.bad(t, "no registers")
			}
		}
		if t.text[0] != '%' || !b.declareRegs(t.text, typ, n) {
			return p.bad(t, "register %s: the name is taken, lacks %%, or is the %dth", t.show(), maxRegs+1)
		}
		if !p.tok.is(",") {
			return p.expect(";")
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
}

// sharedVar is a variable in shared memory.
type sharedVar struct {
	name      string
	lo, hi    uint32 // addresses, hi exclusive
	align     uint32
	size      int // 0 for dynamic
	isDynamic bool
}

// shared reads the rest of .shared .align N .type name[n]; behind .extern the
// extent is empty and given by the launch.
func (p *parser) shared(b *builder, extern bool) error {
	if extern {
		t, err := p.word(".shared")
		if err != nil {
			return err
		}
		if t.text != ".shared" {
			return p.unsupported(t, ".extern %s", t.text)
		}
	}
	align := 0
	t, err := p.word("a type")
	if err != nil {
		return err
	}
	if t.text == ".align" {
		if align, err = p.integer("the alignment", 128); err != nil {
			return err
		}
		if align < 1 || align&(align-1) != 0 {
			return p.bad(t, "alignment %d is no power of two", align)
		}
		if t, err = p.word("a type"); err != nil {
			return err
		}
	}
	typ, ok := parseType(t.text[1:])
	if !ok || t.text[0] != '.' || typ.kind == 'p' {
		return p.bad(t, "have %s, want a type", t.show())
	}
	name, err := p.word("the variable's name")
	if err != nil {
		return err
	}
	v := sharedVar{name: name.text, align: uint32(max(align, typ.bytes())), size: typ.bytes(), isDynamic: extern}
	if p.tok.is("[") {
		if err := p.advance(); err != nil {
			return err
		}
		switch {
		case extern:
			v.size = 0
		default:
			n, err := p.integer("the number of elements", math.MaxInt32)
			if err != nil {
				return err
			}
			v.size *= n
		}
		if err := p.expect("]"); err != nil {
			return err
		}
	} else if extern {
		return p.bad(p.tok, "have %s, want %q", p.tok.show(), "[]")
	}
	if err := b.addShared(name, v); err != nil {
		return err
	}
	return p.expect(";")
}
