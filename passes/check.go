package passes

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// samples is how many bindings of the symbols --check=exec tries.
const samples = 3

// compare runs the module before and after a pass on sampled inputs. Samples
// that the module before refuses say nothing; a remark tells if all are.
func (r *runner) compare(before *ir.Module, p pass.Pass) error {
	if random(before) {
		r.c.Remark(rewrite.Analysis, nil, "not checked: the module draws random numbers")
		return nil
	}
	ran := 0
	var refused error
	for k := range samples {
		in, err := Sample(before, r.o.Seed, k)
		if err != nil {
			refused = err
			continue
		}
		want, err := eval.Run(r.c.Context, before, in)
		if err != nil {
			refused = err
			continue
		}
		ran++
		got, err := eval.Run(r.c.Context, r.m, in)
		if err != nil {
			return &diag.Error{Kind: diag.Internal, Err: fmt.Errorf("the module fails after the pass and not before: %w; last rewrite %s", err, r.c.Last())}
		}
		if err := compareAll(got, want, r.m, p.Tol); err != nil {
			err = fmt.Errorf("%w; last rewrite %s%s", err, r.c.Last(), r.firstOff(before, in, p.Tol))
			return &diag.Error{Kind: diag.Internal, Err: err}
		}
	}
	if ran == 0 {
		r.c.Remark(rewrite.Analysis, nil, fmt.Sprintf("not checked: the module runs on no sample: %v", refused))
	}
	return nil
}

func random(m *ir.Module) bool {
	found := false
	m.Walk(func(n *ir.Node) { found = found || n.Def.Has(ir.Random) })
	return found
}

// public lists the results that a run gives.
func public(m *ir.Module) []ir.Result {
	var out []ir.Result
	for _, r := range m.Main().Results {
		if r.State == nil {
			out = append(out, r)
		}
	}
	return out
}

// The tolerances of results in half precision, where a pass has any: each
// rounding is 2^-11 (f16) or 2^-8 (bf16), and sums cancel.
var (
	halfTol  = tensor.Custom(2e-2, 1e-2)
	bhalfTol = tensor.Custom(1e-1, 1e-1)
)

// sumTol is what a result may be off by, as a share of its largest element,
// where a pass has any tolerance: the error of a sum goes with its terms, not
// with what is left of them.
const sumTol = 1e-5

// TolFor is the tolerance of a pass or rule for a result that should be want.
func TolFor(tol tensor.Tol, want tensor.Value) tensor.Tol {
	if tol == tensor.Exact || tol == (tensor.Tol{}) || want.Kind != tensor.KindTensor {
		return tol
	}
	t := &want.Tensor
	switch d := t.DType(); {
	case d == dtype.F16:
		return halfTol
	case d == dtype.BF16:
		return bhalfTol
	case !d.IsFloat() || d.Bits() < 16:
		return tol
	}
	largest := 0.0
	for i := range t.Len() {
		if v := math.Abs(t.Float(i)); v > largest && !math.IsInf(v, 0) {
			largest = v
		}
	}
	tol.Atol += float64(sumTol * largest)
	return tol
}

func compareAll(got, want []tensor.Value, m *ir.Module, tol tensor.Tol) error {
	if len(got) != len(want) {
		return fmt.Errorf("have %d results, want %d", len(got), len(want))
	}
	for i, res := range public(m) {
		if err := TolFor(tol, want[i]).Compare(got[i], want[i]); err != nil {
			return fmt.Errorf("result %q changed: %w", res.Name, err)
		}
	}
	return nil
}

// firstOff runs both modules again and names the first value, of those that
// both have, that differs.
func (r *runner) firstOff(before *ir.Module, in []tensor.Value, tol tensor.Tol) string {
	vals := map[string]tensor.Value{}
	each := func(n *ir.Node, out []tensor.Value, f func(v *ir.Value, x tensor.Value)) {
		if n.Func.Owner != nil {
			return // runs more than once
		}
		for i, v := range n.Out {
			if v != nil && i < len(out) && out[i].Present() {
				f(v, out[i])
			}
		}
	}
	eval.Run(r.c.Context, before, in, eval.Trace(func(n *ir.Node, out []tensor.Value) {
		each(n, out, func(v *ir.Value, x tensor.Value) { vals[v.Name] = x.Clone() })
	}))
	first := ""
	eval.Run(r.c.Context, r.m, in, eval.Trace(func(n *ir.Node, out []tensor.Value) {
		each(n, out, func(v *ir.Value, x tensor.Value) {
			want, ok := vals[v.Name]
			if ok && first == "" && !ir.IsUnnamed(v.Name) {
				if err := TolFor(tol, want).Compare(x, want); err != nil {
					first = fmt.Sprintf("; first value off: %%%s of node %q (%s)", v.Name, n.Label(), n.OpName())
				}
			}
		})
	}))
	return first
}

// Sample makes inputs for main: sample k of a seed. Symbols are bound to small
// extents within their bounds, 1 in sample 0, 2 and 3 in later ones; integers
// are small and not negative, so that they can be indices. Error (Limit): an
// input would be too large to try.
func Sample(m *ir.Module, seed uint64, k int) ([]tensor.Value, error) {
	g := &sampler{r: rand.New(rand.NewPCG(seed, uint64(k)+1)), env: map[string]int64{}}
	for i, d := range m.Dims {
		n := int64(1)
		if k > 0 {
			n = int64(2 + (k+i)%2)
		}
		g.env[d.Name] = min(max(n, d.Lo), d.Hi)
	}
	var out []tensor.Value
	for _, p := range m.Main().Params {
		if p.State != nil {
			continue
		}
		v, err := g.value(p.Type)
		if err != nil {
			return nil, fmt.Errorf("input %q: %w", p.Name, err)
		}
		out = append(out, v)
	}
	return out, nil
}

type sampler struct {
	r   *rand.Rand
	env map[string]int64
}

// maxSample bounds the elements of one sampled input.
const maxSample = 1 << 26

func (g *sampler) value(t ir.Type) (tensor.Value, error) {
	switch t.Kind {
	case tensor.KindTensor:
		x, err := g.tensor(t)
		return tensor.V(x), err
	case tensor.KindSeq:
		v := tensor.SeqV(*t.Elem)
		for range 2 {
			e, err := g.value(*t.Elem)
			if err != nil {
				return v, err
			}
			v.Elems = append(v.Elems, e)
		}
		return v, nil
	case tensor.KindOptional:
		e, err := g.value(*t.Elem)
		return tensor.Value{Kind: tensor.KindOptional, Elems: []tensor.Value{e}, Elem: t.Elem}, err
	}
	return tensor.Value{}, errors.New("no samples of type " + t.String())
}

func (g *sampler) tensor(t ir.Type) (tensor.Tensor, error) {
	dims := []int{2, 3}
	if t.Ranked() {
		dims = make([]int, len(t.Dims))
		for i, d := range t.Dims {
			n, err := g.dim(d)
			if err != nil {
				return tensor.Tensor{}, err
			}
			dims[i] = n
		}
	}
	if n, ok := tensor.Count(dims); !ok || n > maxSample {
		return tensor.Tensor{}, diag.New(diag.Limit, "too many elements to sample: %v", dims)
	}
	x := tensor.New(t.DType, dims...)
	switch {
	case t.DType == dtype.String:
		for i := range x.Strings() {
			x.Strings()[i] = []string{"", "a", "bc", "def"}[g.r.IntN(4)]
		}
	case t.DType.IsFloat() && t.DType.Bits() >= 16:
		for i := range x.Len() {
			x.SetFloat(i, g.r.NormFloat64())
		}
	case t.DType.IsInt():
		for i := range x.Len() {
			x.SetInt(i, int64(g.r.IntN(2)))
		}
	case t.DType == dtype.Bool:
		for i := range x.Len() {
			x.SetInt(i, int64(g.r.IntN(2)))
		}
	}
	return x, nil
}

func (g *sampler) dim(d shape.Dim) (int, error) {
	n, err := d.Eval(func(name string) (int64, bool) { v, ok := g.env[name]; return v, ok })
	if err == nil && (n < 0 || n > maxSample) {
		err = diag.New(diag.Limit, "extent %v is %d", d, n)
	}
	return int(n), err
}
