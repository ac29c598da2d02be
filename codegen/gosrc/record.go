package gosrc

import (
	"context"
	"fmt"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/tensor"
)

// maxVector bounds an input of a recorded run.
const maxVector = 1 << 32

// Record runs the reference interpreter on m, whose dims are bound, n times on
// random inputs of seeds 1000, 2000, .... Errors: an input that has no random
// form, or a model that refuses random values, as of indices (Unsupported).
func Record(ctx context.Context, m *ir.Module, n int) ([]Vector, error) {
	var out []Vector
	for k := range n {
		v := Vector{Seed: 1000 * uint64(k+1)}
		var in []tensor.Value
		for _, p := range m.Main().Params {
			if p.State != nil {
				continue
			}
			t, err := random(p.Type, v.Seed+uint64(len(in)))
			if err != nil {
				return nil, diag.At(fmt.Sprintf("input %q", p.Name), "", diag.Unsupported, err)
			}
			in = append(in, tensor.V(t))
		}
		res, err := run(ctx, m, in)
		if err != nil && ctx.Err() == nil {
			return nil, diag.New(diag.Unsupported, "a run on random inputs, which the package's test would repeat (--vectors 0 leaves it out): %v", err)
		}
		if err != nil {
			return nil, err
		}
		v.Outputs = res
		out = append(out, v)
	}
	return out, nil
}

// run interprets m once, from the initial values of its states.
func run(ctx context.Context, m *ir.Module, in []tensor.Value) ([]tensor.Value, error) {
	x, err := eval.New().Compile(ctx, m)
	if err != nil {
		return nil, err
	}
	defer x.Close()
	return x.Run(ctx, in)
}

func random(t tensor.Type, seed uint64) (tensor.Tensor, error) {
	if !t.IsTensor() || !t.Ranked() || !tensor.HasRandom(t.DType) {
		return tensor.Tensor{}, diag.New(diag.Unsupported, "no random value of type %v for the test's vectors", t)
	}
	dims := make([]int, len(t.Dims))
	for i, d := range t.Dims {
		n, ok := d.Const()
		if !ok {
			return tensor.Tensor{}, diag.New(diag.Unsupported, "open dim %v", d)
		}
		dims[i] = int(n)
	}
	if n, ok := tensor.Count(dims); !ok || int64(t.DType.Bytes(n)) > maxVector {
		return tensor.Tensor{}, &diag.Error{Kind: diag.Limit, Port: "value for the test's vectors", Have: t.String(), Want: fmt.Sprintf("at most %d bytes, or no vectors", int64(maxVector))}
	}
	return tensor.Random(t.DType, seed, dims...)
}
