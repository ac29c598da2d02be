package ptxsim

// arith decodes what integers and floats share a name for.
func (d *decoder) arith(name string) {
	if name == "div" && d.take("rn") != "" {
		d.pick(d.typ("f32", "f64"), 2, divF32, divF64)
		return
	}
	if name == "add" || name == "sub" {
		if d.take("rn") != "" {
			t := d.typ("f32", "f64")
			d.floatArith(name, t)
			return
		}
	}
	if name == "min" || name == "max" {
		if d.take("NaN") != "" {
			d.needs(70, 80)
			d.typ("f32")
			f := minNaN32
			if name == "max" {
				f = maxNaN32
			}
			d.pick(ptype{'f', 32}, 2, f, nil)
			return
		}
	}
	if name == "div" || name == "rem" {
		d.divide(name, d.typ("u32", "s32", "u64", "s64"))
		return
	}
	if name == "abs" || name == "neg" {
		t := d.typ("s32", "s64", "f32", "f64")
		switch {
		case t.kind == 'f' && name == "abs":
			d.pick(t, 1, absF32, absF64)
		case t.kind == 'f':
			d.pick(t, 1, negF32, negF64)
		case name == "abs":
			d.pick(t, 1, absS32, absS64)
		default:
			d.pick(t, 1, negS32, negS64)
		}
		return
	}
	t := d.typ("u32", "s32", "u64", "s64", "f32", "f64")
	if t.kind == 'f' {
		d.floatArith(name, t)
		return
	}
	switch {
	case name == "add":
		d.pick(t, 2, addI32, addI64)
	case name == "sub":
		d.pick(t, 2, subI32, subI64)
	case name == "min" && t.kind == 'u':
		d.pick(t, 2, minU32, minU64)
	case name == "min":
		d.pick(t, 2, minS32, minS64)
	case t.kind == 'u':
		d.pick(t, 2, maxU32, maxU64)
	default:
		d.pick(t, 2, maxS32, maxS64)
	}
}

func (d *decoder) floatArith(name string, t ptype) {
	switch name {
	case "add":
		d.pick(t, 2, addF32, addF64)
	case "sub":
		d.pick(t, 2, subF32, subF64)
	case "min":
		d.pick(t, 2, minF32, minF64)
	default:
		d.pick(t, 2, maxF32, maxF64)
	}
}

// pick ends an instruction whose operands all have type t: a destination and
// n sources.
func (d *decoder) pick(t ptype, n int, f func(d, a, b, c *v32), g func(d, a, b, c *v64)) {
	if !d.end(1 + n) {
		return
	}
	d.in.d = d.dst(0, t)
	d.sources(t, n)
	if t.class() == class64 {
		d.do64(g)
	} else {
		d.do32(f)
	}
}

// divide decodes div and rem of integers: a divisor of zero, whose result PTX
// leaves open, is a fault.
func (d *decoder) divide(name string, t ptype) {
	if !d.end(3) {
		return
	}
	d.in.d = d.dst(0, t)
	d.sources(t, 2)
	rem, signed := name == "rem", t.kind == 's'
	d.reads(t.class(), d.in.a, d.in.b)
	if t.bits == 32 {
		f := func(x, y uint32) uint32 {
			switch {
			case signed && rem:
				return uint32(int32(x) % int32(y))
			case signed:
				return uint32(int32(x) / int32(y))
			case rem:
				return x % y
			}
			return x / y
		}
		d.in.exec = func(w *warp, in *inst, m uint32) bool {
			r, x, y := &w.r32[in.d], &w.r32[in.a], &w.r32[in.b]
			for l := range lanes(m) {
				if y[l] == 0 {
					return w.fail(DivideByZero, in, l, "%d by zero", x[l])
				}
				r[l] = f(x[l], y[l])
			}
			w.init[class32][in.d] |= m
			return true
		}
		return
	}
	f := func(x, y uint64) uint64 {
		switch {
		case signed && rem:
			return uint64(int64(x) % int64(y))
		case signed:
			return uint64(int64(x) / int64(y))
		case rem:
			return x % y
		}
		return x / y
	}
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		r, x, y := &w.r64[in.d], &w.r64[in.a], &w.r64[in.b]
		for l := range lanes(m) {
			if y[l] == 0 {
				return w.fail(DivideByZero, in, l, "%d by zero", x[l])
			}
			r[l] = f(x[l], y[l])
		}
		w.init[class64][in.d] |= m
		return true
	}
}

// product decodes mul and mad.
func (d *decoder) product(name string) {
	n := 2
	if name == "mad" {
		if n = 3; d.take("rn") != "" {
			d.pick(d.typ("f32", "f64"), 3, fmaF32, fmaF64)
			return
		}
	} else if d.take("rn") != "" {
		d.pick(d.typ("f32", "f64"), 2, mulF32, mulF64)
		return
	}
	modes := []string{"lo", "hi", "wide"}
	if name == "mul" {
		modes = append(modes, "f32", "f64")
	}
	switch mode := d.must(modes...); mode {
	case "f32":
		d.pick(ptype{'f', 32}, 2, mulF32, nil)
	case "f64":
		d.pick(ptype{'f', 64}, 2, nil, mulF64)
	case "lo":
		t := d.typ("u32", "s32", "u64", "s64")
		if n == 3 {
			d.pick(t, 3, madLo32, madLo64)
		} else {
			d.pick(t, 2, mulLo32, mulLo64)
		}
	case "hi":
		if n == 3 {
			if t := d.typ("u32", "s32"); t.kind == 'u' {
				d.pick(t, 3, madHiU32, nil)
			} else {
				d.pick(t, 3, madHiS32, nil)
			}
			return
		}
		if t := d.typ("u32", "s32", "u64", "s64"); t.kind == 'u' {
			d.pick(t, 2, mulHiU32, mulHiU64)
		} else {
			d.pick(t, 2, mulHiS32, mulHiS64)
		}
	case "wide":
		d.wide(d.typ("u32", "s32"), n)
	}
}

// wide is the 64-bit product of 32-bit operands, plus a 64-bit one for mad.
func (d *decoder) wide(t ptype, n int) {
	if !d.end(1 + n) {
		return
	}
	long := ptype{t.kind, 64}
	d.in.d = d.dst(0, long)
	d.sources(t, 2)
	d.reads(class32, d.in.a, d.in.b)
	if n == 3 {
		d.in.c = d.src(3, long)
		d.reads(class64, d.in.c)
	}
	signed := t.kind == 's'
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		x, y, z := &w.r32[in.a], &w.r32[in.b], &w.r64[in.c]
		r := w.out64(in.d, m)
		if signed {
			for i := range r {
				r[i] = uint64(int64(int32(x[i]))*int64(int32(y[i]))) + z[i]
			}
		} else {
			for i := range r {
				r[i] = uint64(x[i])*uint64(y[i]) + z[i]
			}
		}
		w.put64(in.d, m)
		return true
	}
}

// float decodes what only floats have.
func (d *decoder) float(name string) {
	switch name {
	case "fma":
		d.must("rn")
		d.pick(d.typ("f32", "f64"), 3, fmaF32, fmaF64)
	case "rcp":
		d.must("rn")
		d.pick(d.typ("f32", "f64"), 1, rcpF32, rcpF64)
	case "sqrt":
		d.must("rn")
		d.pick(d.typ("f32", "f64"), 1, sqrtF32, sqrtF64)
	case "copysign":
		d.pick(d.typ("f32", "f64"), 2, copysignF32, copysignF64)
	case "ex2":
		d.must("approx")
		d.approx(d.typ("f32"), ex2F32)
	case "lg2":
		d.must("approx")
		d.approx(d.typ("f32"), lg2F32)
	}
}

// approx ends an instruction that hardware approximates.
func (d *decoder) approx(t ptype, f func(d, a, b, c *v32)) {
	if !d.end(2) {
		return
	}
	d.in.d, d.in.a = d.dst(0, t), d.src(1, t)
	d.reads(class32, d.in.a)
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		r := w.out32(in.d, m)
		x := w.r32[in.a]
		f(r, &x, &x, &x)
		if ulp := w.blk.run.checks.Ulp; ulp > 0 {
			for i := range r {
				r[i] = perturb(x[i], r[i], ulp)
			}
		}
		w.put32(in.d, m)
		return true
	}
}

// perturb moves the float r by up to ulp steps, as a hash of x says. Zero,
// infinite and NaN results and exact powers of two's logarithms stay.
func perturb(x, r uint32, ulp int) uint32 {
	if e := r >> 23 & 0xff; e == 0xff || e == 0 {
		return r
	}
	h := x * 0x9e3779b1
	h ^= h >> 15
	n := int(h%uint32(2*ulp+1)) - ulp
	if moved := uint32(int(r) + n); moved>>23&0xff != 0xff && moved>>23&0xff != 0 {
		return moved
	}
	return r
}

// logic decodes the bitwise instructions.
func (d *decoder) logic(name string) {
	if name == "shl" || name == "shr" {
		d.shift(name)
		return
	}
	t := d.typ("b16", "b32", "b64", "pred")
	if t.kind == 'p' {
		d.predLogic(name)
		return
	}
	switch name {
	case "and":
		d.pick(t, 2, andB32, andB64)
	case "or":
		d.pick(t, 2, orB32, orB64)
	case "xor":
		d.pick(t, 2, xorB32, xorB64)
	default:
		f := notB32
		if t.bits == 16 {
			f = notB16
		}
		d.pick(t, 1, f, notB64)
	}
}

func (d *decoder) predLogic(name string) {
	n := 2
	if name == "not" {
		n = 1
	}
	if !d.end(1 + n) {
		return
	}
	d.in.d = d.dst(0, ptype{'p', 1})
	var flip [2]uint32
	for i, p := range []*int32{&d.in.a, &d.in.b}[:n] {
		idx, neg := d.predicate(d.s.ops[1+i])
		if *p = idx; neg {
			flip[i] = fullMask
		}
	}
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		x, y := w.p[in.a]^flip[0], w.p[in.b]^flip[1]
		switch name {
		case "and":
			x &= y
		case "or":
			x |= y
		case "xor":
			x ^= y
		default:
			x = ^x
		}
		w.putP(in.d, m, x)
		return true
	}
}

// shift decodes shl and shr; the amount has 32 bits whatever the type.
func (d *decoder) shift(name string) {
	var t ptype
	if name == "shl" {
		t = d.typ("b32", "b64")
	} else {
		t = d.typ("b32", "u32", "s32", "b64", "u64", "s64")
	}
	if !d.end(3) {
		return
	}
	d.in.d, d.in.a, d.in.b = d.dst(0, t), d.src(1, t), d.src(2, ptype{'u', 32})
	if t.bits == 32 {
		switch {
		case name == "shl":
			d.do32(shl32)
		case t.kind == 's':
			d.do32(shrS32)
		default:
			d.do32(shrU32)
		}
		return
	}
	d.reads(class64, d.in.a)
	d.reads(class32, d.in.b)
	left, signed := name == "shl", t.kind == 's'
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		x, n := &w.r64[in.a], &w.r32[in.b]
		r := w.out64(in.d, m)
		for i := range r {
			switch {
			case left:
				r[i] = x[i] << n[i]
			case signed:
				r[i] = uint64(int64(x[i]) >> n[i])
			default:
				r[i] = x[i] >> n[i]
			}
		}
		w.put64(in.d, m)
		return true
	}
}
