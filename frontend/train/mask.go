package train

import (
	"fmt"
	"maps"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Mask gives the mask that a weight has now, in OnStep.
func Mask(x ir.Exec, weight string) ([]bool, error) {
	v, err := x.State(weight + suffixMask)
	if err != nil {
		return nil, err
	}
	keep := make([]bool, v.Tensor.Len())
	for i := range keep {
		keep[i] = v.Tensor.Float(i) != 0
	}
	return keep, nil
}

// SetMask changes the mask of a weight for which Config.Masks began one:
// elements that are false are zero from now on, as are their moments. For use
// in OnStep, where x is the run. Elements that come back begin at zero.
func SetMask(x ir.Exec, weight string, keep []bool) error {
	v, err := x.State(weight + suffixMask)
	if err != nil {
		return err
	}
	if v.Tensor.Len() != len(keep) {
		return maskFault(weight, v.Tensor.Len(), len(keep))
	}
	if err := x.SetState(weight+suffixMask, tensor.V(ones(&v.Tensor, keep))); err != nil {
		return err
	}
	for _, suffix := range []string{"", suffixMoment, suffixSquare} {
		v, err := x.State(weight + suffix)
		if err != nil {
			if suffix != "" { // this optimizer has no such moment
				continue
			}
			return err
		}
		t := v.Tensor.Clone()
		clearWhere(&t, keep)
		if err := x.SetState(weight+suffix, tensor.V(t)); err != nil {
			return err
		}
	}
	return nil
}

// ones is a mask for t: 1 where an element is kept, else 0.
func ones(t *tensor.Tensor, keep []bool) tensor.Tensor {
	m := tensor.New(t.DType(), t.Dims()...)
	for i, k := range keep {
		if k {
			m.SetFloat(i, 1)
		}
	}
	return m
}

// clearWhere makes elements zero that are not kept.
func clearWhere(t *tensor.Tensor, keep []bool) {
	b, size := t.Bytes(), t.DType().Size()
	for i, k := range keep {
		if !k {
			clear(b[i*size : (i+1)*size])
		}
	}
}

func maskFault(weight string, want, have int) error {
	return &diag.Error{Kind: diag.Usage, Port: fmt.Sprintf("mask of weight %q", weight), Have: fmt.Sprint(have, " elements"), Want: fmt.Sprint(want)}
}

// masks gives the constant that a mask begins as, and the weight's with zeros
// where the mask is false.
func masks(w Weight, c *ir.Const, keep []bool) (mask, weight *ir.Const, err error) {
	if w.Statistic {
		return nil, nil, diag.New(diag.Usage, "mask of %q: a statistic is not trained", w.Name)
	}
	t, err := c.Tensor()
	if err != nil {
		return nil, nil, diag.At("initializer "+w.Name, "", diag.BadModel, err)
	}
	if t.Len() != len(keep) {
		return nil, nil, maskFault(w.Name, t.Len(), len(keep))
	}
	m := ones(&t, keep)
	if slices.Contains(keep, false) {
		z := t.Clone()
		clearWhere(&z, keep)
		c = ir.NewConst(z)
	}
	return ir.NewConst(m), c, nil
}

// allMasked says whether every mask of the Config has a weight.
func (s *step) allMasked(weights map[*ir.Value]Weight) error {
	left := maps.Clone(s.c.Masks)
	for _, w := range weights {
		delete(left, w.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		return diag.New(diag.Usage, "mask of %q: the model has no such weight to train", name)
	}
	return nil
}

// masks reads the masks that the run has now; nil: it has none.
func (f *fit) masks() (map[string][]bool, error) {
	if len(f.c.Masks) == 0 {
		return nil, nil
	}
	out := map[string][]bool{}
	for name := range f.c.Masks {
		keep, err := Mask(f.x, name)
		if err != nil {
			return nil, err
		}
		out[name] = keep
	}
	return out, nil
}
