package prune

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Apply leaves out what c says: single weights become zeros, channels are
// removed, in m itself.
//
// Errors leave m as it was: Usage for the Config; Budget where a layer would
// be left without channels (naming its first node) or nothing can go; BadData
// for weights that are not numbers; BadModel where a weight cannot be read.
// Only after an Internal error m is not to be used.
func Apply(m *ir.Module, c Config) (*Report, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if c.Structure == Unstructured {
		masks, _, err := weightMasks(m, c)
		if err != nil {
			return nil, err
		}
		return zeroWeights(m, c, masks)
	}
	s, err := choose(m, c)
	if err != nil {
		return nil, err
	}
	return s.apply(m, c)
}

// apply removes what is chosen.
func (s *selection) apply(m *ir.Module, c Config) (*Report, error) {
	rep := s.report(m, c)
	if err := s.remove(m); err != nil {
		return nil, err
	}
	rep.after(m, s)
	return rep, nil
}

// ApplyMasks is Apply with a choice that Masks made earlier, for this m or one
// with the same weights, of which masks names those of m: single weights
// become zero; channels of whose filters nothing stays are removed. Errors are
// those of Apply.
func ApplyMasks(m *ir.Module, c Config, masks []Mask) (*Report, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if c.Structure == Unstructured {
		return zeroWeights(m, c, masks)
	}
	byWeight := map[*ir.Value][]bool{}
	for _, k := range masks {
		byWeight[k.Weight] = k.Keep
	}
	// Where what stays weighs one and what does not nothing, a score of zero
	// is a channel that goes.
	c.Value = func(v *ir.Value) (tensor.Tensor, error) {
		t := tensor.New(v.Type.DType, v.Const().Dims...)
		keep, masked := byWeight[v]
		if masked && len(keep) != t.Len() {
			return t, maskFault(v, t.Len(), len(keep))
		}
		for e := range t.Len() {
			if !masked || keep[e] {
				t.SetFloat(e, 1)
			}
		}
		return t, nil
	}
	s := newSelection(m)
	if err := s.score(c); err != nil {
		return nil, err
	}
	for _, g := range s.groups {
		s.gone[g.root] = g.score == 0
	}
	return s.apply(m, c)
}

// Zero is Apply without removing anything: what would go is set to zero and
// every shape stays. Outputs are those of the model that Apply gives. Errors
// are those of Apply.
func Zero(m *ir.Module, c Config) (*Report, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if c.Structure == Unstructured {
		return Apply(m, c)
	}
	s, err := choose(m, c)
	if err != nil {
		return nil, err
	}
	rep := s.report(m, c)
	s.unshare(m)
	if err := writeZeros(s.masks(m)); err != nil {
		return nil, err
	}
	rep.Masked = true
	rep.after(m, s)
	return rep, nil
}

// Mask says which elements of a constant stay.
type Mask struct {
	Weight *ir.Value // the constant's; its name is the state's in training
	Keep   []bool    // in the order of the elements; false: zero
}

// Masks says what Zero would set to zero, in the order of m's nodes; weights of
// which all stays are not listed. m is not changed. Errors are those of Apply.
func Masks(m *ir.Module, c Config) ([]Mask, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if c.Structure == Unstructured {
		masks, _, err := weightMasks(m, c)
		return masks, err
	}
	s, err := choose(m, c)
	if err != nil {
		return nil, err
	}
	return s.masks(m), nil
}

// Zeros gives masks of the zeros that m's weights have already, and their share
// of all weights that structure Unstructured prunes; a weight of nothing but
// zeros was not pruned but begins so, and counts as none. Errors are those of
// Apply for single weights.
func Zeros(m *ir.Module) (masks []Mask, share float64, err error) {
	c, err := Config{Sparsity: 0.5}.withDefaults()
	if err != nil {
		return nil, 0, err
	}
	ws, err := factors(m, c)
	if err != nil {
		return nil, 0, err
	}
	zeros, total := 0, 0
	for _, w := range ws {
		k := Mask{Weight: w.value, Keep: make([]bool, w.t.Len())}
		n := 0
		for e := range k.Keep {
			if k.Keep[e] = w.t.Float(e) != 0; !k.Keep[e] {
				n++
			}
		}
		total += len(k.Keep)
		if n > 0 && n < len(k.Keep) {
			masks, zeros = append(masks, k), zeros+n
		}
	}
	return masks, float64(zeros) / float64(max(1, total)), nil
}

func maskFault(v *ir.Value, want, have int) error {
	return diag.New(diag.Internal, "mask of %%%s has %d elements, not %d", v.Name, have, want)
}

// writeZeros replaces each constant by one with zeros where its mask says so.
func writeZeros(masks []Mask) error {
	made := make([]*ir.Const, len(masks))
	for i, k := range masks {
		old := k.Weight.Const()
		if old == nil {
			return diag.New(diag.Internal, "value %%%s is not a constant", k.Weight.Name)
		}
		t, err := old.Tensor()
		if err != nil {
			return diag.At("initializer "+k.Weight.Name, "", diag.BadModel, err)
		}
		if len(k.Keep) != t.Len() {
			return maskFault(k.Weight, t.Len(), len(k.Keep))
		}
		z := t.Clone()
		b, size := z.Bytes(), z.DType().Size()
		for e, keep := range k.Keep {
			if !keep {
				clear(b[e*size : (e+1)*size])
			}
		}
		made[i] = ir.NewConst(z)
	}
	for i, k := range masks {
		k.Weight.Node.Const = made[i]
	}
	return nil
}
