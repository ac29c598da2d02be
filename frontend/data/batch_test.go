package data_test

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// counted is n samples x = 0..n-1 of class x % classes.
func counted(t *testing.T, n, classes int) data.Dataset {
	t.Helper()
	x, y := tensor.New(dtype.F32, n, 1), tensor.New(dtype.I64, n)
	for i := range n {
		x.SetFloat(i, float64(i))
		y.SetInt(i, int64(i%classes))
	}
	d, err := data.NewTable([]data.Field{{Name: "x", DType: dtype.F32, Dims: []int{1}}, {Name: "y", DType: dtype.I64, Dims: []int{}, Target: true}}, []tensor.Tensor{x, y}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func epoch(t *testing.T, l *data.Loader, e, first int) (sizes []int, xs []float64) {
	t.Helper()
	for b, err := range l.Epoch(context.Background(), e, first) {
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, b.Tensors[0].Dim(0))
		for i := range b.Tensors[0].Len() {
			xs = append(xs, b.Tensors[0].Float(i))
		}
	}
	return sizes, xs
}

func TestEpochs(t *testing.T) {
	d := counted(t, 10, 2)
	l, err := data.NewLoader(d, data.LoaderOptions{Batch: 4, Shuffle: true, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	sizes, a := epoch(t, l, 0, 0)
	if !reflect.DeepEqual(sizes, []int{4, 4, 2}) || l.Steps() != 3 {
		t.Errorf("batches of %v", sizes)
	}
	sorted := slices.Sorted(slices.Values(a))
	for i, v := range sorted {
		if v != float64(i) {
			t.Fatalf("an epoch holds %v", sorted)
		}
	}
	if _, again := epoch(t, l, 0, 0); !reflect.DeepEqual(a, again) {
		t.Error("the same epoch differs")
	}
	if _, b := epoch(t, l, 1, 0); reflect.DeepEqual(a, b) {
		t.Error("two epochs have one order")
	}
	if _, rest := epoch(t, l, 0, 1); !reflect.DeepEqual(rest, a[4:]) {
		t.Errorf("from step 1 on: %v, want %v", rest, a[4:])
	}
	l, _ = data.NewLoader(d, data.LoaderOptions{Batch: 4, DropLast: true})
	if sizes, xs := epoch(t, l, 0, 0); !reflect.DeepEqual(sizes, []int{4, 4}) || xs[7] != 7 {
		t.Errorf("in order, last dropped: %v %v", sizes, xs)
	}
	l, _ = data.NewLoader(d, data.LoaderOptions{Batch: 100})
	if sizes, _ := epoch(t, l, 0, 0); !reflect.DeepEqual(sizes, []int{10}) {
		t.Errorf("a batch larger than the data: %v", sizes)
	}
	for _, o := range []data.LoaderOptions{{}, {Batch: 11, DropLast: true}, {Batch: 1, Augment: &data.Augment{FlipX: true}}} {
		if _, err := data.NewLoader(d, o); diag.KindOf(err) != diag.Usage {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestEpochEnds(t *testing.T) {
	l, _ := data.NewLoader(counted(t, 1000, 2), data.LoaderOptions{Batch: 1, Prefetch: 3})
	for range l.Epoch(context.Background(), 0, 0) { // leaving early ends the goroutine
		break
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	for _, err := range l.Epoch(ctx, 0, 0) {
		if n++; n == 3 {
			cancel()
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if n > 10 {
		t.Errorf("%d batches after the end", n-3)
	}
}

// The order of a permutation is part of what a seed means.
func TestPermutation(t *testing.T) {
	if have := data.Permutation(5, 1, 0); !slices.Equal(slices.Sorted(slices.Values(have)), []int{0, 1, 2, 3, 4}) {
		t.Error(have)
	}
	count := make([]int, 24) // of 4! orders; 9.3e1 is six deviations of 1000 expected
	for s := range uint64(24000) {
		p := data.Permutation(4, s, 0)
		k := p[0]*6 + rank3(p[1:])
		count[k]++
	}
	for k, c := range count {
		if math.Abs(float64(c)-1000) > 190 {
			t.Errorf("order %d comes %d times of 24000", k, c)
		}
	}
}

// rank3 numbers the orders of three different numbers.
func rank3(p []int) int {
	r := 0
	if p[0] > p[1] {
		r += 2
	}
	if p[0] > p[2] {
		r += 2
	}
	if p[1] > p[2] {
		r++
	}
	return r
}

func TestSplit(t *testing.T) {
	d := counted(t, 100, 4)
	train, val, err := data.Split(d, 0.2, 5)
	if err != nil {
		t.Fatal(err)
	}
	a, b := show(t, train, "x"), show(t, val, "x")
	if len(a) != 80 || len(b) != 20 {
		t.Errorf("%d and %d samples", len(a), len(b))
	}
	seen := map[any]bool{}
	for _, v := range append(a, b...) {
		if seen[v] {
			t.Errorf("%v is in both parts", v)
		}
		seen[v] = true
	}
	ls, err := data.Labels(val)
	if err != nil {
		t.Fatal(err)
	}
	count := map[int64]int{}
	for _, l := range ls {
		count[l]++
	}
	for c := range int64(4) {
		if count[c] != 5 {
			t.Errorf("class %d has %d samples of 20, want 5", c, count[c])
		}
	}
	_, again, _ := data.Split(d, 0.2, 5)
	_, other, _ := data.Split(d, 0.2, 6)
	if !reflect.DeepEqual(show(t, again, "x"), b) || reflect.DeepEqual(show(t, other, "x"), b) {
		t.Error("the seed does not rule")
	}
	if val.Where(0) == d.Where(0) && b[0] != 0.0 {
		t.Error("a part forgets where its samples come from")
	}
	for _, f := range []float64{0, 1, -1, 2, math.NaN()} {
		if _, _, err := data.Split(d, f, 1); diag.KindOf(err) != diag.Usage {
			t.Errorf("split of %v: %v", f, err)
		}
	}
	if _, _, err := data.Split(d, 0.001, 1); diag.KindOf(err) != diag.BadData {
		t.Errorf("an empty part: %v", err)
	}
}

func TestAugment(t *testing.T) {
	x := tensor.MustOf([]uint8{1, 2, 3, 4, 5, 6, 7, 8, 9}, 1, 3, 3)
	d, err := data.NewTable([]data.Field{{Name: "image", DType: dtype.U8, Dims: []int{3, 3}}}, []tensor.Tensor{x}, nil)
	if err != nil {
		t.Fatal(err)
	}
	// By hand: the picture mirrored, and shifted by one pixel.
	mirrored := "[3 2 1 6 5 4 9 8 7]"
	shifted := "[0 0 0 0 1 2 0 4 5]"
	seen := map[string]int{}
	for _, spec := range []string{"flip", "crop=1"} {
		a, err := data.ParseAugment(spec)
		if err != nil || a.String() != spec {
			t.Fatalf("%v %v", a, err)
		}
		l, err := data.NewLoader(d, data.LoaderOptions{Batch: 1, Augment: a, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		for e := range 200 {
			b := data.NewBatch(d, 1)
			again := data.NewBatch(d, 1)
			if l.Load(e, []int{0}, b) != nil || l.Load(e, []int{0}, again) != nil {
				t.Fatal("load")
			}
			if !slices.Equal(b[0].Bytes(), again[0].Bytes()) {
				t.Fatal("the seed does not rule")
			}
			seen[fmtBytes(b[0].Bytes())]++
		}
	}
	if n := seen[mirrored]; n < 70 || n > 130 {
		t.Errorf("mirrored %d of 200 times", n)
	}
	if n := seen[shifted]; n < 8 || n > 44 {
		t.Errorf("shifted to one corner %d of 200 times, want about 22", n)
	}
	if len(seen) != 10 { // the original, its mirror, eight other shifts
		t.Errorf("%d different pictures: %v", len(seen), seen)
	}
	if !slices.Equal(x.Bytes(), []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Error("the data set was changed")
	}
	for _, s := range []string{"flop", "crop", "crop=0", "crop=x", "flip=1", "flip,"} {
		if _, err := data.ParseAugment(s); diag.KindOf(err) != diag.Usage {
			t.Errorf("%q: %v", s, err)
		}
	}
	a, _ := data.ParseAugment("crop=3")
	if _, err := data.NewLoader(d, data.LoaderOptions{Batch: 1, Augment: a}); diag.KindOf(err) != diag.Usage {
		t.Errorf("a crop as large as the picture: %v", err)
	}
}
