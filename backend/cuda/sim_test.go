package cuda

import (
	"context"
	"math"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/tensor"
)

// everyTiling lists all tilings.
func everyTiling() []*tiling {
	var out []*tiling
	for _, list := range [][]tiling{tilings, halfTilings} {
		for i := range list {
			out = append(out, &list[i])
		}
	}
	return out
}

// try runs the text on the interpreter of PTX and on that of the module, with
// every open extent n, and compares: no element may be off by more than 1e-5 of
// the largest, of float16 by more than a rounding. A tiling, unless nil, is that of all products.
func try(t *testing.T, body string, tl *tiling, ns ...int) {
	t.Helper()
	tryFor(t, body, tl, 0, ns...)
}

// tryParts is try with the steps of products in parts.
func tryParts(t *testing.T, body string, tl *tiling, parts int) {
	t.Helper()
	tryFor(t, body, tl, parts, 0)
}

func tryFor(t *testing.T, body string, tl *tiling, parts int, ns ...int) {
	t.Helper()
	if tl == nil || !tl.half {
		compare(t, body, "cuda", tl, parts, ns...)
		return
	}
	for _, to := range []string{"cuda:sm_75+f16", "cuda:sm_80+f16"} {
		compare(t, body, to, tl, parts, ns...)
	}
}

func compare(t *testing.T, body, to string, tl *tiling, parts int, ns ...int) {
	t.Helper()
	p := lower(t, body, to, tl, parts)
	if calls := HostCalls(p); len(calls) > 0 {
		t.Errorf("%v stays on the host\n%s", calls, body)
		return
	}
	want := module(t, body)
	for _, n := range ns {
		in := fill(t, want, n)
		y, err := eval.Run(context.Background(), want, in)
		if err != nil {
			t.Fatal(err)
		}
		runs, err := Run(p, in)
		if err != nil {
			t.Errorf("n=%d %s tiling %v: %v\n%s", n, to, tl, err, body)
			return
		}
		for i := range y {
			if y[i].Tensor.Len() == 0 {
				continue
			}
			largest, off := 0.0, 1e-5
			for k := range y[i].Tensor.Len() {
				largest = max(largest, math.Abs(y[i].Tensor.Float(k)))
			}
			if y[i].Tensor.DType() == dtype.F16 {
				off = 1e-3
			}
			if err := tensor.Custom(0, off*largest).Compare(runs[0][i], y[i]); err != nil {
				t.Errorf("n=%d %s tiling %v: result %d: %v\n%s", n, to, tl, i, err, body)
			}
		}
	}
}

// fill makes inputs, of values of float16, with every open extent n.
func fill(t *testing.T, m *ir.Module, n int) []tensor.Value {
	var in []tensor.Value
	for i, p := range m.Main().Params {
		var dims []int
		for _, d := range p.Type.Dims {
			v, err := d.Eval(func(string) (int64, bool) { return int64(n), true })
			if err != nil {
				t.Fatal(err)
			}
			dims = append(dims, int(v))
		}
		x, err := tensor.Random(p.Type.DType, uint64(50+i), dims...)
		if err != nil {
			t.Fatal(err)
		}
		if x.DType() == dtype.F32 {
			short(&x)
		}
		in = append(in, tensor.V(x))
	}
	return in
}
