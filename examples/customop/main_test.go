package main

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"

	"github.com/mlc-go/mlc"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/text"
)

// By hand: (10,11) lies sqrt(100+121), sqrt(49+121) and 1 from (0,0), (3,0) and
// (10,10).
func TestRun(t *testing.T) {
	var out strings.Builder
	if err := run(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{
		"without the registry: model: node \"Distance_0\" (acme.Distance, opset 1): unsupported: no such operator in domain acme",
		"kernels: [ref.acme.Distance ",
		"kernels: [acme.distance.f32 ",
		"both agree with the reference\n",
	} {
		if strings.Count(text, want) != 1 {
			t.Errorf("want once: %s\n%s", want, text)
		}
	}
	for _, want := range []string{
		"point 0: [ 0.000  3.000 14.142], nearest is 0\n",
		"point 1: [ 5.000  4.000  9.220], nearest is 1\n",
		"point 2: [14.866 13.038  1.000], nearest is 2\n",
		"point 3: [ 1.000  4.000 14.866], nearest is 0\n",
	} {
		if strings.Count(text, want) != 2 {
			t.Errorf("want twice: %s\n%s", want, text)
		}
	}
}

// The kernel is the reference on random shapes, roots and squares.
func TestKernel(t *testing.T) {
	ctx := context.Background()
	reg, ops, def := mlc.NewRegistry(), op.Builtin(), distance()
	if err := ops.Add(&def); err != nil {
		t.Fatal(err)
	}
	if err := reg.AddOp(distance()); err != nil {
		t.Fatal(err)
	}
	if err := reg.AddKernel(distanceF32()); err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, attrs := range []string{"", " {squared=1}"} {
		src := "module \"d\" opset {ai.onnx 28 acme 1}\ndim N 0..50\ndim M 0..50\ndim K 0..50\n" +
			"func main(%x: f32[N,K], %c: f32[M,K]) -> (%y: f32[N,M]) {\n\t%y = acme.Distance %x, %c" + attrs + " : f32[N,M]\n\treturn %y\n}\n"
		module, err := text.Parse([]byte(src), "d.mir", ops, text.Options{})
		if err != nil {
			t.Fatal(err)
		}
		m, err := mlc.Load(ctx, mlc.Bytes([]byte(src)), mlc.With(reg))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if k := m.Kernels()[0]; len(k) != 1 || k[0] != "acme.distance.f32" {
			t.Errorf("kernels %v", k)
		}
		for i := range 20 {
			n, c, k := rnd.IntN(20), rnd.IntN(20), rnd.IntN(20)
			x, _ := tensor.Random(def.In[0].DTypes[0], uint64(i), n, k)
			p, _ := tensor.Random(def.In[1].DTypes[0], uint64(100+i), c, k)
			want, err := eval.Run(ctx, module, tensor.Vs(x, p))
			if err != nil {
				t.Fatal(err)
			}
			have, err := m.Run(ctx, map[string]tensor.Tensor{"x": x, "c": p})
			if err != nil {
				t.Fatal(err)
			}
			if err := tensor.Close.Compare(tensor.V(have["y"]), want[0]); err != nil {
				t.Errorf("%d x %d, %d coordinates%s: %v", n, c, k, attrs, err)
			}
		}
	}
}

// The entry's own example holds, and what violates its constraint is refused by
// its text.
func TestEntry(t *testing.T) {
	ops, def := op.Builtin(), distance()
	if err := ops.Add(&def); err != nil {
		t.Fatal(err)
	}
	if len(def.Examples) == 0 || def.Complete(attr.Map{}).Int("squared") != 0 {
		t.Error("no example, or another default")
	}
	reg := mlc.NewRegistry()
	if err := reg.AddOp(distance()); err != nil {
		t.Fatal(err)
	}
	src := "module \"d\" opset {ai.onnx 28 acme 1}\nfunc main(%x: f32[2,3], %c: f32[4,2]) -> (%y: f32[2,4]) {\n\t%y = acme.Distance %x, %c : f32[2,4] !\"here\"\n\treturn %y\n}\n"
	_, err := mlc.Load(context.Background(), mlc.Bytes([]byte(src)), mlc.With(reg))
	if err == nil {
		t.Fatal("rows of 3 and 2 coordinates are taken")
	}
	for _, want := range []string{"acme.Distance", "have f32[2,3] and f32[4,2], want [N,K] and [M,K]"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q", err, want)
		}
	}
}
