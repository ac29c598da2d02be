package prune

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
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
		return zeroWeights(m, c)
	}
	s, err := choose(m, c)
	if err != nil {
		return nil, err
	}
	rep := s.report(m, c)
	if err := s.remove(m); err != nil {
		return nil, err
	}
	rep.after(m, s)
	return rep, nil
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
		return zeroWeights(m, c)
	}
	s, err := choose(m, c)
	if err != nil {
		return nil, err
	}
	rep := s.report(m, c)
	s.unshare(m)
	if err := WriteZeros(s.masks(m)); err != nil {
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

// WriteZeros replaces each constant by one with zeros where its mask says so.
func WriteZeros(masks []Mask) error {
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
			return diag.New(diag.Internal, "mask of %%%s has %d elements, not %d", k.Weight.Name, len(k.Keep), t.Len())
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
