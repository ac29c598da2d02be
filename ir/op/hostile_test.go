package op_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/irtest"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// extreme are integers that break careless arithmetic.
var extreme = []int64{math.MinInt64, math.MinInt64 + 1, -1 << 62, math.MinInt32, -1 << 20, -2, -1, 0, 1, 2, 3, 7, 17,
	1 << 16, 1 << 20, math.MaxInt32, math.MaxUint32, 1 << 40, 1 << 62, math.MaxInt64}

// hostileAttr replaces an attribute by something a file might say.
func hostileAttr(r *rand.Rand, a ir.Attr, m attr.Map) {
	switch a.Kind {
	case attr.KindInt:
		m[a.Name] = attr.Int(extreme[r.IntN(len(extreme))])
	case attr.KindFloat:
		m[a.Name] = attr.Float([]float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0, -1, 1e30, 1e-30}[r.IntN(7)])
	case attr.KindInts:
		v := slices.Clone(m[a.Name].Ints)
		if len(v) == 0 || r.IntN(4) == 0 {
			v = make([]int64, []int{0, 1, 2, 3, 4, 8, 200}[r.IntN(7)])
			for i := range v {
				v[i] = 1
			}
		}
		for range r.IntN(3) {
			if len(v) > 0 {
				v[r.IntN(len(v))] = extreme[r.IntN(len(extreme))]
			}
		}
		m[a.Name] = attr.Ints(v...)
	case attr.KindFloats:
		v := make([]float32, r.IntN(5))
		for i := range v {
			v[i] = []float32{float32(math.NaN()), float32(math.Inf(1)), 0, -1, 1e30}[r.IntN(5)]
		}
		m[a.Name] = attr.Floats(v...)
	}
}

// hostileElements puts extremes into a tensor.
func hostileElements(r *rand.Rand, t *tensor.Tensor) {
	for range 1 + r.IntN(2) {
		if t.Len() == 0 {
			return
		}
		i := r.IntN(t.Len())
		switch d := t.DType(); {
		case d.IsInt():
			t.SetInt(i, extreme[r.IntN(len(extreme))])
		case d.IsFloat() && d.Bits() >= 16:
			t.SetFloat(i, []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), 1e30, -1e30, 1e300, 5e-324}[r.IntN(9)])
		}
	}
}

// hostile changes a sample beyond what irtest.Mutate does.
func hostile(r *rand.Rand, d *ir.OpDef, s irtest.Sample) irtest.Sample {
	s = s.Clone()
	for range 1 + r.IntN(3) {
		switch k := r.IntN(4); {
		case k == 0 && len(d.Attrs) > 0:
			hostileAttr(r, d.Attrs[r.IntN(len(d.Attrs))], s.Attrs)
		case k == 1:
			s = irtest.Mutate(r, d, s)
		case k == 2 && len(s.In) > 0:
			if v := &s.In[r.IntN(len(s.In))]; v.Kind == tensor.KindTensor && r.IntN(3) == 0 {
				dims := slices.Clone(v.Tensor.Dims())
				if len(dims) > 0 {
					dims[r.IntN(len(dims))] = r.IntN(2)
				}
				v.Tensor = irtest.RandomTensor(r, v.Tensor.DType(), dims...)
			} else if r.IntN(4) == 0 {
				*v = tensor.Value{}
			}
		case len(s.In) > 0:
			if v := &s.In[r.IntN(len(s.In))]; v.Kind == tensor.KindTensor {
				hostileElements(r, &v.Tensor)
			}
		}
	}
	return s
}

// runOpen evaluates a sample whose tensors are parameters: inference does not
// know their elements, so evaluation meets them unprepared.
func runOpen(d *ir.OpDef, s irtest.Sample, n int, consts bool) (err error) {
	c := ir.Case{Attrs: s.Attrs, In: s.In, Out: make([]tensor.Value, n)}
	for i := range c.Out {
		c.Out[i] = tensor.V(tensor.Int64s())
	}
	m, args, err := single(d, c, consts)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	x, err := eval.New(eval.Limit(64<<20)).Compile(ctx, m)
	if err != nil {
		return err
	}
	defer x.Close()
	_, err = x.Run(ctx, args)
	return err
}

// hostileSamples is how many samples each operator gets.
const hostileSamples = 150

// TestHostileSamples wants an error, never a panic or a long wait, for
// whatever a file or a caller may hand an operator.
func TestHostileSamples(t *testing.T) {
	eachOp(t, flat, func(t *testing.T, d *ir.OpDef) {
		r, n := seedOf(d), outputs(d)
		for range hostileSamples {
			s := exampleSample(d, r.IntN(len(d.Examples)))
			if r.IntN(3) == 0 {
				s = draw(r, d)
			}
			s = hostile(r, d, s)
			begin := time.Now()
			for _, consts := range []bool{false, true} {
				if p, err := guarded(func() error { return runOpen(d, s, n, consts) }); p != nil || internal(err) {
					t.Fatalf("panic or fault: %v %v\n%s", p, err, text(s))
				}
			}
			if took := time.Since(begin); took > 10*time.Second {
				t.Fatalf("took %v\n%s", took, text(s))
			}
			hugeTypes(t, r, d, s, n)
		}
	})
}

// hugeTypes asks inference about extents that no tensor in memory has.
func hugeTypes(t *testing.T, r *rand.Rand, d *ir.OpDef, s irtest.Sample, n int) {
	q := irtest.SampleQuery(d, s, n)
	if r.IntN(2) == 0 {
		irtest.Blur(r, q)
	}
	for i := range q.In {
		f := &q.In[i]
		if !f.Type.Ranked() || len(f.Type.Dims) == 0 || r.IntN(2) == 0 {
			continue
		}
		dims := slices.Clone(f.Type.Dims)
		dims[r.IntN(len(dims))] = shape.Int(max(0, extreme[r.IntN(len(extreme))]))
		f.Type.Dims, f.Const, f.Ints = dims, nil, nil
	}
	if p, err := guarded(func() error { _, err := ir.Infer(q); return err }); p != nil || internal(err) {
		t.Fatalf("inference: %v %v\n%s\nfacts %s", p, err, text(s), factsText(q.In))
	}
}

func guarded(f func() error) (p any, err error) {
	defer func() { p = recover() }()
	return nil, f()
}

// internal says whether an error is our own fault.
func internal(err error) bool {
	if err == nil {
		return false
	}
	var e *diag.Error
	return !errors.As(err, &e) || diag.KindOf(err) == diag.Internal || strings.Contains(err.Error(), "panic")
}

// TestKnownElementsWrap compares the integers that inference tracks with what
// evaluation gives, at the ends of 64 bits: a Dim saturates, an element wraps.
func TestKnownElementsWrap(t *testing.T) {
	var a, b []int64
	for _, x := range extreme {
		for _, y := range extreme {
			if y != 0 && y != -1 { // divisors that ONNX leaves undefined
				a, b = append(a, x), append(b, y)
			}
		}
	}
	for _, name := range []string{"Add", "Sub", "Mul", "Div", "Mod", "Min", "Max", "Neg", "Abs", "Equal", "Less", "Greater"} {
		d := builtin().Lookup(name)
		s := sampleOf(d, tensor.Int64s(a...), tensor.Int64s(b...))
		s.In = s.In[:min(len(s.In), len(d.In))]
		if len(d.In) == 1 && d.In[0].Variadic {
			s = sampleOf(d, tensor.Int64s(a...), tensor.Int64s(b...))
		}
		out, err := runSample(d, s, 1)
		if err == nil {
			err = agree(irtest.SampleQuery(d, s, 1), nil, out)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
