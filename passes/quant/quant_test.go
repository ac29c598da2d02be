package quant

import (
	"context"
	"io"
	"math"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/verify"
)

// TestParams: hand calculations. A range that begins at 0 gets the type's
// least value as its zero point, which onnxruntime's fusion wants after Relu.
func TestParams(t *testing.T) {
	for _, c := range []struct {
		r     Range
		d     dtype.DType
		scale float32
		zero  int
	}{
		{Range{0, 2.55}, dtype.U8, 0.01, 0},
		{Range{0, 2.55}, dtype.I8, 0.01, -128},
		{Range{-1, 1.55}, dtype.U8, 0.01, 100},
		{Range{-2.55, 0}, dtype.U8, 0.01, 255},
		{Range{-1.275, 1.275}, dtype.I8, 0.01, 0}, // 127.5 goes to the even 128
		{Range{0, 0}, dtype.U8, 1, 0},
	} {
		p := paramsOf(c.r, c.d)
		if math.Abs(float64(p.scale-c.scale)) > 1e-9 || p.zero != c.zero {
			t.Errorf("%v %v: have %v, want %v and %d", c.r, c.d, p, c.scale, c.zero)
		}
	}
}

// TestWeights: hand calculations: 127 steps to the largest magnitude of each
// channel, and a larger scale where a bias would leave 2^30.
func TestWeights(t *testing.T) {
	w := tensor.MustOf([]float32{1.27, -0.5, 0, 2.54, 0, 0}, 3, 2)
	q, s, err := Weights(&w, 0, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int8{127, -50, 0, 127, 0, 0} {
		if have := tensor.Slice[int8](&q)[i]; have != want {
			t.Errorf("weight %d is %d, want %d", i, have, want)
		}
	}
	if math.Abs(float64(s[0]-0.01)) > 1e-8 || math.Abs(float64(s[1]-0.02)) > 1e-8 || !(s[2] > 0) {
		t.Errorf("scales %v", s)
	}
	_, s, err = Weights(&w, 0, 1e-9, []float32{1e6, 0, 0})
	if want := 1e6 / (1e-9 * maxBias); err != nil || math.Abs(float64(s[0])/want-1) > 1e-6 {
		t.Errorf("scale %v beside a large bias, want %v (%v)", s[0], want, err)
	}
	w = tensor.MustOf([]float32{float32(math.NaN())}, 1, 1)
	if _, _, err := Weights(&w, 0, 1, nil); err == nil {
		t.Error("a weight that is NaN passes")
	}
}

type once struct{ in []tensor.Value }

func (o *once) Next() ([]tensor.Value, string, error) {
	if o.in == nil {
		return nil, "", io.EOF
	}
	in := o.in
	o.in = nil
	return in, "the sample", nil
}

// TestInsert: a chain of convolution, Relu, MaxPool, sum: pairs stand where
// they should, scales are true scalars, MaxPool shares its scale, weights stay
// DequantizeLinear of a constant.
func TestInsert(t *testing.T) {
	ops := op.Builtin()
	m := ir.NewModule("m")
	f := m.AddFunc("main")
	x := f.AddParam("x", tensor.T(dtype.F32, shape.Ints(1, 2, 6, 6)...))
	b := ir.NewBuilder(f, -1, ops, "n")
	w, err := tensor.Random(dtype.F32, 1, 2, 2, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := b.Op("Conv", nil, x, b.Const(w), b.Const(tensor.MustOf([]float32{0.5, -0.5}, 2)))
	r := b.Op("Relu", nil, c)
	p := b.Op("MaxPool", attr.Map{"kernel_shape": attr.Ints(2, 2)}, r)
	f.AddResult("y", b.Op("Add", nil, p, p))
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	plan, err := NewPlan(m, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.values) != 4 || plan.group[r] != plan.group[p] || plan.group[x] == plan.group[r] {
		t.Errorf("values %v in groups %v", plan.Values(), plan.group)
	}
	in, err := tensor.Random(dtype.F32, 2, 1, 2, 6, 6)
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Calibrate(context.Background(), eval.New(), &once{[]tensor.Value{tensor.V(in)}}); err != nil {
		t.Fatal(err)
	}
	float := m.Clone()
	if err := plan.Insert(ops); err != nil {
		t.Fatal(err)
	}
	if err := verify.Module(m); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, n := range f.Nodes {
		count[n.OpName()]++
		if n.Is("QuantizeLinear") {
			s, z := n.In[1].Const(), n.In[2].Const()
			if s == nil || z == nil || len(s.Dims) != 0 || len(z.Dims) != 0 {
				t.Error("a scale or zero point that is no scalar constant")
			}
		}
	}
	if count["QuantizeLinear"] != 4 || count["DequantizeLinear"] != 6 {
		t.Errorf("have %v", count)
	}
	rep, err := plan.Compare(context.Background(), eval.New(), float, &once{[]tensor.Value{tensor.V(in)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range rep.Layers {
		if l.SQNR < 25 || l.Cosine < 0.995 || l.Lo > 0 || l.Hi < 0 {
			t.Errorf("%+v", l)
		}
	}
}
