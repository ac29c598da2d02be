package ptx

import (
	"math/rand/v2"
	"testing"
)

// Divisions by immediates at the numbers where a factor that is off would show:
// beside multiples of the divisor, up to the largest.
func TestDivide(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var ds []uint32
	for d := uint32(3); d < 300; d++ {
		ds = append(ds, d)
	}
	for s := 9; s < 32; s++ {
		ds = append(ds, 1<<s-1, 1<<s+1, 3<<(s-2), r.Uint32N(1<<s)+3)
	}
	ds = append(ds, 1<<32-1, 1<<32-2, 1<<31+1)
	for _, d := range ds {
		m := NewModule(Options{SM: 75})
		k := m.Entry("f")
		p, a := k.ParamPtr("p"), k.ParamU32("a")
		q, rest := a.DivRem(U(d))
		p.StU32(q)
		p.Off(4).StU32(rest)
		p.Off(8).StU32(a.Rem(U(d)))
		m.Add(k)
		mc := load(t, m, 12)
		top := (1<<32 - 1) / d
		for _, q := range []uint32{0, 1, top / 2, top - 1, top, r.Uint32N(top) + 1} {
			for _, x := range []uint32{q*d - 1, q * d, q*d + 1, q*d + d - 1} {
				mc.run(map[string]uint64{"a": uint64(x)})
				if mc.u32(0) != x/d || mc.u32(1) != x%d || mc.u32(2) != x%d {
					t.Fatalf("%d / %d: have %d rest %d and %d, want %d rest %d", x, d, mc.u32(0), mc.u32(1), mc.u32(2), x/d, x%d)
				}
			}
		}
	}
}
