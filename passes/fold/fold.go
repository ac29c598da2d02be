// Package fold computes what is constant: pure nodes whose operands are
// constants, by the reference semantics, and integers that shape inference
// knows. It is the one place where passes compute numbers, so that what other
// passes write is the same on every machine.
//
// Results above Options.FoldBytes stay chains of nodes over constants, which
// packing evaluates one at a time. DequantizeLinear stays as well: it is how a
// Module says that a weight is quantized, and packing evaluates it where a
// target has no use for that. "fold{dequantize=yes}" folds it too.
//
//	err := fold.Run(ctx, m)
package fold

import (
	"errors"
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// Pass is constant folding.
func Pass() pass.Pass {
	return pass.Pass{
		Name: "fold", Level: 1, Run: Run,
		Rules: []rewrite.Rule{
			{Name: "const-node", Doc: "A pure node over constants is its value."},
			{Name: "known-ints", Doc: "Integers that inference knows are constants."},
		},
		Doc: "compute what depends on constants and known extents only",
	}
}

// Run folds every function and region, operands before readers, and then
// infers types anew where values became known. A fold that would make a
// reader illegal (a branch that never runs) is left undone. Error: a constant
// cannot be read, or a model that contradicts itself (Shape).
func Run(c *rewrite.Ctx, m *ir.Module) error {
	f := &folder{c: c, m: m, limit: c.Options.FoldLimit(), dequantize: c.Arg("dequantize") == "yes"}
	for _, n := range rewrite.OrderAll(m) {
		if err := c.Context.Err(); err != nil {
			return err
		}
		if err := f.node(n); err != nil {
			return err
		}
	}
	if f.changed {
		return rewrite.Reinfer(m)
	}
	return nil
}

type folder struct {
	c          *rewrite.Ctx
	m          *ir.Module
	limit      int
	dequantize bool
	changed    bool
}

func (f *folder) node(n *ir.Node) error {
	if n.Const != nil || !n.Def.Has(ir.Pure) || len(n.Regions) > 0 || rewrite.Unread(n) {
		return nil
	}
	if n.Is("DequantizeLinear") && !f.dequantize {
		return nil
	}
	if consts, ok := known(n); ok {
		if f.c.Fire("known-ints", n) {
			f.replace(n, consts)
		}
		return nil
	}
	in, ok, err := operands(n)
	if !ok || err != nil || f.tooLarge(n) || n.Def.Eval == nil {
		return err
	}
	var opts []eval.Option
	if f.limit >= 0 {
		// Room for what is alive beside the result: optional outputs, scratch.
		opts = append(opts, eval.Limit(int64(4*f.limit)+1<<20))
	}
	out, err := eval.Node(f.c.Context, n, in, opts...)
	if err != nil {
		var e *diag.Error
		if errors.As(err, &e) && e.Kind == diag.Limit {
			return nil
		}
		// The node fails whenever it runs; whether it runs is not ours to say.
		f.c.Remark(rewrite.Missed, n, "not folded: "+err.Error())
		return nil
	}
	consts := make([]*ir.Const, len(out))
	for i := range out {
		if n.Out[i] == nil {
			continue
		}
		if out[i].Kind != tensor.KindTensor || f.limit >= 0 && out[i].Tensor.DType() != dtype.String && len(out[i].Tensor.Bytes()) > f.limit {
			return nil
		}
		consts[i] = constant(out[i].Tensor)
	}
	if f.c.Fire("const-node", n) {
		f.replace(n, consts)
	}
	return nil
}

// operands gives the values of n's inputs if all are constant.
func operands(n *ir.Node) ([]tensor.Value, bool, error) {
	for _, v := range n.In {
		if v != nil && v.Const() == nil {
			return nil, false, nil
		}
	}
	in := make([]tensor.Value, len(n.In))
	for i, v := range n.In {
		if v == nil {
			continue
		}
		t, err := v.Const().Tensor()
		if err != nil {
			return nil, false, diag.At(v.Name, "const", diag.BadModel, err)
		}
		in[i] = tensor.V(t)
	}
	return in, true, nil
}

// tooLarge says whether the types already tell that a result is above the
// limit or no tensor.
func (f *folder) tooLarge(n *ir.Node) bool {
	for _, v := range n.Out {
		if v == nil {
			continue
		}
		if !v.Type.IsTensor() {
			return true
		}
		if dims, ok := v.Type.Static(); ok && f.limit >= 0 {
			if count, ok := tensor.Count(dims); !ok || v.Type.DType != dtype.String && v.Type.DType.Bytes(count) > f.limit {
				return true
			}
		}
	}
	return false
}

// known gives constants for all outputs of n where inference knows every
// element.
func known(n *ir.Node) ([]*ir.Const, bool) {
	out := make([]*ir.Const, len(n.Out))
	for i, v := range n.Out {
		if v == nil {
			continue
		}
		dims, ok := v.Type.Static()
		if !ok || v.Ints == nil || !v.Type.DType.IsInt() || len(dims) > 1 {
			return nil, false
		}
		t := tensor.New(v.Type.DType, dims...)
		if t.Len() != len(v.Ints) {
			return nil, false
		}
		for k, d := range v.Ints {
			x, ok := d.Const()
			if !ok {
				return nil, false
			}
			if t.SetInt(k, x); t.Int(k) != x {
				return nil, false
			}
		}
		out[i] = ir.NewConst(t)
	}
	return out, true
}

// replace puts constants in the place of n's outputs, under their names.
func (f *folder) replace(n *ir.Node, consts []*ir.Const) {
	at := n.Index()
	b := ir.NewBuilder(n.Func, at, f.c.Ops)
	for i, v := range n.Out {
		if v == nil {
			continue
		}
		w := b.NamedConst(v.Name, consts[i])
		if w.Ints == nil {
			w.Ints = v.Ints
		}
		ir.ReplaceUses(v, w)
	}
	if bad := f.illegal(b.Nodes); bad != nil {
		f.c.Remark(rewrite.Missed, n, "not folded: "+bad.Error())
		k := 0
		for _, v := range n.Out {
			if v != nil {
				ir.ReplaceUses(b.Nodes[k].Out[0], v)
				b.Nodes[k].Remove()
				k++
			}
		}
		return
	}
	n.Remove()
	f.changed = true
}

// illegal gives the error of the first reader that cannot take the constants.
func (f *folder) illegal(consts []*ir.Node) error {
	for _, k := range consts {
		for _, u := range k.Out[0].Uses() {
			if u.Node == nil {
				continue
			}
			if fs, err := ir.Recheck(f.m, u.Node); fs == nil && err != nil {
				return err
			}
		}
	}
	return nil
}

// splatLen is the length from which equal elements are printed as one.
const splatLen = 16

// constant makes a Const of t with canonical NaNs; text prints a long run of
// one value as a splat.
func constant(t tensor.Tensor) *ir.Const {
	t = canonicalNaN(t)
	c := ir.NewConst(t)
	if d := t.DType(); t.Len() < splatLen || d == dtype.String || d.IsComplex() || d == dtype.I64 || d == dtype.U64 {
		return c
	} else if d.IsFloat() && d.Bits() < 16 {
		return c
	}
	first := t.Float(0)
	for i := 1; i < t.Len(); i++ {
		if math.Float64bits(t.Float(i)) != math.Float64bits(first) {
			return c
		}
	}
	c.Init = ir.Init{Kind: ir.InitSplat, Splat: first}
	return c
}

// canonicalNaN stores one NaN for all, so that constants are the same bytes
// whichever machine folded them.
func canonicalNaN(t tensor.Tensor) tensor.Tensor {
	if d := t.DType(); !d.IsFloat() || d.Bits() < 16 {
		return t
	}
	owned := false
	for i := range t.Len() {
		if v := t.Float(i); v != v {
			if !owned { // t may be a view of an operand
				t, owned = t.Clone(), true
			}
			switch t.DType() {
			case dtype.F32:
				tensor.Slice[uint32](&t)[i] = 0x7fc00000
			case dtype.F64:
				tensor.Slice[uint64](&t)[i] = 0x7ff8000000000000
			case dtype.F16:
				tensor.Slice[uint16](&t)[i] = 0x7e00
			case dtype.BF16:
				tensor.Slice[uint16](&t)[i] = 0x7fc0
			}
		}
	}
	return t
}
