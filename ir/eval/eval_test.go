package eval_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

var (
	n = shape.Sym("N")
	f = dtype.F32
)

func same(q *ir.Query) ([]ir.Fact, error) { return []ir.Fact{{Type: q.In[0].Type}}, nil }

// ops are operators made for the interpreter's own tests.
func ops(t testing.TB) *ir.OpSet {
	x := []ir.Port{{Name: "X", AnyKind: true}}
	y := []ir.Port{{Name: "Y", AnyKind: true}}
	unary := func(name string, f func(c kernel.Ctx, v float64) float64) *ir.OpDef {
		return &ir.OpDef{Name: name, In: x, Out: y, Infer: same, Eval: func(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
			src := &in[0].Tensor
			dst := c.New(0, src.DType(), src.Dims()...)
			for i := range src.Len() {
				dst.SetFloat(i, f(c, src.Float(i)))
			}
			out[0] = tensor.V(*dst)
			return nil
		}}
	}
	random := unary("Noise", func(c kernel.Ctx, v float64) float64 { return c.Rand().Float64() })
	random.Traits = ir.Random
	s, err := ir.NewOpSet(
		unary("Inc", func(_ kernel.Ctx, v float64) float64 { return v + 1 }), random,
		// Liar promises the type of its input and gives one axis more.
		&ir.OpDef{Name: "Liar", In: x, Out: y, Infer: same, Eval: func(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
			out[0] = tensor.V(*c.New(0, dtype.F32, append([]int{1}, in[0].Tensor.Dims()...)...))
			return nil
		}},
		&ir.OpDef{Name: "Fail", In: x, Out: y, Infer: same, Eval: func(kernel.Ctx, []tensor.Value, []tensor.Value, attr.Map) error {
			return diag.New(diag.BadData, "no luck")
		}},
		// Big wants 2^40 elements, Negative an extent of -1.
		&ir.OpDef{Name: "Big", In: x, Out: y, Infer: func(q *ir.Query) ([]ir.Fact, error) {
			return []ir.Fact{{Type: tensor.T(f, q.NewDim(0, 0))}}, nil
		}, Eval: func(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
			out[0] = tensor.V(*c.New(0, f, int(in[0].Tensor.Float(0))))
			return nil
		}},
		// Cat appends the second input to the first along axis 0.
		&ir.OpDef{Name: "Cat", In: append(x[:1:1], ir.Port{Name: "Z"}), Out: y, Infer: func(q *ir.Query) ([]ir.Fact, error) {
			return []ir.Fact{{Type: tensor.T(f, q.In[0].Type.Dims[0].Add(q.In[1].Type.Dims[0]))}}, nil
		}, Eval: func(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
			a, b := tensor.Slice[float32](&in[0].Tensor), tensor.Slice[float32](&in[1].Tensor)
			t := c.New(0, f, len(a)+len(b))
			copy(tensor.Slice[float32](t), a)
			copy(tensor.Slice[float32](t)[len(a):], b)
			out[0] = tensor.V(*t)
			return nil
		}},
		// Twice runs its region on X, then on the result. Its extents differ
		// from pass to pass.
		&ir.OpDef{Name: "Twice", NumRegions: 1, In: x, Out: y, Infer: func(q *ir.Query) ([]ir.Fact, error) {
			return []ir.Fact{{Type: tensor.T(f, q.NewDim(0, 0))}}, nil
		}, Eval: func(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
			mid := make([]tensor.Value, 1)
			if err := c.Region(0, in[:1], mid); err != nil {
				return err
			}
			return c.Region(0, mid, out)
		}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func vec(v ...float32) tensor.Value { return tensor.V(tensor.MustOf(v, len(v))) }

// module builds one with dim N in 1..8.
func module(t testing.TB, body func(m *ir.Module, b *ir.Builder, f *ir.Func)) *ir.Module {
	t.Helper()
	m := ir.NewModule("t")
	m.DeclareDim("N", 1, 8)
	fn := m.AddFunc("main")
	b := ir.NewBuilder(fn, -1, ops(t))
	body(m, b, fn)
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	return m
}

func want(t *testing.T, got []tensor.Value, err error, vs ...tensor.Value) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(vs) {
		t.Fatalf("have %d results, want %d", len(got), len(vs))
	}
	for i := range vs {
		if err := tensor.Exact.Compare(got[i], vs[i]); err != nil {
			t.Errorf("result %d: %v", i, err)
		}
	}
}

func wantErr(t *testing.T, err error, k diag.Kind, text string) {
	t.Helper()
	if err == nil || diag.KindOf(err) != k || !strings.Contains(err.Error(), text) {
		t.Errorf("have %v (%v), want %s (%v)", err, diag.KindOf(err), text, k)
	}
}

func TestBinding(t *testing.T) {
	m := module(t, func(m *ir.Module, b *ir.Builder, fn *ir.Func) {
		m.DeclareDim("M", 0, shape.Unbounded)
		fn.AddParam("twice", tensor.T(f, n.Mul(shape.Int(2)))) // before N is bound
		x := fn.AddParam("x", tensor.T(f, n))
		fn.AddParam("fixed", tensor.T(f, shape.Int(3)))
		fn.AddParam("m", tensor.T(f, shape.Sym("M")))
		fn.AddResult("y", b.Op("Inc", nil, x))
	})
	ctx := context.Background()
	v := func(k int) tensor.Value { return tensor.V(tensor.New(f, k)) }
	got, err := eval.Run(ctx, m, []tensor.Value{v(4), vec(1, 2), v(3), v(0)})
	want(t, got, err, vec(2, 3))
	for _, c := range []struct {
		name string
		in   []tensor.Value
		kind diag.Kind
		want string
	}{
		{"count", []tensor.Value{v(4)}, diag.Usage, "inputs: have 1, want 4"},
		{"expression", []tensor.Value{v(5), v(2), v(3), v(0)}, diag.Shape, `input "twice": axis 0: have f32[5], want f32[(2*N)] where (2*N) = 4, N = 2 (axis 0 of input "x")`},
		{"constant", []tensor.Value{v(4), v(2), v(4), v(0)}, diag.Shape, `input "fixed": axis 0: have f32[4], want f32[3]`},
		{"bounds", []tensor.Value{v(18), v(9), v(3), v(0)}, diag.Shape, `dim N: have 9 (axis 0 of input "x"), want 1..8`},
		{"rank", []tensor.Value{v(4), tensor.V(tensor.New(f, 2, 1)), v(3), v(0)}, diag.Shape, `input "x": have f32[2,1], want f32[N]`},
		{"type", []tensor.Value{v(4), tensor.V(tensor.New(dtype.I32, 2)), v(3), v(0)}, diag.Shape, `input "x": have i32[2], want f32[N]`},
		{"absent", []tensor.Value{v(4), {}, v(3), v(0)}, diag.Shape, `input "x": have none, want f32[N]`},
		{"several", []tensor.Value{v(4), v(2), v(4), tensor.V(tensor.New(f))}, diag.Shape, "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := eval.Run(ctx, m, c.in)
			wantErr(t, err, c.kind, c.want)
		})
	}
}

func TestSymbolTwice(t *testing.T) {
	m := module(t, func(m *ir.Module, b *ir.Builder, fn *ir.Func) {
		x := fn.AddParam("x", tensor.T(f, n))
		fn.AddParam("z", tensor.T(f, n))
		fn.AddResult("y", x)
	})
	_, err := eval.Run(context.Background(), m, []tensor.Value{vec(1, 2), vec(1)})
	wantErr(t, err, diag.Shape, `input "z": axis 0: have f32[1], want f32[N] where N = 2 (axis 0 of input "x")`)
}

// What a reference function gives must be what inference promised.
func TestWrongInference(t *testing.T) {
	m := module(t, func(m *ir.Module, b *ir.Builder, fn *ir.Func) {
		b.Source = []string{"liar_1"}
		fn.AddResult("y", b.Op("Liar", nil, fn.AddParam("x", tensor.T(f, n))))
	})
	_, err := eval.Run(context.Background(), m, []tensor.Value{vec(1, 2)})
	wantErr(t, err, diag.Internal, `node "liar_1" (Liar-1): internal error: value of output 0 against its inferred type: have f32[1,2], want f32[N]`)
}

// Where the module states more than inference knows, a wrong value is the
// statement's fault.
func TestWrongStatement(t *testing.T) {
	m := module(t, func(m *ir.Module, b *ir.Builder, fn *ir.Func) {
		y := b.Op("Big", nil, fn.AddParam("x", tensor.T(f, n)))
		y.Type = tensor.T(f, shape.Int(7))
		fn.AddResult("y", y)
	})
	_, err := eval.Run(context.Background(), m, []tensor.Value{vec(5)})
	wantErr(t, err, diag.Shape, "value of output 0 against the type stated for it: axis 0: have f32[5], want f32[7]")
}

func TestNodeError(t *testing.T) {
	m := module(t, func(m *ir.Module, b *ir.Builder, fn *ir.Func) {
		b.Source = []string{"f1"}
		fn.AddResult("y", b.Op("Fail", nil, fn.AddParam("x", tensor.T(f, n))))
	})
	_, err := eval.Run(context.Background(), m, []tensor.Value{vec(1)})
	wantErr(t, err, diag.BadData, `node "f1" (Fail-1): no luck`)
}

// The extents of a region's values may differ from one run of it to the next,
// and outer values are seen.
func TestRegion(t *testing.T) {
	m := module(t, func(m *ir.Module, b *ir.Builder, fn *ir.Func) {
		x := fn.AddParam("x", tensor.T(f, n))
		r := b.Region("body", func(e ir.Emitter, r *ir.Func) {
			p := r.AddParam("p", tensor.T(f, m.FreshDim()))
			r.AddResult("r", e.Op("Cat", nil, p, e.Op("Inc", nil, x)))
		})
		fn.AddResult("y", b.OpN("Twice", 1, nil, []*ir.Func{r}, x)[0])
	})
	var seen []string
	got, err := eval.Run(context.Background(), m, []tensor.Value{vec(1, 2)}, eval.Trace(func(n *ir.Node, out []tensor.Value) {
		seen = append(seen, fmt.Sprint(n.Def.Name, out[0].Tensor.Dims()))
	}))
	want(t, got, err, vec(1, 2, 2, 3, 2, 3))
	if s := strings.Join(seen, " "); s != "Inc[2] Cat[4] Inc[2] Cat[6] Twice[6]" {
		t.Errorf("trace %s", s)
	}
}

func TestStates(t *testing.T) {
	m := module(t, func(m *ir.Module, b *ir.Builder, fn *ir.Func) {
		m.DeclareDim("L", 0, shape.Unbounded)
		grow := &ir.State{Name: "k", Type: tensor.T(f, shape.Int(5)), Lo: []int64{0}, GrowAxis: 0}
		count := &ir.State{Name: "c", Type: tensor.T(f, shape.Int(1)), GrowAxis: -1, Init: ir.NewConst(tensor.MustOf([]float32{10}, 1))}
		m.States = append(m.States, grow, count)
		past := fn.AddParam("past", tensor.T(f, shape.Sym("L")))
		past.State = grow
		x := fn.AddParam("x", tensor.T(f, n))
		c := fn.AddParam("c", tensor.T(f, shape.Int(1)))
		c.State = count
		all := b.Op("Cat", nil, past, x)
		fn.AddResult("present", all)
		fn.Results[0].State = grow
		fn.AddResult("y", all)
		fn.AddResult("next", b.Op("Inc", nil, c))
		fn.Results[2].State = count
	})
	ctx := context.Background()
	x, err := eval.New().Compile(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if v, err := x.State("k"); err != nil || v.Tensor.Len() != 0 {
		t.Errorf("before the first run: %v, %v", v, err)
	}
	got, err := x.Run(ctx, []tensor.Value{vec(1, 2)})
	want(t, got, err, vec(1, 2))
	got, err = x.Run(ctx, []tensor.Value{vec(3, 4)})
	want(t, got, err, vec(1, 2, 3, 4))
	v, err := x.State("c")
	want(t, []tensor.Value{v}, err, vec(12))
	_, err = x.Run(ctx, []tensor.Value{vec(5, 6)})
	wantErr(t, err, diag.Limit, `state "k": axis 0 would outgrow the state: have f32[6]`)
	if v, err = x.State("c"); err != nil || v.Tensor.Float(0) != 12 {
		t.Errorf("a run that failed changed a state: %v, %v", v, err)
	}
	if err := x.SetState("k", vec(9)); err != nil {
		t.Fatal(err)
	}
	got, err = x.Run(ctx, []tensor.Value{vec(1)})
	want(t, got, err, vec(9, 1))
	wantErr(t, x.SetState("k", tensor.V(tensor.New(f, 1, 1))), diag.Shape, `state "k": value`)
	wantErr(t, x.SetState("none", vec(1)), diag.Usage, `no state "none"`)
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	m := module(t, func(m *ir.Module, b *ir.Builder, fn *ir.Func) {
		fn.AddResult("y", b.Op("Inc", nil, b.Op("Inc", nil, fn.AddParam("x", tensor.T(f, n)))))
	})
	ran := 0
	_, err := eval.Run(ctx, m, []tensor.Value{vec(1)}, eval.Trace(func(*ir.Node, []tensor.Value) { ran++; cancel() }))
	if !errors.Is(err, context.Canceled) || ran != 1 {
		t.Errorf("%v after %d nodes", err, ran)
	}
}

// A region without nodes is interrupted, too.
func TestCancelEmptyRegion(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	m := module(t, func(m *ir.Module, b *ir.Builder, fn *ir.Func) {
		x := b.Op("Inc", nil, fn.AddParam("x", tensor.T(f, n)))
		r := b.Region("body", func(_ ir.Emitter, r *ir.Func) { r.AddResult("r", r.AddParam("p", tensor.T(f, m.FreshDim()))) })
		fn.AddResult("y", b.OpN("Twice", 1, nil, []*ir.Func{r}, x)[0])
	})
	if _, err := eval.Run(ctx, m, []tensor.Value{vec(1)}); err != nil {
		t.Fatal(err)
	}
	polls := 0
	_, err := eval.Run(&countdown{Context: ctx, left: 4, polls: &polls, cancel: cancel}, m, []tensor.Value{vec(1)})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v after %d polls", err, polls)
	}
}

// countdown is cancelled at its fourth poll: main's begin, Inc, Twice, and
// then the region.
type countdown struct {
	context.Context
	left   int
	polls  *int
	cancel func()
}

func (c *countdown) Err() error {
	if *c.polls++; *c.polls >= c.left {
		c.cancel()
	}
	return c.Context.Err()
}

func TestLimit(t *testing.T) {
	m := module(t, func(m *ir.Module, b *ir.Builder, fn *ir.Func) {
		fn.AddResult("y", b.Op("Big", nil, fn.AddParam("x", tensor.T(f, n))))
	})
	for size, text := range map[float32]string{1 << 24: "bytes in use with it, want at most 1048576", -1: "want a tensor that can exist"} {
		_, err := eval.Run(context.Background(), m, []tensor.Value{vec(size)}, eval.Limit(1<<20))
		wantErr(t, err, diag.Limit, text)
	}
	// A long chain holds two values at a time, whatever its length.
	chain := module(t, func(m *ir.Module, b *ir.Builder, fn *ir.Func) {
		v := fn.AddParam("x", tensor.T(f, n))
		for range 100 {
			v = b.Op("Inc", nil, v)
		}
		fn.AddResult("y", v)
	})
	got, err := eval.Run(context.Background(), chain, []tensor.Value{vec(1, 2)}, eval.Limit(16))
	want(t, got, err, vec(101, 102))
	_, err = eval.Run(context.Background(), chain, []tensor.Value{vec(1, 2)}, eval.Limit(15))
	wantErr(t, err, diag.Limit, "have 16 bytes")
}

// Streams depend on the seed and the node, go on from run to run, and begin
// again with a new Exec.
func TestRand(t *testing.T) {
	m := module(t, func(m *ir.Module, b *ir.Builder, fn *ir.Func) {
		x := fn.AddParam("x", tensor.T(f, n))
		b.Source = []string{"a"}
		fn.AddResult("y", b.Op("Noise", nil, x))
		fn.AddResult("z", b.Op("Noise", nil, x))
	})
	ctx := context.Background()
	run := func(seed uint64) (a, b []tensor.Value) {
		x, err := eval.New(eval.Seed(seed)).Compile(ctx, m)
		if err != nil {
			t.Fatal(err)
		}
		a, e1 := x.Run(ctx, []tensor.Value{vec(1, 1)})
		b, e2 := x.Run(ctx, []tensor.Value{vec(1, 1)})
		if e1 != nil || e2 != nil {
			t.Fatal(e1, e2)
		}
		return a, b
	}
	a, b := run(1)
	c, d := run(1)
	want(t, a, nil, c...)
	want(t, b, nil, d...)
	e, _ := run(2)
	for _, p := range [][2]tensor.Value{{a[0], a[1]}, {a[0], b[0]}, {a[0], e[0]}} {
		if tensor.Exact.Compare(p[0], p[1]) == nil {
			t.Errorf("equal streams %v", p[0].Tensor)
		}
	}
}

func TestConst(t *testing.T) {
	var pure, impure, noisy *ir.Value
	module(t, func(m *ir.Module, b *ir.Builder, fn *ir.Func) {
		c := b.Const(tensor.MustOf([]float32{1, 2}, 2))
		pure = b.Op("Cat", nil, b.Op("Inc", nil, c), c)
		impure = b.Op("Cat", nil, c, fn.AddParam("x", tensor.T(f, n)))
		noisy = b.Op("Noise", nil, c)
	})
	v, err := eval.Const(pure)
	want(t, []tensor.Value{v}, err, vec(2, 3, 1, 2))
	if !eval.IsConst(pure, 0) || eval.IsConst(pure, 2) || eval.IsConst(impure, 0) || eval.IsConst(noisy, 0) {
		t.Error("IsConst")
	}
	for _, v := range []*ir.Value{impure, noisy} {
		if _, err := eval.Const(v); !errors.Is(err, eval.ErrNotConst) {
			t.Errorf("%v", err)
		}
	}
	_, err = eval.Const(pure, eval.Limit(20))
	wantErr(t, err, diag.Limit, "have 24 bytes in use")
	out, err := eval.Node(context.Background(), pure.Node, []tensor.Value{vec(7, 8), vec(9, 10)})
	want(t, out, err, vec(7, 8, 9, 10))
}
