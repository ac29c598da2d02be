package onnx

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/tensor"
)

// recorded is one test_data_set folder.
type recorded struct {
	dir     string
	in, out map[string]tensor.Value // by the .pb's own name, else by its number
}

// dataSets are the recorded sets beside a model, in order.
func dataSets(t *testing.T, files fstest.MapFS, dir string) []recorded {
	t.Helper()
	sets := map[string]*recorded{}
	for name := range files {
		rest, ok := strings.CutPrefix(name, dir+"/test_data_set_")
		if !ok || path.Ext(name) != ".pb" {
			continue
		}
		d := path.Dir(name)
		if sets[d] == nil {
			sets[d] = &recorded{dir: d, in: map[string]tensor.Value{}, out: map[string]tensor.Value{}}
		}
		v, own, err := decodeValueFile(files[name].Data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		kind, number, _ := strings.Cut(strings.TrimSuffix(path.Base(rest), ".pb"), "_")
		into := sets[d].in
		if kind == "output" {
			into = sets[d].out
		}
		into["#"+number] = v
		if own != "" {
			into[own] = v
		}
	}
	var out []recorded
	for _, s := range sets {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b recorded) int {
		return cmp.Or(cmp.Compare(len(a.dir), len(b.dir)), cmp.Compare(a.dir, b.dir))
	})
	return out
}

// decodeValueFile reads a .pb of any kind. A file does not say which message
// it holds: tensors first, then what decodes without loss.
func decodeValueFile(b []byte) (tensor.Value, string, error) {
	if r, err := DecodeTensor(b); err == nil && r.DataType != 0 {
		v, err := r.Value()
		return tensor.V(v), r.Name, err
	}
	if s, err := DecodeSequence(b); err == nil && (len(s.Tensors) > 0 || s.ElemType == 1) {
		v, err := s.value()
		return v, s.Name, err
	}
	o, err := DecodeOptional(b)
	if err != nil {
		return tensor.Value{}, "", err
	}
	v, err := o.value()
	return v, o.Name, err
}

func (s *RawSequence) value() (tensor.Value, error) {
	v := tensor.Value{Kind: tensor.KindSeq}
	for _, t := range s.Tensors {
		x, err := t.Value()
		if err != nil {
			return v, err
		}
		v.Elems = append(v.Elems, tensor.V(x))
	}
	return v, nil
}

func (o *RawOptional) value() (tensor.Value, error) {
	v := tensor.Value{Kind: tensor.KindOptional}
	var e tensor.Value
	var err error
	switch {
	case o.Tensor != nil:
		e.Kind = tensor.KindTensor
		e.Tensor, err = o.Tensor.Value()
	case o.Sequence != nil:
		e, err = o.Sequence.value()
	default:
		return v, nil
	}
	v.Elems = []tensor.Value{e}
	return v, err
}

// pick finds the value of a parameter or result: by name, then by number.
func pick(m map[string]tensor.Value, name string, number int) (tensor.Value, bool) {
	if v, ok := m[name]; ok {
		return v, true
	}
	v, ok := m["#"+strconv.Itoa(number)]
	return v, ok
}

// compareRun runs m on one recorded set.
func compareRun(m *ir.Module, set recorded, tol tensor.Tol) error {
	var in []tensor.Value
	for i, p := range m.Main().Params {
		v, ok := pick(set.in, p.Name, i)
		if !ok {
			return fmt.Errorf("%s: no value for input %q", set.dir, p.Name)
		}
		in = append(in, v)
	}
	out, err := eval.Run(context.Background(), m, in)
	if err != nil {
		return fmt.Errorf("%s: %w", set.dir, err)
	}
	compared := 0
	for i, r := range m.Main().Results {
		want, ok := pick(set.out, r.Name, i)
		if !ok {
			continue // some sets record a part only
		}
		compared++
		if tol.Name == random.Name {
			if have, want := out[i].Type(), want.Type(); !have.Equal(want) {
				return fmt.Errorf("%s: output %q: have %v, want %v", set.dir, r.Name, have, want)
			}
			continue
		}
		if err := tol.Compare(out[i], want); err != nil {
			return fmt.Errorf("%s: output %q: %w", set.dir, r.Name, err)
		}
	}
	if compared == 0 {
		return fmt.Errorf("%s: no output is recorded", set.dir)
	}
	return nil
}
