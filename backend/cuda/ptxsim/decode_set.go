package ptxsim

// setp compares; with .and, .or, .xor it combines the result with a
// predicate, and d|q also yields the complement, combined alike.
func (d *decoder) setp() {
	cmp := d.must("eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs",
		"equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan")
	op := d.take("and", "or", "xor")
	t := d.typ("b16", "b32", "b64", "u16", "u32", "u64", "s32", "s64", "f32", "f64")
	n := 3
	if op != "" {
		n = 4
	}
	if !d.end(n) {
		return
	}
	c, ok := compareFor(cmp, t)
	if !ok {
		d.bad(d.s.tok, "%s: no comparison .%s of type %s", d.s.tok.text, cmp, t)
		return
	}
	q := int32(-1)
	if o := d.s.ops[0]; o.kind == opPair {
		r, _ := d.register(o.elems[1], ptype{'p', 1}, false)
		q = r.idx
		d.s.ops[0] = o.elems[0]
	}
	d.in.d = d.dst(0, ptype{'p', 1})
	d.sources(t, 2)
	cl := t.class()
	d.reads(cl, d.in.a, d.in.b)
	var flip uint32
	if op != "" {
		idx, neg := d.predicate(d.s.ops[3])
		if d.in.c = idx; neg {
			flip = fullMask
		}
	}
	combine := func(w *warp, in *inst, x uint32) uint32 {
		p := w.p[in.c] ^ flip
		switch op {
		case "and":
			return x & p
		case "or":
			return x | p
		case "xor":
			return x ^ p
		}
		return x
	}
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		var x uint32
		if cl == class64 {
			x = c.mask64(&w.r64[in.a], &w.r64[in.b])
		} else {
			x = c.mask32(&w.r32[in.a], &w.r32[in.b])
		}
		y := x
		if op != "" {
			x, y = combine(w, in, x), combine(w, in, ^x)
		} else {
			y = ^x
		}
		if q >= 0 {
			w.putP(q, m, y)
		}
		w.putP(in.d, m, x)
		return true
	}
}

// compare is a comparison as a basic one with its operands swapped, its
// result inverted, and pairs with a NaN set to what they give.
type compare struct {
	base32       func(a, b *v32) uint32
	base64       func(a, b *v64) uint32
	swap, invert bool
	nan          byte // 0: no float; 'f', 't': what a NaN gives
}

func (c *compare) mask32(a, b *v32) uint32 {
	x, y := a, b
	if c.swap {
		x, y = b, a
	}
	m := c.base32(x, y)
	if c.invert {
		m = ^m
	}
	if c.nan != 0 {
		if n := nanMask32(a, b); c.nan == 't' {
			m |= n
		} else {
			m &^= n
		}
	}
	return m
}

func (c *compare) mask64(a, b *v64) uint32 {
	x, y := a, b
	if c.swap {
		x, y = b, a
	}
	m := c.base64(x, y)
	if c.invert {
		m = ^m
	}
	if c.nan != 0 {
		if n := nanMask64(a, b); c.nan == 't' {
			m |= n
		} else {
			m &^= n
		}
	}
	return m
}

// compareFor is the comparison named cmp of two t.
func compareFor(cmp string, t ptype) (*compare, bool) {
	if t.kind == 'f' {
		return compareFloat(cmp)
	}
	c := &compare{}
	order := "lt"
	switch cmp {
	case "eq", "ne":
		order = "eq"
		c.invert = cmp == "ne"
	case "lt", "lo":
	case "gt", "hi":
		c.swap = true
	case "ge", "hs":
		c.invert = true
	case "le", "ls":
		c.swap, c.invert = true, true
	default:
		return nil, false
	}
	if order == "lt" {
		signed := t.kind == 's'
		word := cmp[1] == 'o' || cmp[1] == 's' || cmp[0] == 'h' // lo, ls, hi, hs are for unsigned only
		if t.kind == 'b' || word && signed {
			return nil, false
		}
		if signed {
			c.base32, c.base64 = ltS32, ltS64
		} else {
			c.base32, c.base64 = ltU32, ltU64
		}
		return c, true
	}
	c.base32, c.base64 = eqI32, eqI64
	return c, true
}

func compareFloat(cmp string) (*compare, bool) {
	c := &compare{nan: 'f'}
	if len(cmp) == 3 && cmp[2] == 'u' { // true for a NaN
		cmp, c.nan = cmp[:2], 't'
	}
	switch cmp {
	case "eq", "ne":
		c.base32, c.base64 = eqF32, eqF64
		c.invert = cmp == "ne"
	case "lt", "gt":
		c.base32, c.base64 = ltF32, ltF64
		c.swap = cmp == "gt"
	case "le", "ge":
		c.base32, c.base64 = leF32, leF64
		c.swap = cmp == "ge"
	case "num", "nan": // nothing but the NaN decides
		c.base32, c.base64 = func(a, b *v32) uint32 { return 0 }, func(a, b *v64) uint32 { return 0 }
		if c.invert = cmp == "num"; !c.invert {
			c.nan = 't'
		}
	default:
		return nil, false
	}
	return c, true
}

// selp picks by a predicate.
func (d *decoder) selp() {
	t := d.typ("b16", "b32", "b64", "u16", "u32", "u64", "s16", "s32", "s64", "f32", "f64")
	if !d.end(4) {
		return
	}
	d.in.d = d.dst(0, t)
	d.sources(t, 2)
	cl := t.class()
	d.reads(cl, d.in.a, d.in.b)
	idx, neg := d.predicate(d.s.ops[3])
	var flip uint32
	if d.in.c = idx; neg {
		flip = fullMask
	}
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		w.pick(in, cl, m, w.p[in.c]^flip)
		return true
	}
}

// pick writes a to the lanes of m whose bit in p is set, b to the others.
func (w *warp) pick(in *inst, cl class, m, p uint32) {
	if cl == class64 {
		x, y := &w.r64[in.a], &w.r64[in.b]
		r := w.out64(in.d, m)
		for i := range r {
			v := y[i]
			if p>>i&1 != 0 {
				v = x[i]
			}
			r[i] = v
		}
		w.put64(in.d, m)
		return
	}
	x, y := &w.r32[in.a], &w.r32[in.b]
	r := w.out32(in.d, m)
	for i := range r {
		v := y[i]
		if p>>i&1 != 0 {
			v = x[i]
		}
		r[i] = v
	}
	w.put32(in.d, m)
}

// slct picks by the sign of a third operand: a where c >= 0.
func (d *decoder) slct() {
	t := d.typ("b32", "b64", "u32", "u64", "s32", "s64", "f32", "f64")
	by := d.typ("s32", "f32")
	if !d.end(4) {
		return
	}
	d.in.d = d.dst(0, t)
	d.sources(t, 2)
	cl := t.class()
	d.reads(cl, d.in.a, d.in.b)
	c := d.src(3, by)
	d.reads(class32, c)
	float := by.kind == 'f'
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		x := &w.r32[c]
		var p uint32
		for i := range x {
			if float && f32(x[i]) >= 0 || !float && int32(x[i]) >= 0 {
				p |= 1 << i
			}
		}
		w.pick(in, cl, m, p)
		return true
	}
}

// testp asks for a property of a float.
func (d *decoder) testp() {
	what := d.must("finite", "infinite", "number", "notanumber", "normal", "subnormal")
	t := d.typ("f32", "f64")
	if !d.end(2) {
		return
	}
	d.in.d = d.dst(0, ptype{'p', 1})
	d.in.a = d.src(1, t)
	cl := t.class()
	d.reads(cl, d.in.a)
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		var p uint32
		for i := range warpSize {
			var exp, frac uint64
			var top uint64 = 0xff
			if cl == class64 {
				v := w.r64[in.a][i]
				exp, frac, top = v>>52&0x7ff, v&(1<<52-1), 0x7ff
			} else {
				v := w.r32[in.a][i]
				exp, frac = uint64(v>>23&0xff), uint64(v&(1<<23-1))
			}
			ok := false
			switch what {
			case "finite":
				ok = exp != top
			case "infinite":
				ok = exp == top && frac == 0
			case "number":
				ok = exp != top || frac == 0
			case "notanumber":
				ok = exp == top && frac != 0
			case "normal": // neither zero, subnormal, infinite nor NaN
				ok = exp != 0 && exp != top
			case "subnormal":
				ok = exp == 0 && frac != 0
			}
			if ok {
				p |= 1 << i
			}
		}
		w.putP(in.d, m, p)
		return true
	}
}
