package passes

import (
	"context"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
)

// Culprit is the rewrite that Bisect found.
type Culprit struct {
	Fuel    int64      // rewrites up to and with it: --fuel N stops right after it
	Rewrite string     // "pass/rule at node"
	Before  *ir.Module // without it
	After   *ir.Module // with it
}

// Bisect finds the first rewrite after which bad says true of the module, by
// running the pipeline on copies of m with less and more fuel. bad must say
// false of m as it is and true of the result of the whole pipeline, else the
// error (Usage) says which does not hold; what it says in between may change
// more than once, then one such change is found.
func Bisect(ctx context.Context, m *ir.Module, o Options, bad func(*ir.Module) (bool, error)) (*Culprit, error) {
	try := func(fuel int64) (*ir.Module, int64, string, bool, error) {
		c := m.Clone()
		o.Fuel = fuel
		if fuel == 0 {
			o.Fuel = -1 // 0 would be any number
		}
		rep, err := Run(ctx, c, o)
		if err != nil {
			return nil, 0, "", false, err
		}
		is, err := bad(c)
		return c, rep.Fired, rep.Last, is, err
	}
	limit := o.Fuel
	if limit <= 0 {
		limit = 1 << 62
	}
	good, _, _, is, err := try(0)
	if err != nil {
		return nil, err
	}
	if is {
		return nil, diag.New(diag.Usage, "the module is bad before any rewrite")
	}
	after, hi, last, is, err := try(limit)
	if err != nil {
		return nil, err
	}
	if !is {
		return nil, diag.New(diag.Usage, "the module is good after all %d rewrites", hi)
	}
	lo := int64(0)
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		c, _, l, is, err := try(mid)
		if err != nil {
			return nil, err
		}
		if is {
			hi, after, last = mid, c, l
		} else {
			lo, good = mid, c
		}
	}
	return &Culprit{Fuel: hi, Rewrite: last, Before: good, After: after}, nil
}
