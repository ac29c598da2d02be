package shape

import (
	"fmt"
	"math"
	"slices"
)

// Eval computes the extent for given symbols. Errors: an unbound symbol, a
// division by zero, extents that do not broadcast.
func (d Dim) Eval(env func(name string) (int64, bool)) (int64, error) {
	if d.e == nil {
		return d.n, nil
	}
	var sum int64
	for _, t := range d.e.terms {
		v := t.coef
		for _, a := range t.atoms {
			x, err := a.eval(env)
			if err != nil {
				return 0, err
			}
			v = satMul(v, x)
		}
		sum += v
	}
	return sum, nil
}

func (a *atom) eval(env func(string) (int64, bool)) (int64, error) {
	if a.op == 's' {
		if v, ok := env(a.name); ok {
			return v, nil
		}
		return 0, fmt.Errorf("dim %s is not bound", a.name)
	}
	x, err := a.a.Eval(env)
	if err != nil {
		return 0, err
	}
	y, err := a.b.Eval(env)
	if err != nil {
		return 0, err
	}
	if a.op == '/' {
		if y == 0 {
			return 0, fmt.Errorf("%s divides by zero", a.text)
		}
		return floorDiv(x, y), nil
	}
	switch {
	case x == y || y == 1:
		return x, nil
	case x == 1:
		return y, nil
	}
	return 0, fmt.Errorf("cannot broadcast %v=%d with %v=%d", a.a, x, a.b, y)
}

// Subst replaces symbols; those for which env says false stay.
func (d Dim) Subst(env func(name string) (Dim, bool)) (Dim, error) {
	if d.e == nil {
		return d, nil
	}
	sum := Dim{}
	for _, t := range d.e.terms {
		v := Int(t.coef)
		for _, a := range t.atoms {
			x, err := a.subst(env)
			if err != nil {
				return Dim{}, err
			}
			v = v.Mul(x)
		}
		sum = sum.Add(v)
	}
	return sum, nil
}

func (a atom) subst(env func(string) (Dim, bool)) (Dim, error) {
	if a.op == 's' {
		if v, ok := env(a.name); ok {
			return v, nil
		}
		return fromAtom(a), nil
	}
	x, err := a.a.Subst(env)
	if err != nil {
		return Dim{}, err
	}
	y, err := a.b.Subst(env)
	if err != nil {
		return Dim{}, err
	}
	if a.op == '/' {
		if y.Is(0) {
			return Dim{}, fmt.Errorf("%s divides by zero", a.text)
		}
		return x.Div(y), nil
	}
	return Bcast(x, y)
}

// Symbols appends the names in d to list, each once, in order of first use.
func (d Dim) Symbols(list []string) []string {
	if d.e == nil {
		return list
	}
	for _, t := range d.e.terms {
		for _, a := range t.atoms {
			if a.op == 's' {
				if !slices.Contains(list, a.name) {
					list = append(list, a.name)
				}
				continue
			}
			list = a.b.Symbols(a.a.Symbols(list))
		}
	}
	return list
}

// Unbounded is the upper bound of a symbol without one.
const Unbounded = math.MaxInt64

// Range bounds the extent from bounds of the symbols (env gives lo, hi; hi may
// be Unbounded). The bounds are safe, not always tight.
func (d Dim) Range(env func(name string) (lo, hi int64)) (lo, hi int64) {
	if d.e == nil {
		return d.n, d.n
	}
	for _, t := range d.e.terms {
		tl, th := t.coef, t.coef
		for _, a := range t.atoms {
			al, ah := a.bounds(env)
			tl, th = mulRange(tl, th, al, ah)
		}
		lo, hi = satAdd(lo, tl), satAdd(hi, th)
	}
	return lo, hi
}

func (a *atom) bounds(env func(string) (int64, int64)) (int64, int64) {
	if a.op == 's' {
		return env(a.name)
	}
	al, ah := a.a.Range(env)
	bl, bh := a.b.Range(env)
	if a.op == 'b' {
		return min(al, bl), max(ah, bh)
	}
	if bl <= 0 {
		return math.MinInt64, Unbounded
	}
	if al < 0 {
		return floorDiv(al, bl), max(0, divHi(ah, bl))
	}
	if bh == Unbounded {
		return 0, divHi(ah, bl)
	}
	return floorDiv(al, bh), divHi(ah, bl)
}

func divHi(a, b int64) int64 {
	if a == Unbounded {
		return Unbounded
	}
	return floorDiv(a, b)
}

func mulRange(al, ah, bl, bh int64) (int64, int64) {
	p := [4]int64{satMul(al, bl), satMul(al, bh), satMul(ah, bl), satMul(ah, bh)}
	return slices.Min(p[:]), slices.Max(p[:])
}

func satAdd(a, b int64) int64 {
	s := a + b
	switch {
	case a == Unbounded || b == Unbounded:
		return Unbounded
	case a == math.MinInt64 || b == math.MinInt64:
		return math.MinInt64
	case a > 0 && b > 0 && s < 0:
		return Unbounded
	case a < 0 && b < 0 && s >= 0:
		return math.MinInt64
	}
	return s
}
