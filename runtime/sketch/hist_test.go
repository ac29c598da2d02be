package sketch

import (
	"math"
	"math/rand"
	"reflect"
	"slices"
	"testing"
)

func sample(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	scale := math.Ldexp(1, r.Intn(60)-30)
	for i := range x {
		x[i] = float32(r.NormFloat64() * scale)
	}
	return x
}

// TestMergeIsExact: however a stream is cut and in whatever order its parts
// are merged, the sketch is the same.
func TestMergeIsExact(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 200 {
		var all []float32
		var parts []*Hist
		for range 1 + r.Intn(5) {
			x := sample(r, r.Intn(300))
			all = append(all, x...)
			h := &Hist{}
			h.Add(x)
			parts = append(parts, h)
		}
		var whole, merged Hist
		whole.Add(all)
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		for _, p := range parts {
			merged.Merge(p)
		}
		if !reflect.DeepEqual(whole, merged) {
			t.Fatalf("merged %+v, whole %+v", merged.n, whole.n)
		}
		if whole.n != uint64(len(all)) {
			t.Fatalf("counted %d of %d", whole.n, len(all))
		}
	}
}

// TestQuantiles: quantiles are right to the width of a bin, which is at most
// a thousandth of the largest magnitude.
func TestQuantiles(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	for range 50 {
		x := sample(r, 2000)
		var h Hist
		h.Add(x)
		slices.Sort(x)
		width := 2 * math.Max(math.Abs(float64(x[0])), math.Abs(float64(x[len(x)-1]))) / half * 1.01
		for _, q := range []float64{0.0005, 0.1, 0.5, 0.9, 0.9995} {
			want := x[int(math.Ceil(q*2000))-1]
			if d := math.Abs(float64(h.Quantile(q) - want)); d > width {
				t.Fatalf("quantile %v: have %v, want %v within %v", q, h.Quantile(q), want, width)
			}
		}
		if lo, hi := h.Range(100); lo != x[0] || hi != x[len(x)-1] {
			t.Fatalf("extremes %v %v, want %v %v", lo, hi, x[0], x[len(x)-1])
		}
	}
}

// TestOdd: values that are no numbers, the largest, the least and powers of
// two at the edges of bins are counted.
func TestOdd(t *testing.T) {
	var h Hist
	inf := float32(math.Inf(1))
	h.Add([]float32{float32(math.NaN()), inf, -inf})
	if h.N() != 0 || h.NaNs() != 1 || h.Infs() != 2 {
		t.Errorf("%d numbers, %d NaN, %d infinite", h.N(), h.NaNs(), h.Infs())
	}
	h.Add([]float32{math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, 0})
	for e := -126; e <= 127; e++ {
		v := float32(math.Ldexp(1, e))
		h.Add([]float32{v, -v})
	}
	h.Add([]float32{math.MaxFloat32, -math.MaxFloat32})
	if h.N() != 3+2*254+2 || h.Max() != math.MaxFloat32 || h.Min() != -math.MaxFloat32 {
		t.Errorf("%d numbers from %v to %v", h.N(), h.Min(), h.Max())
	}
	var one Hist
	one.Add([]float32{2.5, 2.5, 2.5})
	if lo, hi := one.Range(99); lo != 2.5 || hi != 2.5 {
		t.Errorf("one value gives the range %v..%v", lo, hi)
	}
}
