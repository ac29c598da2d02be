package ptx

import (
	"testing"
)

// TestIntegerOperands: functions of two integers give the same whichever
// operands are immediates.
func TestIntegerOperands(t *testing.T) {
	one := func(f func(a, b U32) Pred) func(a, b U32) U32 {
		return func(a, b U32) U32 { return f(a, b).SelU32(I(1), I(0)) }
	}
	is := func(f func(x, y uint32) bool) func(x, y uint32) uint32 {
		return func(x, y uint32) uint32 { return uint32(truth(f(x, y))) }
	}
	edges := []uint32{0, 1, 2, 3, 7, 8, 10, 31, 32, 33, 1 << 16, 1<<31 - 1, 1 << 31, 1<<31 + 5, 1<<32 - 8, 1<<32 - 1}
	for _, c := range []struct {
		name string
		f    func(a, b U32) U32
		want func(x, y uint32) uint32
		no0  bool // y is not 0
	}{
		{"add", U32.Add, func(x, y uint32) uint32 { return x + y }, false}, {"sub", U32.Sub, func(x, y uint32) uint32 { return x - y }, false},
		{"mul", U32.Mul, func(x, y uint32) uint32 { return x * y }, false},
		{"div", U32.Div, func(x, y uint32) uint32 { return x / y }, true}, {"rem", U32.Rem, func(x, y uint32) uint32 { return x % y }, true},
		{"divrem", func(a, b U32) U32 { q, r := a.DivRem(b); return q.Xor(r) }, func(x, y uint32) uint32 { return x/y ^ x%y }, true},
		{"muladd", func(a, b U32) U32 { return a.MulAdd(b, a) }, func(x, y uint32) uint32 { return x*y + x }, false},
		{"muladd", func(a, b U32) U32 { return a.MulAdd(a, b) }, func(x, y uint32) uint32 { return x*x + y }, false},
		{"muladd", func(a, b U32) U32 { return a.MulAdd(I(3), b) }, func(x, y uint32) uint32 { return x*3 + y }, false},
		{"min", U32.Min, func(x, y uint32) uint32 { return min(x, y) }, false}, {"max", U32.Max, func(x, y uint32) uint32 { return max(x, y) }, false},
		{"mins", U32.MinS, func(x, y uint32) uint32 { return uint32(min(int32(x), int32(y))) }, false},
		{"maxs", U32.MaxS, func(x, y uint32) uint32 { return uint32(max(int32(x), int32(y))) }, false},
		{"and", U32.And, func(x, y uint32) uint32 { return x & y }, false}, {"or", U32.Or, func(x, y uint32) uint32 { return x | y }, false},
		{"xor", U32.Xor, func(x, y uint32) uint32 { return x ^ y }, false},
		{"shl", U32.Shl, func(x, y uint32) uint32 { return x << y }, false}, {"shr", U32.Shr, func(x, y uint32) uint32 { return x >> y }, false},
		{"shrs", U32.ShrS, func(x, y uint32) uint32 { return uint32(int32(x) >> y) }, false},
		{"neg", func(a, b U32) U32 { return a.Neg().Add(b.Not()) }, func(x, y uint32) uint32 { return -x + ^y }, false},
		{"float", func(a, b U32) U32 { return a.ToF32().Add(b.ToF32S()).Bits() }, func(x, y uint32) uint32 {
			return F(float32(x) + float32(int32(y))).Bits().u()
		}, false},
		{"eq", one(U32.Eq), is(func(x, y uint32) bool { return x == y }), false}, {"ne", one(U32.Ne), is(func(x, y uint32) bool { return x != y }), false},
		{"lt", one(U32.Lt), is(func(x, y uint32) bool { return x < y }), false}, {"le", one(U32.Le), is(func(x, y uint32) bool { return x <= y }), false},
		{"gt", one(U32.Gt), is(func(x, y uint32) bool { return x > y }), false}, {"ge", one(U32.Ge), is(func(x, y uint32) bool { return x >= y }), false},
		{"lts", one(U32.LtS), is(func(x, y uint32) bool { return int32(x) < int32(y) }), false},
		{"les", one(U32.LeS), is(func(x, y uint32) bool { return int32(x) <= int32(y) }), false},
		{"gts", one(U32.GtS), is(func(x, y uint32) bool { return int32(x) > int32(y) }), false},
		{"ges", one(U32.GeS), is(func(x, y uint32) bool { return int32(x) >= int32(y) }), false},
	} {
		for _, x := range edges {
			for _, y := range edges {
				if c.no0 && (x == 0 || y == 0) {
					continue
				}
				m := NewModule(Options{SM: 75})
				k := m.Entry("f")
				p, a, b := k.ParamPtr("p"), k.ParamU32("a"), k.ParamU32("b")
				p.StU32(c.f(a, b))
				p.Off(4).StU32(c.f(a, I(int(y))))
				p.Off(8).StU32(c.f(I(int(x)), b))
				m.Add(k)
				mc := load(t, m, 12)
				mc.run(map[string]uint64{"a": uint64(x), "b": uint64(y)})
				imm, ok := c.f(I(int(x)), I(int(y))).Known()
				if !ok {
					t.Fatalf("%s of immediates is none", c.name)
				}
				for i, got := range []uint32{mc.u32(0), mc.u32(1), mc.u32(2), imm} {
					if want := c.want(x, y); got != want {
						t.Errorf("%s(%d, %d), form %d: have %d, want %d", c.name, x, y, i, got, want)
					}
				}
			}
		}
	}
}

// TestPredicates: And, Or and Not of predicates with and without negation.
func TestPredicates(t *testing.T) {
	m := NewModule(Options{SM: 75})
	k := m.Entry("f")
	p, a, b := k.ParamPtr("p"), k.ParamU32("a"), k.ParamU32("b")
	x, y := a.Ne(I(0)), b.Ne(I(0))
	for i, v := range []Pred{
		x.And(y), x.Not().And(y), x.And(y.Not()), x.Not().And(y.Not()), x.Or(y), x.Not().Or(y), x.Or(y.Not()), x.Not().Or(y.Not()),
		x.And(Bool(true)), Bool(false).Or(y), Bool(true).Or(x), y.And(Bool(false)), x.Not().Not(), x.And(y).Not(),
	} {
		p.Off(4 * i).StU32(v.SelU32(I(1), I(0)))
	}
	m.Add(k)
	mc := load(t, m, 64)
	for i := range uint64(4) {
		a, b := i&1 != 0, i&2 != 0
		mc.run(map[string]uint64{"a": i & 1, "b": i >> 1})
		for j, want := range []bool{a && b, !a && b, a && !b, !a && !b, a || b, !a || b, a || !b, !a || !b, a, b, true, false, a, !(a && b)} {
			if got := mc.u32(j); got != uint32(truth(want)) {
				t.Errorf("%t, %t, form %d: have %d, want %t", a, b, j, got, want)
			}
		}
	}
}

// TestAxes: a linear index in coordinates and back, with immediate and open
// extents.
func TestAxes(t *testing.T) {
	shapes := [][]uint32{{}, {7}, {1}, {3, 4}, {1, 1, 5}, {2, 1, 3, 8}, {1, 2, 1}, {5, 7, 1, 1}}
	for _, shape := range shapes {
		for open := range 1 << len(shape) {
			m := NewModule(Options{SM: 75})
			k := m.Entry("f")
			p, n := k.ParamPtr("p"), k.ParamU32("n")
			params := map[string]uint64{}
			size := uint32(1)
			extents := make([]U32, len(shape))
			for i, e := range shape {
				size *= e
				extents[i] = I(int(e))
				if open&(1<<i) != 0 {
					name := "e" + string(rune('0'+i))
					extents[i], params[name] = k.ParamU32(name), uint64(e)
				}
			}
			coords := Axes(n, extents...)
			for i, c := range coords {
				p.Off(4 * i).StU32(c)
			}
			p.Off(4 * len(shape)).StU32(Linear(coords, Strides(extents...)))
			p.Off(4*len(shape) + 4).StU32(Product(extents...))
			m.Add(k)
			mc := load(t, m, 4*len(shape)+8)
			for index := range size {
				params["n"] = uint64(index)
				mc.run(params)
				rest := index
				for i := len(shape) - 1; i >= 0; i-- {
					if got, want := mc.u32(i), rest%shape[i]; got != want {
						t.Errorf("%v, open %b, index %d, axis %d: have %d, want %d", shape, open, index, i, got, want)
					}
					rest /= shape[i]
				}
				if got := mc.u32(len(shape)); got != index && len(shape) > 0 {
					t.Errorf("%v, open %b: %d comes back as %d", shape, open, index, got)
				}
				if got := mc.u32(len(shape) + 1); got != size {
					t.Errorf("%v, open %b: size %d", shape, open, got)
				}
			}
		}
	}
}
