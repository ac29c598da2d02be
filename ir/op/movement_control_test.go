package op

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// loopOf makes a region of Loop: body gets the carried parameters and gives
// condition, carried and scanned values.
func loopOf(types []ir.Type, body func(e ir.Emitter, i, c *ir.Value, v []*ir.Value) []*ir.Value) func(e ir.Emitter) []*ir.Func {
	return func(e ir.Emitter) []*ir.Func {
		return []*ir.Func{e.Region("body", func(e ir.Emitter, f *ir.Func) {
			i, c := f.AddParam("i", tensor.T(dtype.I64)), f.AddParam("c", tensor.T(dtype.Bool))
			var vs []*ir.Value
			for k, t := range types {
				vs = append(vs, f.AddParam(string(rune('p'+k)), t))
			}
			for k, r := range body(e, i, c, vs) {
				f.AddResult(string(rune('a'+k)), r)
			}
		})}
	}
}

func i64(v int64) tensor.Value { return tensor.V(tensor.MustOf([]int64{v})) }

func wantInts(t *testing.T, v tensor.Value, want ...int64) {
	t.Helper()
	got := v.Tensor
	if got.Len() != len(want) {
		t.Fatalf("have %v, want %v", got.Type(), want)
	}
	for k, w := range want {
		if got.Int(k) != w {
			t.Errorf("element %d: have %d, want %d", k, got.Int(k), w)
		}
	}
}

// Fibonacci by (a, b) -> (b, a+b): the region gives a parameter back, which
// must not be overwritten before it is read.
func TestLoopKeepsWhatItCarries(t *testing.T) {
	s := tensor.T(dtype.I64)
	fib := loopOf([]ir.Type{s, s}, func(e ir.Emitter, _, c *ir.Value, v []*ir.Value) []*ir.Value {
		return []*ir.Value{c, v[1], e.Op("Add", nil, v[0], v[1]), v[0]}
	})
	out := evalOne(t, "Loop", ir.Case{In: []tensor.Value{i64(8), {}, i64(0), i64(1)}, Regions: fib}, 3)
	wantInts(t, out[0], 21)
	wantInts(t, out[1], 34)
	wantInts(t, out[2], 0, 1, 1, 2, 3, 5, 8, 13)

	swap := loopOf([]ir.Type{s, s}, func(_ ir.Emitter, _, c *ir.Value, v []*ir.Value) []*ir.Value {
		return []*ir.Value{c, v[1], v[0]}
	})
	out = evalOne(t, "Loop", ir.Case{In: []tensor.Value{i64(5), {}, i64(1), i64(2)}, Regions: swap}, 2)
	wantInts(t, out[0], 2)
	wantInts(t, out[1], 1)
}

// The operating modes of the specification's table.
func TestLoopModes(t *testing.T) {
	s := tensor.T(dtype.I64)
	yes, no := tensor.V(tensor.MustOf([]bool{true})), tensor.V(tensor.MustOf([]bool{false}))
	// v+1 while v+1 < 4
	count := loopOf([]ir.Type{s}, func(e ir.Emitter, _, _ *ir.Value, v []*ir.Value) []*ir.Value {
		n := e.Op("Add", nil, v[0], e.Scalar(dtype.I64, 1))
		return []*ir.Value{e.Op("Less", nil, n, e.Scalar(dtype.I64, 4)), n, n}
	})
	for _, c := range []struct {
		name    string
		m, cond tensor.Value
		want    []int64
	}{
		{"condition only", tensor.Value{}, yes, []int64{1, 2, 3, 4}},
		{"count below the condition", i64(2), yes, []int64{1, 2}},
		{"count above the condition", i64(100), yes, []int64{1, 2, 3, 4}},
		{"count only ignores the condition", i64(6), tensor.Value{}, []int64{1, 2, 3, 4, 5, 6}},
		{"not started", tensor.Value{}, no, []int64{}},
		{"no trips", i64(0), yes, []int64{}},
		{"negative trips", i64(-3), tensor.Value{}, []int64{}},
		{"hostile count allocates nothing", i64(math.MaxInt64), yes, []int64{1, 2, 3, 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := evalOne(t, "Loop", ir.Case{In: []tensor.Value{c.m, c.cond, i64(0)}, Regions: count}, 2)
			wantInts(t, out[0], int64(len(c.want)))
			wantInts(t, out[1], c.want...)
		})
	}
}

// Without iterations a scan output still has its element type and extents.
func TestLoopWithoutIterations(t *testing.T) {
	rows := loopOf(nil, func(e ir.Emitter, _, c *ir.Value, _ []*ir.Value) []*ir.Value {
		return []*ir.Value{c, e.Const(tensor.New(dtype.F16, 3, 2))}
	})
	out := evalOne(t, "Loop", ir.Case{In: []tensor.Value{i64(0)}, Regions: rows}, 1)
	if got := out[0].Type().String(); got != "f16[0,3,2]" {
		t.Errorf("have %s", got)
	}
}

func TestLoopStopsWhenCancelled(t *testing.T) {
	forever := loopOf(nil, func(_ ir.Emitter, _, c *ir.Value, _ []*ir.Value) []*ir.Value { return []*ir.Value{c, c} })
	m := ir.NewModule("m")
	b := ir.NewBuilder(m.AddFunc("main"), -1, Builtin())
	y := b.OpN("Loop", 1, nil, forever(b))
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := runNodes(ctx, []*ir.Node{y[0].Node}, map[*ir.Value]tensor.Value{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("have %v", err)
	}
}

// A carried value that grows: building the region again with what LoopCarried
// says ends after one step, and the output has a run-time extent.
func TestLoopCarriedFixpoint(t *testing.T) {
	m := ir.NewModule("m")
	m.DeclareDim("N", 1, shape.Unbounded)
	f := m.AddFunc("main")
	b := ir.NewBuilder(f, -1, Builtin())
	init := f.AddParam("x", tensor.T(dtype.F32, shape.Int(0), shape.Sym("N")))
	row := f.AddParam("row", tensor.T(dtype.F32, shape.Int(1), shape.Sym("N")))
	trips := f.AddParam("m", tensor.T(dtype.I64))
	build := func(p ir.Type) *ir.Func {
		return loopOf([]ir.Type{p}, func(e ir.Emitter, _, c *ir.Value, v []*ir.Value) []*ir.Value {
			return []*ir.Value{c, e.Op("Concat", attr.Map{"axis": attr.Int(0)}, v[0], row), e.Op("Identity", nil, v[0])}
		})(b)[0]
	}
	own := func(s string) bool { return s != "N" }
	p := init.Type
	r := build(p)
	steps := 0
	for stable := false; !stable; steps++ {
		var err error
		if p, stable, err = LoopCarried(init.Type, p, r.Results[1].Value.Type, own, m.FreshDim); err != nil {
			t.Fatal(err)
		}
		if !stable {
			r = build(p)
		}
	}
	if got := freshDim.ReplaceAllString(p.String(), "u"); steps != 2 || got != "f32[u,N]" {
		t.Errorf("after %d steps %s", steps, got)
	}
	ys := b.OpN("Loop", 2, nil, []*ir.Func{r}, trips, nil, init)
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	if got := freshDim.ReplaceAllString(tensor.FormatTypes([]ir.Type{ys[0].Type, ys[1].Type}), "u"); got != "f32[u,N], f32[u,u,N]" {
		t.Errorf("outputs %s", got)
	}
	if s, ok := ys[0].Type.Dims[0].Symbol(); !ok || !own(s) || p.Dims[0].Equal(ys[0].Type.Dims[0]) {
		t.Errorf("the region's own extent %v leaked", p.Dims[0])
	}
	// Without the fixpoint the constraint speaks.
	b.OpN("Loop", 2, nil, []*ir.Func{build(init.Type)}, trips, nil, init)
	if b.Err() == nil {
		t.Error("a parameter that is not general enough was taken")
	}
}

func TestIfJoinsTypes(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"N,3", "N,3", "f32[N,3]"},
		{"N,3", "N,4", "f32[N,u]"},
		{"N,3", "N", "f32[?]"},
	} {
		m := ir.NewModule("m")
		f := m.AddFunc("main")
		b := ir.NewBuilder(f, -1, Builtin())
		cond := f.AddParam("c", tensor.T(dtype.Bool))
		param := func(name, s string) *ir.Value {
			dims := []shape.Dim{}
			for _, w := range []byte(s) {
				switch w {
				case 'N':
					dims = append(dims, shape.Sym("N"))
				case '3', '4':
					dims = append(dims, shape.Int(int64(w-'0')))
				}
			}
			return f.AddParam(name, tensor.T(dtype.F32, dims...))
		}
		x, y := param("x", c.a), param("y", c.b)
		give := func(v *ir.Value) *ir.Func {
			return b.Region("r", func(e ir.Emitter, f *ir.Func) { f.AddResult("v", e.Op("Identity", nil, v)) })
		}
		out := b.OpN("If", 1, nil, []*ir.Func{give(x), give(y)}, cond)
		if got := freshDim.ReplaceAllString(out[0].Type.String(), "u"); b.Err() != nil || got != c.want {
			t.Errorf("%s and %s: have %s, want %s (%v)", c.a, c.b, got, c.want, b.Err())
		}
	}
}

func TestFusedSeesNothing(t *testing.T) {
	m := ir.NewModule("m")
	f := m.AddFunc("main")
	b := ir.NewBuilder(f, -1, Builtin())
	x := f.AddParam("x", tensor.T(dtype.F32))
	r := b.Region("r", func(e ir.Emitter, f *ir.Func) { f.AddResult("v", e.Op("Identity", nil, x)) })
	b.OpN("mlc.Fused", 1, attr.Map{"kind": attr.Str("eltwise")}, []*ir.Func{r})
	if b.Err() == nil {
		t.Error("a captured value was taken")
	}
}
