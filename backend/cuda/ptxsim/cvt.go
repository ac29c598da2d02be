package ptxsim

import (
	"math"

	"github.com/mlc-go/mlc/ir/dtype"
)

// cvt decodes the conversions among integers and floats.
func (d *decoder) cvt() {
	irnd := d.take("rni", "rzi", "rmi", "rpi")
	frnd := ""
	if irnd == "" {
		frnd = d.take("rn", "rz")
	}
	sat := d.take("sat") != ""
	list := []string{"u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64", "f16", "f32", "f64"}
	if frnd == "rn" && !sat && d.take("f16x2") != "" {
		d.typ("f32")
		d.packHalves()
		return
	}
	dt, st := d.typ(list...), d.typ(list...)
	if !d.end(2) || !d.rounding(dt, st, irnd, frnd) {
		return
	}
	to, ok := d.register(d.s.ops[0], dt, true)
	if !ok {
		return
	}
	var from regRef
	if o := d.s.ops[1]; o.kind == opReg && specialOf(o.text) == noSpecial {
		if from, ok = d.register(o, st, true); !ok {
			return
		}
	} else {
		from = regRef{st, d.source(o, st, false)}
	}
	d.in.d, d.in.a = to.idx, from.idx
	d.reads(from.typ.class(), from.idx)
	f := converter(dt, st, irnd, frnd, sat)
	wide := widener(dt, to.typ)
	in64, out64 := from.typ.class() == class64, to.typ.class() == class64
	simple := dt.kind != 'f' && st.kind != 'f' && !sat && st.bits == 32 && dt.bits == 64 && st.kind == 'u'
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		if simple && !in64 {
			a, r := &w.r32[in.a], w.out64(in.d, m)
			for i := range r {
				r[i] = uint64(a[i])
			}
			w.put64(in.d, m)
			return true
		}
		var x v64
		if in64 {
			x = w.r64[in.a]
		} else {
			for i, v := range &w.r32[in.a] {
				x[i] = uint64(v)
			}
		}
		for mm := m; mm != 0; mm &= mm - 1 {
			l := trailing(mm)
			x[l] = wide(f(x[l]))
		}
		if out64 {
			*w.out64(in.d, m) = x
			w.put64(in.d, m)
			return true
		}
		r := w.out32(in.d, m)
		for i, v := range &x {
			r[i] = uint32(v)
		}
		w.put32(in.d, m)
		return true
	}
}

// rounding checks the rounding modifier against the types (PTX ISA, cvt).
func (d *decoder) rounding(dt, st ptype, irnd, frnd string) bool {
	fi, ff := st.kind == 'f' && dt.kind != 'f', st.kind == 'f' && dt.kind == 'f'
	needI := fi
	needF := st.kind != 'f' && dt.kind == 'f' || ff && dt.bits < st.bits
	mayI := fi || ff && dt.bits == st.bits
	if needI && irnd == "" || irnd != "" && !mayI || needF != (frnd != "") {
		d.bad(d.s.tok, "%s: the rounding modifier does not fit the types", d.s.tok.text)
		return false
	}
	return true
}

// widener extends a dt to the width of its register.
func widener(dt, reg ptype) func(uint64) uint64 {
	s := 64 - dt.bits
	if dt.kind == 's' {
		mask := ^uint64(0)
		if reg.bits < 64 {
			mask = 1<<reg.bits - 1
		}
		return func(x uint64) uint64 { return uint64(int64(x<<s)>>s) & mask }
	}
	return func(x uint64) uint64 { return x << s >> s }
}

// converter turns the low bits of a register, an st, into a dt.
func converter(dt, st ptype, irnd, frnd string, sat bool) func(uint64) uint64 {
	switch {
	case st.kind == 'f' && dt.kind == 'f':
		return func(x uint64) uint64 {
			v := toFloat(x, st)
			if irnd != "" {
				v = integral(v, irnd)
			}
			return fromFloat(saturate(v, sat), dt, frnd == "rz")
		}
	case st.kind == 'f':
		return func(x uint64) uint64 { return clamp(integral(toFloat(x, st), irnd), dt) }
	case dt.kind == 'f':
		return func(x uint64) uint64 { return intToFloat(x, dt, st, frnd == "rz", sat) }
	}
	s := 64 - st.bits
	return func(x uint64) uint64 {
		if st.kind == 's' {
			v := int64(x<<s) >> s
			if sat {
				return satSigned(v, dt)
			}
			return uint64(v)
		}
		v := x << s >> s
		if sat {
			most := ^uint64(0) >> (64 - dt.bits)
			if dt.kind == 's' {
				most >>= 1
			}
			return min(v, most)
		}
		return v
	}
}

func satSigned(v int64, dt ptype) uint64 {
	if dt.kind == 's' {
		lim := int64(1) << (dt.bits - 1) // at 64 bits both bounds hold by themselves
		if dt.bits < 64 {
			v = max(min(v, lim-1), -lim)
		}
		return uint64(v)
	}
	if v < 0 {
		return 0
	}
	return min(uint64(v), ^uint64(0)>>(64-dt.bits))
}

// toFloat is the value of a float; float64 holds each of them.
func toFloat(x uint64, t ptype) float64 {
	switch t.bits {
	case 16:
		return float64(dtype.F16ToF32(uint16(x)))
	case 32:
		return float64(f32(uint32(x)))
	}
	return f64(x)
}

// fromFloat rounds v to nearest even, or toward zero.
func fromFloat(v float64, t ptype, zero bool) uint64 {
	switch t.bits {
	case 16:
		if v != v {
			return 0x7fff
		}
		h := dtype.F64ToF16(v)
		if zero && math.Abs(float64(dtype.F16ToF32(h))) > math.Abs(v) {
			h--
		}
		return uint64(h)
	case 32:
		r := float32(v)
		if zero && math.Abs(float64(r)) > math.Abs(v) {
			return uint64(math.Float32bits(r) - 1)
		}
		return uint64(bits32(r))
	}
	return bits64(v)
}

func integral(v float64, rnd string) float64 {
	switch rnd {
	case "rni":
		return math.RoundToEven(v)
	case "rzi":
		return math.Trunc(v)
	case "rmi":
		return math.Floor(v)
	}
	return math.Ceil(v)
}

func saturate(v float64, sat bool) float64 {
	switch {
	case !sat:
		return v
	case !(v > 0): // NaN too
		return 0
	}
	return min(v, 1)
}

// clamp is an integral float as an integer of type t: values out of range
// give its bounds, NaN gives 0.
func clamp(v float64, t ptype) uint64 {
	if v != v {
		return 0
	}
	if t.kind == 'u' {
		switch lim := math.Ldexp(1, int(t.bits)); {
		case v <= 0:
			return 0
		case v >= lim:
			return ^uint64(0) >> (64 - t.bits)
		}
		return uint64(v)
	}
	lim := math.Ldexp(1, int(t.bits)-1)
	switch {
	case v >= lim:
		return ^uint64(0) >> (65 - t.bits)
	case v < -lim:
		v = -lim
	}
	return uint64(int64(v))
}

// intToFloat converts with one rounding: to float32 and float16 not by way of
// a rounded float64.
func intToFloat(x uint64, dt, st ptype, zero, sat bool) uint64 {
	s := 64 - st.bits
	neg := false
	mag := x << s >> s
	if st.kind == 's' {
		if v := int64(x<<s) >> s; v < 0 {
			neg, mag = true, -uint64(v)
		} else {
			mag = uint64(v)
		}
	}
	if sat {
		if neg {
			mag, neg = 0, false
		}
		mag = min(mag, 1)
	}
	// Rounding to odd first changes no result of rounding to fewer bits.
	v := oddFloat(mag)
	if dt.bits == 64 {
		v = float64(mag)
		if zero && v > 0 && (v >= 0x1p64 || uint64(v) > mag) {
			v = math.Float64frombits(math.Float64bits(v) - 1)
		}
	}
	if neg {
		v = -v
	}
	return fromFloat(v, dt, zero)
}

// oddFloat is n rounded to odd: the float64 below, with its last bit set
// where bits were lost.
func oddFloat(n uint64) float64 {
	drop := 0
	for m := n; m >= 1<<53; m >>= 1 {
		drop++
	}
	m := n >> drop
	if m<<drop != n {
		m |= 1
	}
	return math.Ldexp(float64(m), drop)
}

// packHalves decodes cvt.rn.f16x2.f32 d, a, b: a in the upper half.
func (d *decoder) packHalves() {
	d.needs(70, 80)
	if !d.end(3) {
		return
	}
	t := ptype{'f', 32}
	d.in.d, d.in.a, d.in.b = d.dst(0, ptype{'x', 32}), d.src(1, t), d.src(2, t)
	half := func(x uint32) uint32 { return uint32(fromFloat(float64(f32(x)), ptype{'f', 16}, false)) }
	d.do32(func(d, a, b, c *v32) {
		for i := range d {
			d[i] = half(a[i])<<16 | half(b[i])
		}
	})
}
