package retrain

import (
	"context"
	"fmt"
	"math"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/prune"
)

// Pruning says what is left out of a model in training, and when.
type Pruning struct {
	// Config says what is left out in the end. Its Value is not read: the
	// weights are those of the run.
	prune.Config
	// Begin and End are shares of the run's steps between which sparsity
	// rises (Schedule). An End of 0 leaves all out before the first step;
	// channels are removed then.
	Begin, End float64
	// Every is the number of steps from one choice of masks to the next; 0: a
	// hundredth of the rise.
	Every int
}

// Check says what is wrong with p, an error of kind Usage.
func (p Pruning) Check() error {
	if err := p.Config.Check(); err != nil {
		return err
	}
	if !(p.Begin >= 0 && p.Begin <= p.End && p.End <= 1) {
		return diag.New(diag.Usage, "begin %v, end %v: want shares of the steps, 0 to 1, begin not after end", p.Begin, p.End)
	}
	if p.Every < 0 {
		return diag.New(diag.Usage, "every %d steps: want 0 or more", p.Every)
	}
	return nil
}

// Prune trains m, which is not changed, while it leaves out what p says, and
// gives what was learnt with what was left out: zeros, or channels that are
// gone. c is as for train.Fit, its Masks empty.
//
// Single weights that are zero in m count as left out: sparsity rises from
// their share, and they stay zero. What is left out never comes back. With
// Patience, only epochs that end with the last masks can be the best.
//
// Errors: those of train.Fit; before anything is trained those of prune.Apply
// on m, and Unsupported for a weight that is to be pruned but is not trained.
func Prune(ctx context.Context, exec ir.Executor, m *ir.Module, tr, val data.Dataset, c train.Config, p Pruning) (*train.History, *prune.Report, error) {
	if err := p.Check(); err != nil {
		return nil, nil, err
	}
	if len(c.Masks) > 0 {
		return nil, nil, diag.New(diag.Usage, "pruning in training makes its own masks: want none")
	}
	p.Value = nil
	if p.Structure == prune.Channel && p.End == 0 {
		small := m.Clone()
		rep, err := prune.Apply(small, p.Config)
		if err != nil {
			return nil, nil, err
		}
		c.Recipe += p.recipe(&c, 0)
		h, err := train.Fit(ctx, exec, small, tr, val, c)
		return h, rep, err
	}
	g := &gradual{m: m, p: &p, names: map[*ir.Value]string{}}
	for _, w := range train.Weights(m) {
		if !w.Statistic && (c.Freeze == nil || !c.Freeze(w.Name)) {
			g.names[w.Value] = w.Name
		}
	}
	var err error
	if c.Masks, err = g.begin(); err != nil {
		return nil, nil, err
	}
	for _, w := range train.Weights(m) {
		if c.Masks[w.Name] != nil {
			g.order = append(g.order, w.Name)
		}
	}
	c.Recipe += p.recipe(&c, g.from)
	if p.End > 0 {
		c.BestFrom = max(c.BestFrom, int(math.Ceil(p.End*float64(max(1, c.Epochs)))))
		next := c.OnStep
		c.OnStep = func(at train.Progress, x ir.Exec) error {
			if err := g.step(at, x); err != nil || next == nil {
				return err
			}
			return next(at, x)
		}
	}
	h, err := train.Fit(ctx, exec, m, tr, val, c)
	if err != nil {
		return nil, nil, err
	}
	var masks []prune.Mask
	for _, w := range train.Weights(h.Model) {
		if keep, ok := h.Masks[w.Name]; ok {
			masks = append(masks, prune.Mask{Weight: w.Value, Keep: keep})
		}
	}
	rep, err := prune.ApplyMasks(h.Model, p.Config, masks)
	return h, rep, err
}

// recipe is what a checkpoint must agree with.
func (p *Pruning) recipe(c *train.Config, from float64) string {
	return fmt.Sprintf(" prune sparsity %v..%v structure %q criterion %q scope %q align %d min %d steps %v..%v every %d of %d epochs",
		from, p.Sparsity, p.Structure, p.Criterion, p.Scope, p.Align, p.MinChannels, p.Begin, p.End, p.Every, c.Epochs)
}

// gradual is a run whose masks change.
type gradual struct {
	m     *ir.Module
	p     *Pruning
	names map[*ir.Value]string // of the weights that are trained
	order []string             // of those that have masks, in the order of the model
	from  float64              // sparsity that the run begins with
}

// begin gives the masks that the run begins with, after it has seen that the
// last ones are possible.
func (g *gradual) begin() (map[string][]bool, error) {
	last, err := prune.Masks(g.m, g.p.Config)
	if err != nil {
		return nil, err
	}
	out := map[string][]bool{}
	if g.p.Structure == prune.Channel {
		// Which weights lose something is seen as the scores move.
		for v, name := range g.names {
			out[name] = full(v.Const().Len())
		}
		return out, nil
	}
	for _, k := range last {
		name, ok := g.names[k.Weight]
		if !ok {
			return nil, diag.New(diag.Unsupported, "weight %q is to be pruned in training, but is not trained (f32 or f64, not frozen, are)", k.Weight.Name)
		}
		if out[name] = k.Keep; g.p.End > 0 {
			out[name] = full(len(k.Keep))
		}
	}
	zeros, share, err := prune.Zeros(g.m)
	if err != nil {
		return nil, err
	}
	g.from = min(share, g.p.Sparsity)
	for _, k := range zeros {
		both(out[g.names[k.Weight]], k.Keep)
	}
	return out, nil
}

func full(n int) []bool {
	keep := make([]bool, n)
	for i := range keep {
		keep[i] = true
	}
	return keep
}

// both leaves of a what b keeps as well.
func both(a, b []bool) {
	for i := range a {
		a[i] = a[i] && b[i]
	}
}

// step chooses masks anew where the schedule says so.
func (g *gradual) step(at train.Progress, x ir.Exec) error {
	s := g.p.schedule(g.from, at.Steps*at.Epochs)
	sparsity := s.At(at.Total)
	if !s.Due(at.Total) || sparsity <= g.from {
		return nil
	}
	old := map[string][]bool{}
	for _, name := range g.order {
		keep, err := train.Mask(x, name)
		if err != nil {
			return err
		}
		old[name] = keep
	}
	c := g.p.Config
	c.Sparsity, c.Value = sparsity, g.values(x, old)
	if c.Structure == prune.Channel {
		c.MinChannels = max(c.MinChannels, 1) // that m can bear the budget was seen
	}
	masks, err := prune.Masks(g.m, c)
	if err != nil {
		return err
	}
	keep := map[string][]bool{}
	for _, k := range masks {
		if name, ok := g.names[k.Weight]; ok {
			keep[name] = k.Keep
		}
	}
	if c.Structure == prune.Channel && comesBack(old, keep) {
		return nil // steps of alignment met the budget in another way: the next choice will bear both
	}
	for _, name := range g.order {
		if k, ok := keep[name]; ok {
			both(k, old[name])
			if err := train.SetMask(x, name, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// values reads weights from the run. What is masked weighs nothing; anything
// else more than that, though it may be zero for now.
func (g *gradual) values(x ir.Exec, masks map[string][]bool) func(*ir.Value) (tensor.Tensor, error) {
	return func(v *ir.Value) (tensor.Tensor, error) {
		name, ok := g.names[v]
		if !ok {
			return v.Const().Tensor()
		}
		s, err := x.State(name)
		if err != nil {
			return tensor.Tensor{}, err
		}
		t := s.Tensor.Clone()
		for i, keep := range masks[name] {
			if keep && t.Float(i) == 0 {
				t.SetFloat(i, math.SmallestNonzeroFloat32)
			}
		}
		return t, nil
	}
}

// comesBack says whether a choice keeps what an earlier one left out.
func comesBack(old, keep map[string][]bool) bool {
	for name, was := range old {
		k, some := keep[name]
		for i, stays := range was {
			if !stays && (!some || k[i]) {
				return true
			}
		}
	}
	return false
}
