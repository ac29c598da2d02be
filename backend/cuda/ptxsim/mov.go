package ptxsim

// mov copies a register, a literal or an address, and packs and unpacks
// vectors.
func (d *decoder) mov() {
	t := d.typ("pred", "b16", "b32", "b64", "u16", "u32", "u64", "s16", "s32", "s64", "f32", "f64")
	if !d.end(2) {
		return
	}
	to, from := d.s.ops[0], d.s.ops[1]
	switch {
	case to.kind == opVector:
		d.unpack(t, to, from)
	case from.kind == opVector:
		d.pack(t, from)
	case t.kind == 'p':
		d.in.d = d.dst(0, t)
		idx, neg := d.predicate(from)
		var flip uint32
		if d.in.a = idx; neg {
			flip = fullMask
		}
		d.in.exec = func(w *warp, in *inst, m uint32) bool {
			w.putP(in.d, m, w.p[in.a]^flip)
			return true
		}
	case from.kind == opName:
		s, ok := d.b.syms[from.text]
		if !ok || s.kind != symShared || t.kind == 'f' || t.bits < 32 {
			d.bad(from.tok, "%s is no variable in shared memory", from.tok.show())
			return
		}
		d.in.d = d.dst(0, t)
		if lo := d.b.k.shared[s.index].lo + uint32(from.off); t.bits == 64 {
			d.in.a = d.b.literal64(uint64(lo))
		} else {
			d.in.a = d.b.literal32(lo)
		}
		d.move(t)
	default:
		d.in.d, d.in.a = d.dst(0, t), d.src(1, t)
		d.move(t)
	}
}

// move ends an instruction that copies register a to d.
func (d *decoder) move(t ptype) {
	if t.class() == class64 {
		d.do64(func(d, a, b, c *v64) { *d = *a })
	} else {
		d.do32(func(d, a, b, c *v32) { *d = *a })
	}
}

// part is the type of the n elements that make up a t.
func (d *decoder) part(t ptype, o operand) ptype {
	n := len(o.elems)
	if t.kind != 'b' || n != 2 || t.bits < 32 {
		d.unsupported("%s of a vector of %d", d.s.tok.text, n)
	}
	return ptype{'b', t.bits / 2}
}

func (d *decoder) pack(t ptype, from operand) {
	e := d.part(t, from)
	if d.err != nil {
		return
	}
	d.in.d = d.dst(0, t)
	d.in.a, d.in.b = d.source(from.elems[0], e, false), d.source(from.elems[1], e, false)
	if t.bits == 32 {
		d.do32(func(d, a, b, c *v32) {
			for i := range d {
				d[i] = a[i]&0xffff | b[i]<<16
			}
		})
		return
	}
	d.reads(class32, d.in.a, d.in.b)
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		r := w.out64(in.d, m)
		for i := range r {
			r[i] = uint64(w.r32[in.a][i]) | uint64(w.r32[in.b][i])<<32
		}
		w.put64(in.d, m)
		return true
	}
}

func (d *decoder) unpack(t ptype, to, from operand) {
	e := d.part(t, to)
	if d.err != nil {
		return
	}
	lo, _ := d.register(to.elems[0], e, false)
	hi, _ := d.register(to.elems[1], e, false)
	if lo.idx == hi.idx {
		d.bad(to.tok, "both halves go to one register")
	}
	a := d.source(from, t, false)
	d.reads(t.class(), a)
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		var x v64
		if t.bits == 64 {
			x = w.r64[a]
		} else {
			for i, v := range w.r32[a] {
				x[i] = uint64(v)
			}
		}
		for _, p := range [2]struct {
			reg   int32
			shift uint8
		}{{lo.idx, 0}, {hi.idx, e.bits}} {
			r := w.out32(p.reg, m)
			for i := range r {
				r[i] = uint32(x[i]>>p.shift) & uint32(uint64(1)<<e.bits-1)
			}
			w.put32(p.reg, m)
		}
		return true
	}
}

// cvta turns a generic address into one of a space: in global memory they are
// the same.
func (d *decoder) cvta() {
	d.take("to")
	d.must("global")
	d.pick(d.typ("u64"), 1, nil, func(d, a, b, c *v64) { *d = *a })
}
