package irtest

import (
	"fmt"
	"strconv"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// maxElems bounds a random tensor: modules under test may be made at random.
const maxElems = 1 << 26

// Extents gives every declared dim of m an extent: the one in dims, else the
// smallest legal one that is at least 1.
func Extents(m *ir.Module, dims map[string]int64) map[string]int64 {
	out := map[string]int64{}
	for _, d := range m.Dims {
		n, ok := dims[d.Name]
		if !ok {
			n = min(max(d.Lo, 1), d.Hi)
		}
		out[d.Name] = n
	}
	return out
}

// Inputs makes random values for the parameters of m's main function, those
// that read states left out. Symbols take their extents from dims, else from
// Extents. Tensors are tensor.Random's (strings and the floats of 8 bits
// count up); an axis of unknown rank gives [2, 3], sequences hold two
// elements, optionals one. Error: an extent cannot be computed.
func Inputs(m *ir.Module, dims map[string]int64, seed uint64) ([]tensor.Value, error) {
	env := Extents(m, dims)
	var out []tensor.Value
	for i, p := range m.Main().Params {
		if p.State != nil {
			continue
		}
		v, err := Random(p.Type, env, seed+uint64(i)*1000)
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", p.Name, err)
		}
		out = append(out, v)
	}
	return out, nil
}

// Random makes one random value of a type.
func Random(t ir.Type, env map[string]int64, seed uint64) (tensor.Value, error) {
	switch t.Kind {
	case tensor.KindTensor:
		x, err := randomTensor(t, env, seed)
		return tensor.V(x), err
	case tensor.KindSeq, tensor.KindOptional:
		v := tensor.Value{Kind: t.Kind, Elem: t.Elem}
		n := 2
		if t.Kind == tensor.KindOptional {
			n = 1
		}
		for i := range n {
			e, err := Random(*t.Elem, env, seed+uint64(i)+1)
			if err != nil {
				return v, err
			}
			v.Elems = append(v.Elems, e)
		}
		return v, nil
	}
	return tensor.Value{}, fmt.Errorf("no random values of type %v", t)
}

func randomTensor(t ir.Type, env map[string]int64, seed uint64) (tensor.Tensor, error) {
	dims := []int{2, 3}
	if !t.Unranked {
		dims = make([]int, len(t.Dims))
		for i, d := range t.Dims {
			n, err := d.Eval(func(s string) (int64, bool) { v, ok := env[s]; return v, ok })
			if err != nil {
				return tensor.Tensor{}, err
			}
			dims[i] = int(n)
		}
	}
	if n, ok := tensor.Count(dims); !ok || n > maxElems {
		return tensor.Tensor{}, fmt.Errorf("extents %v: more than %d elements", dims, maxElems)
	}
	if tensor.HasRandom(t.DType) {
		return tensor.Random(t.DType, seed, dims...)
	}
	x := tensor.New(t.DType, dims...)
	if t.DType == dtype.String {
		for i := range x.Strings() {
			x.Strings()[i] = "s" + strconv.Itoa(i)
		}
		return x, nil
	}
	for i := range x.Bytes() {
		x.Bytes()[i] = byte(i) & 0x77 // no NaN in any of the 8-bit formats
	}
	return x, nil
}
