package train

import (
	"context"
	"fmt"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/tensor"
)

// blame makes the error for a loss that is not finite: it repeats the step in
// the interpreter and names the first node that made such a value of finite
// ones. Where the weights were not finite before the step already, it is the
// step before that is repeated.
func (f *fit) blame(ctx context.Context, loss float64, b data.Batch) error {
	m, at := &f.last[0], fmt.Sprintf("epoch %d step %d", b.Epoch+1, b.Step+1)
	if err := f.feed.fault(m.in, f.loader.Dataset(), m.rows); err != nil {
		return err
	}
	where := at
	if f.last[1].ok && !finite(m.states) {
		m, where = &f.last[1], "the step before "+at
	}
	return fault(ctx, f.module, m, loss, "loss at "+at, where)
}

// sound makes sure that the weights are finite after an epoch: the step that
// spoils them has a loss that is none of theirs.
func (f *fit) sound(ctx context.Context) error {
	for _, w := range Weights(f.base) {
		if f.c.Freeze != nil && f.c.Freeze(w.Name) {
			continue
		}
		v, err := f.x.State(w.Name)
		if err != nil {
			return err
		}
		if at := v.Tensor.NotFinite(); at >= 0 {
			if began, err := w.Value.Const().Tensor(); err != nil || began.NotFinite() >= 0 {
				continue // as a bias of -Inf that masks
			}
			what := fmt.Sprintf("weight %q after epoch %d", w.Name, f.Epoch+1)
			if !f.last[0].ok {
				return fault(ctx, nil, nil, v.Tensor.Float(at), what, "")
			}
			return fault(ctx, f.module, &f.last[0], v.Tensor.Float(at), what, "the step before")
		}
	}
	return nil
}

// blameScore does what blame does for the loss on validation data after an
// epoch.
func (f *fit) blameScore(ctx context.Context, bad *unfit) error {
	if bad.err != nil {
		return bad.err
	}
	m := moment{states: map[string]tensor.Tensor{}, in: bad.in}
	for _, n := range f.val.names {
		v, err := f.x.State(n)
		if err != nil {
			return err
		}
		m.states[n] = v.Tensor
	}
	return fault(ctx, f.val.module, &m, bad.loss, fmt.Sprintf("validation loss after epoch %d", f.Epoch+1), "validation")
}

// fault makes the error for a value that is not finite; it repeats the run m of
// a module, unless that is nil, for the node that made it.
func fault(ctx context.Context, module *ir.Module, m *moment, have float64, what, where string) error {
	e := &diag.Error{Kind: diag.BadData, Port: what, Have: fmt.Sprint(have), Want: "a finite number"}
	if module == nil {
		return e
	}
	n, err := origin(ctx, module, m)
	if err != nil {
		return err
	}
	if n != nil {
		e.Node, e.Op = n.Label(), n.Def.VersionedName()
		e.Err = fmt.Errorf("in %s it is the first to give a value that is not finite", where)
	}
	return e
}

// fault names the sample and the field of the first value of a batch that is
// not finite; nil: there is none.
func (f *feeder) fault(in []tensor.Value, d data.Dataset, rows []int) error {
	for i, k := range f.from {
		if k < 0 {
			continue
		}
		t := &in[i].Tensor
		if at := t.NotFinite(); at >= 0 {
			per := max(1, t.Len()/max(1, t.Dim(0)))
			return &diag.Error{Kind: diag.BadData, File: d.Where(rows[at/per]), Port: fmt.Sprintf("field %q", d.Fields()[k].Name),
				Have: fmt.Sprint(t.Float(at)), Want: "a finite number"}
		}
	}
	return nil
}

func finite(states map[string]tensor.Tensor) bool {
	for _, t := range states {
		if t.NotFinite() >= 0 {
			return false
		}
	}
	return true
}

// origin repeats a step and finds the first node with a result that is not
// finite though all that it read was; nil where the interpreter meets none.
func origin(ctx context.Context, m *ir.Module, at *moment) (*ir.Node, error) {
	var found *ir.Node
	bad := map[*ir.Value]bool{}
	x, err := eval.New(eval.Trace(func(n *ir.Node, out []tensor.Value) {
		fresh := n.Const == nil
		for _, v := range n.In {
			fresh = fresh && !bad[v]
		}
		for i := range out {
			if i < len(n.Out) && n.Out[i] != nil && out[i].Kind == tensor.KindTensor && out[i].Tensor.NotFinite() >= 0 {
				bad[n.Out[i]] = true
				if fresh && found == nil {
					found = n
				}
			}
		}
	})).Compile(ctx, m)
	if err != nil {
		return nil, err
	}
	for name, t := range at.states {
		if err := x.SetState(name, tensor.V(t)); err != nil {
			return nil, err
		}
	}
	_, err = x.Run(ctx, at.in)
	return found, err
}
