package op_test

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/irtest"
	"github.com/mlc-go/mlc/ir/tensor"
)

// fullFlag asks for as many samples as the requirement says.
var fullFlag = flag.Bool("full", false, "check gradients along 10 directions of 100 samples an operator")

// TestDirectionalGradients compares gradients with differences of fourth order
// along random directions, in float64, to 1e-6.
func TestDirectionalGradients(t *testing.T) {
	samples, directions := 4, 2
	if *fullFlag {
		samples, directions = 100, 10
	}
	eachOp(t, gradchecked, func(t *testing.T, d *ir.OpDef) {
		r, n := seedOf(d), outputs(d)
		done, left := 0, 0
		worst := 0.0
		for tries := 0; done < samples; tries++ {
			if tries > 200*samples+20_000 {
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
			ok := 0
			for range directions {
				e, smooth, err := g.along(r)
				if err != nil {
					if diag.KindOf(err) == diag.BadData {
						break
					}
					t.Fatalf("%v\n%s", err, text(s))
				}
				if !smooth {
					left++
					continue
				}
				ok++
				worst = max(worst, e)
				if !(e <= 1e-6) {
					t.Fatalf("a gradient along a direction is off by %g\n%s", e, text(s))
				}
			}
			if ok > 0 {
				done++
			}
		}
		if left > directions*samples {
			t.Errorf("%d directions of %d samples met a kink or a pole", left, done)
		}
		t.Logf("%d samples, %d directions left out, worst %.2g", done, left, worst)
	})
}

// step is the width of the differences; the farthest point is twice that away,
// so that a kink which matters is nearer than 1e-3.
const step = 2e-4

// along gives |g-n|/max(1,|g|,|n|) for one random direction, whose elements
// are in -1..1. smooth is false where a kink or a pole is too near for
// differences to mean anything: differences of two widths disagree.
func (g *gradient) along(r *rand.Rand) (off float64, smooth bool, err error) {
	res, err := g.bwd.Run(context.Background(), append(append([]tensor.Value{}, g.args...), g.dys...))
	if err != nil {
		return 0, false, fmt.Errorf("gradient: %w", err)
	}
	base := make([]tensor.Value, len(g.args))
	dir := make([][]float64, len(g.args))
	slope := 0.0
	for j, i := range g.vary {
		a := g.argOf[i]
		x := &g.args[a].Tensor
		base[a] = tensor.V(x.Clone())
		dir[a] = make([]float64, x.Len())
		for k := range dir[a] {
			dir[a][k] = 2*r.Float64() - 1
			slope += dir[a][k] * res[j].Tensor.Float(k)
		}
	}
	at := func(h float64) float64 {
		if err != nil {
			return 0
		}
		for a := range dir {
			for k, v := range dir[a] {
				g.args[a].Tensor.SetFloat(k, base[a].Tensor.Float(k)+h*v)
			}
		}
		var f float64
		f, err = g.loss()
		return f
	}
	diff := func(h float64) float64 { return (8*(at(h)-at(-h)) - (at(2*h) - at(-2*h))) / (12 * h) }
	wide, narrow := diff(step), diff(step/2)
	// At a kink in the middle both widths agree, but the slopes of the sides
	// do not.
	right, left := (4*at(step)-at(2*step)-3*at(0))/(2*step), (3*at(0)+at(-2*step)-4*at(-step))/(2*step)
	at(0)
	scale := max(1, math.Abs(wide))
	smooth = math.Abs(wide-narrow) <= 1e-8*scale && math.Abs(right-left) <= 1e-3*scale
	return math.Abs(slope-wide) / max(1, math.Abs(slope), math.Abs(wide)), smooth, err
}
