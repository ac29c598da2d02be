package prune

import (
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
)

// weight is a factor of a product, of which single elements can become zero.
type weight struct {
	node  *ir.Node // its first reader
	value *ir.Value
	t     tensor.Tensor
}

// products are the operators whose constant factors are pruned by element.
var products = map[string]bool{"Conv": true, "ConvTranspose": true, "Gemm": true, "MatMul": true, "LSTM": true}

// factors lists them, each once, in the order of their readers.
func factors(m *ir.Module, c Config) ([]weight, error) {
	var out []weight
	seen := map[*ir.Value]bool{}
	var fault error
	m.Walk(func(n *ir.Node) {
		if !products[n.OpName()] {
			return
		}
		for _, i := range op.WeightPorts(n.Def) {
			if i >= len(n.In) || n.In[i].Const() == nil || seen[n.In[i]] {
				continue
			}
			v := n.In[i]
			if v.Type.Rank() < 2 || !v.Type.DType.IsFloat() || n.Is("Gemm") && i == 2 || n.Is("LSTM") && i == 3 {
				continue
			}
			seen[v] = true
			t, err := read(v, c)
			if err != nil && fault == nil {
				fault = diag.At(n.Label(), n.Def.VersionedName(), diag.BadModel, err)
			}
			out = append(out, weight{n, v, t})
		}
	})
	if fault != nil {
		return nil, fault
	}
	if len(out) == 0 {
		return nil, diag.New(diag.Budget, "model %q has no weights to prune (Conv, ConvTranspose, Gemm, MatMul, LSTM with constants)", m.Name)
	}
	return out, nil
}

// weightMasks chooses single weights: exactly round(sparsity*n) of each layer
// or of the model, those of least magnitude; of equals those that come first.
func weightMasks(m *ir.Module, c Config) ([]Mask, []weight, error) {
	ws, err := factors(m, c)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range ws {
		for e := range w.t.Len() {
			if v := w.t.Float(e); math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, nil, notANumber(w.node, w.value, e, v)
			}
		}
	}
	masks := make([]Mask, len(ws))
	if c.Scope == Global {
		keepLargest(ws, masks, c.Sparsity)
	} else {
		for i := range ws {
			keepLargest(ws[i:i+1], masks[i:i+1], c.Sparsity)
		}
	}
	return masks, ws, nil
}

// keepLargest makes the masks of the weights that share one budget.
func keepLargest(ws []weight, masks []Mask, sparsity float64) {
	n := 0
	for _, w := range ws {
		n += w.t.Len()
	}
	limit, ties := smallest(ws, int(math.Round(sparsity*float64(n))))
	for i, w := range ws {
		keep := make([]bool, w.t.Len())
		for e := range keep {
			switch b := bits(w.t.Float(e)); {
			case b > limit:
				keep[e] = true
			case b == limit && ties == 0:
				keep[e] = true
			case b == limit:
				ties--
			}
		}
		masks[i] = Mask{Weight: w.value, Keep: keep}
	}
}

// bits orders magnitudes: the bit patterns of numbers that are not negative
// stand in the order of the numbers. Zero gives 1, so that 0 is below all.
func bits(v float64) uint64 { return math.Float64bits(math.Abs(v)) + 1 }

// smallest finds the k-th smallest magnitude, and how many equal to it are
// among the k smallest, by counting 16 bits at a time: no copy of the weights
// is made. For k = 0 the limit is below all.
func smallest(ws []weight, k int) (limit uint64, ties int) {
	if k == 0 {
		return 0, 0
	}
	for shift := 48; shift >= 0; shift -= 16 {
		var count [1 << 16]int
		for _, w := range ws {
			for e := range w.t.Len() {
				b := bits(w.t.Float(e))
				if shift == 48 || b>>(shift+16) == limit>>(shift+16) {
					count[b>>shift&0xffff]++
				}
			}
		}
		for d, c := range count {
			if k <= c {
				limit |= uint64(d) << shift
				break
			}
			k -= c
		}
	}
	return limit, k
}

// zeroWeights is Apply for single weights.
func zeroWeights(m *ir.Module, c Config, masks []Mask) (*Report, error) {
	ws, err := factors(m, c)
	if err != nil {
		return nil, err
	}
	gone := map[*ir.Value]int{}
	for _, k := range masks {
		for _, stay := range k.Keep {
			if !stay {
				gone[k.Weight]++
			}
		}
	}
	rep := newReport(m, c)
	for _, w := range ws {
		l := layerReport(w.node, w.value)
		l.Total = w.t.Len()
		l.Kept = l.Total - gone[w.value]
		rep.Layers = append(rep.Layers, l)
	}
	if err := writeZeros(masks); err != nil {
		return nil, err
	}
	rep.finish(m)
	return rep, nil
}
