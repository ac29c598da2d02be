package train

import (
	"context"
	"fmt"
	"math"

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
	where := fmt.Sprintf("epoch %d step %d", b.Epoch+1, b.Step+1)
	m := &f.last[0]
	for i, k := range f.feed.from {
		if at := notFinite(&m.in[i].Tensor); k >= 0 && at >= 0 {
			t := &m.in[i].Tensor
			per := max(1, t.Len()/max(1, t.Dim(0)))
			return &diag.Error{Kind: diag.BadData, File: f.loader.Dataset().Where(m.rows[at/per]),
				Port: fmt.Sprintf("field %q", f.loader.Dataset().Fields()[k].Name), Have: fmt.Sprint(t.Float(at)), Want: "a finite number"}
		}
	}
	for _, t := range m.states {
		if notFinite(&t) >= 0 && f.last[1].ok {
			m, where = &f.last[1], fmt.Sprintf("the step before epoch %d step %d", b.Epoch+1, b.Step+1)
			break
		}
	}
	n, err := origin(ctx, f.module, m)
	if err != nil {
		return err
	}
	e := &diag.Error{Kind: diag.BadData, Port: fmt.Sprintf("loss at epoch %d step %d", b.Epoch+1, b.Step+1), Have: fmt.Sprint(loss), Want: "a finite number"}
	if n != nil {
		e.Node, e.Op = n.Label(), n.Def.VersionedName()
		e.Err = fmt.Errorf("in %s it is the first to give a value that is not finite", where)
	}
	return e
}

// notFinite is the first element of a float tensor that is NaN or infinite, -1
// if there is none.
func notFinite(t *tensor.Tensor) int {
	if !t.Valid() || !t.DType().IsFloat() {
		return -1
	}
	for i := range t.Len() {
		if v := t.Float(i); math.IsNaN(v) || math.IsInf(v, 0) {
			return i
		}
	}
	return -1
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
			if i < len(n.Out) && n.Out[i] != nil && out[i].Kind == tensor.KindTensor && notFinite(&out[i].Tensor) >= 0 {
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
