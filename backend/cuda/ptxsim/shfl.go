package ptxsim

import "math/bits"

// shfl decodes shfl.sync: d|p = the value that another lane holds in a.
func (d *decoder) shfl() {
	d.must("sync")
	mode := d.must("up", "down", "bfly", "idx")
	t := d.typ("b32")
	if !d.end(5) {
		return
	}
	p := int32(-1)
	if o := d.s.ops[0]; o.kind == opPair {
		r, _ := d.register(o.elems[1], ptype{'p', 1}, false)
		p = r.idx
		d.s.ops[0] = o.elems[0]
	}
	d.in.d = d.dst(0, t)
	d.in.a = d.src(1, t)
	d.in.b, d.in.c = d.src(2, ptype{'u', 32}), d.src(3, ptype{'u', 32})
	d.reads(class32, d.in.a, d.in.b, d.in.c)
	d.warpWide(4)
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		a := w.r32[in.a]
		var in32 uint32
		var out v32
		for l := range lanes(m) {
			j, inside := shflSource(mode, l, w.r32[in.b][l], w.r32[in.c][l])
			if m>>j&1 == 0 {
				return w.fail(InactiveLane, in, l, "lane %d reads lane %d, which takes no part", l, j)
			}
			out[l] = a[j]
			if inside {
				in32 |= 1 << l
			}
		}
		r := w.out32(in.d, m)
		*r = out
		w.put32(in.d, m)
		if p >= 0 {
			w.putP(p, m, in32)
		}
		return true
	}
}

// shflSource is the lane that lane l reads, and whether it lies within the
// bounds that c sets; where it does not, l reads itself (PTX ISA, shfl.sync).
func shflSource(mode string, l int, b, c uint32) (int, bool) {
	lane := int32(l)
	seg := int32(c >> 8 & 31)
	last := lane&seg | int32(c&31)&^seg
	n := int32(b & 31)
	var j int32
	var ok bool
	switch mode {
	case "up":
		j = lane - n
		ok = j >= last
	case "down":
		j = lane + n
		ok = j <= last
	case "bfly":
		j = lane ^ n
		ok = j <= last
	default:
		j = lane&seg | n&^seg
		ok = j <= last
	}
	if !ok {
		return l, false
	}
	return int(j), true
}

// vote decodes vote.sync.
func (d *decoder) vote() {
	d.must("sync")
	mode := d.must("all", "any", "uni", "ballot")
	t := ptype{'p', 1}
	if mode == "ballot" {
		t = d.typ("b32")
	} else {
		d.typ("pred")
	}
	if !d.end(3) {
		return
	}
	d.in.d = d.dst(0, t)
	var flip uint32
	idx, neg := d.predicate(d.s.ops[1])
	if d.in.a = idx; neg {
		flip = fullMask
	}
	d.warpWide(2)
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		x := (w.p[in.a] ^ flip) & m
		if mode == "ballot" {
			fill32(w.out32(in.d, m), x)
			w.put32(in.d, m)
			return true
		}
		yes := mode == "all" && x == m || mode == "any" && x != 0 || mode == "uni" && (x == m || x == 0)
		var all uint32
		if yes {
			all = fullMask
		}
		w.putP(in.d, m, all)
		return true
	}
}

// activemask decodes activemask: the lanes that run with this one. What a
// device answers depends on its scheduler.
func (d *decoder) activemask() {
	t := d.typ("b32")
	if !d.end(1) {
		return
	}
	d.in.d = d.dst(0, t)
	d.in.exec = func(w *warp, in *inst, m uint32) bool {
		fill32(w.out32(in.d, m), m)
		w.put32(in.d, m)
		return true
	}
}

// wholeWarp fails an .aligned instruction that a lane of the warp misses.
func (w *warp) wholeWarp(in *inst, m uint32) bool {
	if m == fullMask {
		return true
	}
	if w.live != fullMask {
		return w.fail(Divergence, in, bits.TrailingZeros32(m), "the warp has 32 lanes, %d of them alive", bits.OnesCount32(w.live))
	}
	return w.fail(Divergence, in, bits.TrailingZeros32(w.live&^m), "%s", w.apart(m))
}
