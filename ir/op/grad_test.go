package op_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/irtest"
	"github.com/mlc-go/mlc/ir/tensor"
)

// ungradchecked are operators whose gradient is not compared here, each with
// its reason.
var ungradchecked = map[string]string{
	"mlc.FakeQuantize": "straight through, which is no derivative: TestFakeQuantizeGradient",
}

// gradchecked are operators whose gradient is compared with differences.
func gradchecked(d *ir.OpDef) bool {
	return d.Grad != nil && flat(d) && !d.Has(ir.Random) && ungradchecked[d.FullName()] == ""
}

// gradient is one operator beside its gradient, compiled.
type gradient struct {
	vary     []int // inputs that have a gradient
	fwd, bwd ir.Exec
	args     []tensor.Value // float inputs, in order
	argOf    map[int]int    // input to argument
	dys      []tensor.Value // one a float output
	outs     []bool         // which outputs are floats
}

// newGradient builds f(x) and its gradient for a sample whose floats are f64.
// nil without error: the gradient does not cover this sample.
func newGradient(r *rand.Rand, d *ir.OpDef, s irtest.Sample, n int) (g *gradient, err error) {
	defer func() {
		if p := recover(); p != nil {
			g, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	g = &gradient{argOf: map[int]int{}}
	m := ir.NewModule("grad")
	f := m.AddFunc("main")
	b := ir.NewBuilder(f, -1, builtin())
	var in []*ir.Value
	for i, v := range s.In {
		switch {
		case !v.Present():
			in = append(in, nil)
		case v.Kind == tensor.KindTensor && v.Tensor.DType() == dtype.F64:
			g.argOf[i] = len(g.args)
			g.args = append(g.args, v)
			in = append(in, f.AddParam(fmt.Sprint("in", i), v.Type()))
		case v.Kind == tensor.KindTensor:
			in = append(in, b.Const(v.Tensor))
		default:
			return nil, nil
		}
	}
	out := b.OpN(d.FullName(), n, s.Attrs, nil, in...)
	if b.Err() != nil {
		return nil, b.Err()
	}
	fm := m.Clone()
	for i, v := range out {
		g.outs = append(g.outs, v.Type.DType == dtype.F64)
		if g.outs[i] {
			fm.Main().AddResult(fmt.Sprint("out", i), find(fm, v.Name))
		}
	}
	var dy []*ir.Value
	for i, v := range out {
		if !g.outs[i] {
			dy = append(dy, nil)
			continue
		}
		dims, ok := v.Type.Static()
		if !ok {
			return nil, nil
		}
		t := tensor.V(irtest.RandomTensor(r, dtype.F64, dims...))
		g.dys = append(g.dys, t)
		dy = append(dy, f.AddParam(fmt.Sprint("dy", i), t.Type()))
	}
	if len(g.dys) == 0 {
		return nil, nil
	}
	dx := d.Grad(b, out[0].Node, dy)
	if err := b.Err(); err != nil {
		if diag.KindOf(err) == diag.Unsupported && !strings.Contains(err.Error(), "no such operator") {
			return nil, nil
		}
		return nil, fmt.Errorf("gradient: %w", err)
	}
	for i, v := range dx {
		if _, ok := g.argOf[i]; !ok || v == nil {
			continue
		}
		if !v.Type.Equal(in[i].Type) {
			return nil, fmt.Errorf("gradient of input %d: have %v, want %v", i, v.Type, in[i].Type)
		}
		g.vary = append(g.vary, i)
		f.AddResult(fmt.Sprint("dx", i), v)
	}
	if len(g.vary) == 0 {
		return nil, nil
	}
	if g.fwd, err = eval.New().Compile(context.Background(), fm); err != nil {
		return nil, err
	}
	g.bwd, err = eval.New().Compile(context.Background(), m)
	return g, err
}

func find(m *ir.Module, name string) *ir.Value {
	for _, n := range m.Main().Nodes {
		for _, v := range n.Out {
			if v != nil && v.Name == name {
				return v
			}
		}
	}
	return nil
}

// loss is the sum of outputs times dy; NaN and infinities come out as NaN.
func (g *gradient) loss() (float64, error) {
	out, err := g.fwd.Run(context.Background(), g.args)
	if err != nil {
		return 0, err
	}
	s := 0.0
	for i := range out {
		for k := range out[i].Tensor.Len() {
			s += out[i].Tensor.Float(k) * g.dys[i].Tensor.Float(k)
		}
	}
	return s, nil
}

// check compares every element with central differences of two widths; those
// where the two disagree lie at a kink or a pole and are left out. It counts
// what it compared and what it left out.
func (g *gradient) check() (compared, left int, err error) {
	all := append(slices.Clone(g.args), g.dys...)
	res, err := g.bwd.Run(context.Background(), all)
	if err != nil {
		return 0, 0, fmt.Errorf("gradient: %w", err)
	}
	grads := make([]tensor.Value, len(res))
	for i := range res {
		grads[i] = res[i].Clone()
	}
	for j, i := range g.vary {
		x := &g.args[g.argOf[i]].Tensor
		for k := range x.Len() {
			var num [2]float64
			v := x.Float(k)
			for w, h := range []float64{1e-4, 5e-5} {
				x.SetFloat(k, v+h)
				hi, err := g.loss()
				if err != nil {
					return 0, 0, err
				}
				x.SetFloat(k, v-h)
				lo, err := g.loss()
				if err != nil {
					return 0, 0, err
				}
				num[w] = (hi - lo) / (2 * h)
			}
			x.SetFloat(k, v)
			if !(math.Abs(num[0]-num[1]) <= 1e-5*(1+math.Abs(num[0]))) {
				left++
				continue
			}
			compared++
			if have := grads[j].Tensor.Float(k); !(math.Abs(have-num[1]) <= 1e-4*(1+math.Abs(num[1]))) {
				return compared, left, fmt.Errorf("input %d element %d = %g: gradient %g, differences %g", i, k, v, have, num[1])
			}
		}
	}
	return compared, left, nil
}

// smooth makes a sample's floats f64 and moves them off the kinks; positive
// ones are kept away from 0.
func smooth(r *rand.Rand, d *ir.OpDef, s irtest.Sample) irtest.Sample {
	s = s.Clone()
	for i := range s.In {
		t := &s.In[i].Tensor
		if s.In[i].Kind != tensor.KindTensor || !t.DType().IsFloat() || t.DType().Bits() < 16 || !d.In[min(i, len(d.In)-1)].Allows(dtype.F64) {
			continue
		}
		n := tensor.New(dtype.F64, t.Dims()...)
		for k := range n.Len() {
			v := t.Float(k)
			if math.IsNaN(v) || math.Abs(v) > 8 {
				v = r.Float64()*6 - 3
			}
			v += (r.Float64() - 0.5) / 16
			if positive[d.FullName()] {
				v = math.Abs(v) + 0.25
			}
			n.SetFloat(k, v)
		}
		*t = n
	}
	return s
}

// positive are operators that are defined, or smooth, for positive numbers.
var positive = map[string]bool{"Log": true, "Sqrt": true, "Pow": true, "BatchNormalization": true, "ReduceLogSum": true}

func TestGradients(t *testing.T) {
	const samples = 12
	eachOp(t, gradchecked, func(t *testing.T, d *ir.OpDef) {
		r, n := seedOf(d), outputs(d)
		done, compared, left := 0, 0, 0
		for tries := 0; done < samples; tries++ {
			if tries > 20_000 {
				t.Fatalf("%d samples with a gradient, want %d: give it a generator", done, samples)
			}
			s := draw(r, d)
			if tries < len(d.Examples) {
				s = exampleSample(d, tries)
			}
			s = smooth(r, d, s)
			if _, err := ir.Infer(irtest.SampleQuery(d, s, n)); err != nil {
				continue
			}
			g, err := newGradient(r, d, s, n)
			if err != nil {
				t.Fatalf("%v\n%s", err, text(s))
			}
			if g == nil {
				continue
			}
			c, l, err := g.check()
			if err != nil {
				if diag.KindOf(err) == diag.BadData {
					continue
				}
				t.Fatalf("%v\n%s", err, text(s))
			}
			if c+l > 0 {
				done++
			}
			compared, left = compared+c, left+l
		}
		if left > compared/4 {
			t.Errorf("%d elements compared, %d left out", compared, left)
		}
	})
}
