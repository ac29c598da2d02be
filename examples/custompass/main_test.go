package main

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/mlc-go/mlc"
	"github.com/mlc-go/mlc/ir/tensor"
)

func TestRun(t *testing.T) {
	var out strings.Builder
	if err := run(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for want, times := range map[string]int{
		"applied: block1/mul: rule swish-hard rewrites Mul\n":           1,
		"missed: block2/mul: a gate: the sigmoid is of another value\n": 1,
		"= HardSwish %x : f32[N] !\"block1/sigmoid\",\"block1/mul\"\n":  1,
		"= Sigmoid %x : f32[N]":                 1, // before
		"= Sigmoid %z : f32[N]":                 2, // before and after
		"swish: at most 0.1423 apart\n":         1, // 3*(1-sigmoid(3)), by hand
		"gate: at most 0.0000 apart\n":          1,
		"\nafter clean,canonical:\n":            0, // it is the first line
		"after clean,canonical:\n":              1,
		"after clean,canonical,harden-swish:\n": 1,
	} {
		if n := strings.Count(text, want); n != times {
			t.Errorf("%d times, want %d: %s\n%s", n, times, want, text)
		}
	}
	if d := 3 * (1 - 1/(1+math.Exp(-3))); d > hardenSwish().Tol.Atol || d < hardenSwish().Tol.Atol-1e-4 {
		t.Errorf("the pass says %v, by hand it is %v", hardenSwish().Tol.Atol, d)
	}
}

// Compiled with the pass, the model computes what HardSwish is: x*min(max(x+3, 0), 6)/6.
func TestValues(t *testing.T) {
	reg := mlc.NewRegistry()
	if err := reg.AddPass(hardenSwish()); err != nil {
		t.Fatal(err)
	}
	out, err := compute(context.Background(), mlc.With(reg), mlc.Passes("clean,harden-swish,optimized"))
	if err != nil {
		t.Fatal(err)
	}
	y, err := tensor.Data[float32](out["swish"])
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range y {
		x := -6 + float64(i)/8
		if want := x * min(max(x+3, 0), 6) / 6; math.Abs(float64(v)-want) > 1e-5 {
			t.Errorf("of %v: have %v, want %v", x, v, want)
		}
	}
	// The usual pipeline does no such thing.
	if out, err = compute(context.Background()); err != nil {
		t.Fatal(err)
	}
	if y, err = tensor.Data[float32](out["swish"]); err != nil {
		t.Fatal(err)
	}
	if x := 3.0; math.Abs(float64(y[72])-x/(1+math.Exp(-x))) > 1e-5 {
		t.Errorf("unasked: have %v of 3", y[72])
	}
}
