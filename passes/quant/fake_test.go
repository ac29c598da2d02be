package quant

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/verify"
)

// chain is a net without biases (the one thing that Insert rounds and Fake does
// not): convolution, Relu, MaxPool, a sum, both orders of a product's weights.
func chain(t *testing.T, seed uint64) *ir.Module {
	t.Helper()
	m := ir.NewModule("m")
	f := m.AddFunc("main")
	x := f.AddParam("x", tensor.T(dtype.F32, shape.Ints(2, 3, 8, 8)...))
	b := ir.NewBuilder(f, -1, op.Builtin(), "n")
	random := func(k uint64, dims ...int) *ir.Value {
		w, err := tensor.Random(dtype.F32, seed*8+k, dims...)
		if err != nil {
			t.Fatal(err)
		}
		return b.Const(w)
	}
	c := b.Op("Relu", nil, b.Op("Conv", attr.Map{"pads": attr.Ints(1, 1, 1, 1)}, x, random(1, 6, 3, 3, 3)))
	p := b.Op("MaxPool", attr.Map{"kernel_shape": attr.Ints(2, 2), "strides": attr.Ints(2, 2)}, c)
	d := b.Op("Conv", attr.Map{"group": attr.Int(6), "pads": attr.Ints(1, 1, 1, 1)}, p, random(2, 6, 1, 3, 3))
	s := b.Op("Add", nil, p, d)
	v := b.Op("Flatten", attr.Map{"axis": attr.Int(1)}, s)
	g := b.Op("Gemm", attr.Map{"transB": attr.Int(1)}, v, random(3, 20, 96))
	f.AddResult("y", b.Op("MatMul", nil, g, random(4, 20, 5)))
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	return m
}

// What Fake makes of a module computes, bit for bit, what Insert makes of it.
func TestFakeIsInsert(t *testing.T) {
	ctx := context.Background()
	for seed := range uint64(6) {
		for _, signed := range []bool{false, true} {
			m := chain(t, seed)
			in, err := tensor.Random(dtype.F32, seed+100, 2, 3, 8, 8)
			if err != nil {
				t.Fatal(err)
			}
			c := Config{Signed: signed}
			plan := func(m *ir.Module) *Plan {
				p, err := NewPlan(m, c)
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			first := plan(m)
			if err := first.Calibrate(ctx, eval.New(), &once{[]tensor.Value{tensor.V(in)}}); err != nil {
				t.Fatal(err)
			}
			rs := first.Ranges()
			for g := range rs { // as f32 holds them, narrow enough to saturate
				rs[g] = Range{float64(float32(rs[g].Lo * 0.8)), float64(float32(rs[g].Hi * 0.7))}
			}
			fake, pairs := m.Clone(), m.Clone()
			p := plan(fake)
			if err := p.SetRanges(rs); err != nil {
				t.Fatal(err)
			}
			if err := p.Fake(op.Builtin()); err != nil {
				t.Fatal(err)
			}
			q := plan(pairs)
			have, err := q.Faked(fake)
			if err != nil {
				t.Fatal(err)
			}
			for g := range rs {
				if have[g] != rs[g] {
					t.Errorf("range %d is %v, want %v", g, have[g], rs[g])
				}
			}
			if err := q.SetRanges(have); err != nil {
				t.Fatal(err)
			}
			if err := q.Insert(op.Builtin()); err != nil {
				t.Fatal(err)
			}
			var out [2]tensor.Value
			for i, m := range []*ir.Module{fake, pairs} {
				if err := verify.Module(m); err != nil {
					t.Fatal(err)
				}
				x, err := eval.New().Compile(ctx, m)
				if err != nil {
					t.Fatal(err)
				}
				r, err := x.Run(ctx, []tensor.Value{tensor.V(in)})
				if err != nil {
					t.Fatal(err)
				}
				out[i] = r[0]
			}
			if err := tensor.Exact.Compare(out[0], out[1]); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
	}
}

// Ranges from outside are checked.
func TestSetRanges(t *testing.T) {
	m := chain(t, 1)
	p, err := NewPlan(m, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Fake(op.Builtin()); diag.KindOf(err) != diag.Internal {
		t.Errorf("without ranges: %v", err)
	}
	rs := make([]Range, len(p.hists))
	if err := p.SetRanges(rs[1:]); diag.KindOf(err) != diag.Internal {
		t.Errorf("one range less: %v", err)
	}
	for _, r := range []Range{{math.NaN(), 1}, {0, math.NaN()}, {math.Inf(-1), 1}, {0, math.Inf(1)}, {1, 2}, {-2, -1}} {
		rs[0] = r
		if err := p.SetRanges(rs); diag.KindOf(err) != diag.BadData || !strings.Contains(err.Error(), `range of value "x"`) {
			t.Errorf("%v: %v", r, err)
		}
	}
	rs[0] = Range{0, 1}
	if err := p.SetRanges(rs); err != nil {
		t.Error(err)
	}
	m.Main().Params[0].Name = nameLo(0)
	if err := p.Fake(op.Builtin()); diag.KindOf(err) != diag.Usage || !strings.Contains(err.Error(), "quant.0.lo") {
		t.Errorf("a name that is taken: %v", err)
	}
	if _, err := p.Faked(m); diag.KindOf(err) != diag.Internal {
		t.Errorf("no fake quantization: %v", err)
	}
}
