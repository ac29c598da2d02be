package data_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

func TestScoreClasses(t *testing.T) {
	nan := float32(math.NaN())
	// Four samples of three classes; predicted, by hand: 0, 2, 1 (a tie takes
	// the first), 2 (a NaN loses).
	out := tensor.MustOf([]float32{5, 1, 2, 1, 2, 3, 1, 4, 4, nan, -9, -8}, 4, 3)
	y := tensor.MustOf([]int64{0, 1, 2, 0}, 4)
	f := data.Field{Name: "y", DType: dtype.I64, Dims: []int{}, Target: true, Classes: []string{"a", "b,c"}}
	s, err := data.NewScorer([]string{"top1", "top2", "top3", "f1"}, f)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][2]int{{0, 1}, {1, 4}} { // batches add up
		o := tensor.MustOf(tensor.Slice[float32](&out)[part[0]*3:part[1]*3], part[1]-part[0], 3)
		l := tensor.MustOf(tensor.Slice[int64](&y)[part[0]:part[1]], part[1]-part[0])
		if err := s.Add(o, l); err != nil {
			t.Fatal(err)
		}
	}
	// Right: sample 0. Among the first two: 0, 1, and 2 (second in the tie).
	// f1 by hand: a 2*1/(2+1), b 0, c 0: mean 2/9.
	want := map[string]float64{"top1": 0.25, "top2": 0.75, "top3": 1, "f1": 2. / 9}
	for _, x := range s.Scores() {
		if math.Abs(x.Value-want[x.Name]) > 1e-12 {
			t.Errorf("%s is %v, want %v", x.Name, x.Value, want[x.Name])
		}
	}
	if have, want := s.ConfusionCSV(), "target,a,\"b,c\",2\na,1,0,1\n\"b,c\",0,0,1\n2,0,1,0\n"; have != want {
		t.Errorf("confusion\n%s, want\n%s", have, want)
	}
	err = s.Add(tensor.New(dtype.F32, 1, 3), tensor.MustOf([]int64{3}, 1))
	if diag.KindOf(err) != diag.BadData || !strings.Contains(errText(err), "label: have 3, want 0..2") {
		t.Error(err)
	}
	for _, o := range []tensor.Tensor{tensor.New(dtype.F32, 2, 3), tensor.New(dtype.F32, 1, 4), tensor.New(dtype.F32, 1), tensor.New(dtype.Bool, 1, 3)} {
		if err := s.Add(o, tensor.New(dtype.I64, 1)); diag.KindOf(err) != diag.Shape {
			t.Errorf("%v: %v", o.Type(), err)
		}
	}
}

// As many classes as words have no confusion, which would take gigabytes, but
// every metric: by hand, of two right and one wrong, f1 is the mean over three
// classes of 1, 2/3 and 0.
func TestScoreManyClasses(t *testing.T) {
	const words = 100_000
	s, err := data.NewScorer([]string{"top1", "f1"}, data.Field{Name: "y", DType: dtype.I64, Dims: []int{}, Target: true})
	if err != nil {
		t.Fatal(err)
	}
	out := tensor.New(dtype.F32, 3, words)
	for k, best := range []int{7, words - 1, words - 1} {
		out.SetFloat(k*words+best, 1)
	}
	if err := s.Add(out, tensor.MustOf([]int64{7, words - 1, 0}, 3)); err != nil {
		t.Fatal(err)
	}
	if x := s.Scores(); x[0].Value != 2./3 || math.Abs(x[1].Value-(1+2./3)/3) > 1e-12 || s.Confusion() != nil {
		t.Errorf("%v", x)
	}
}

func TestScoreNumbers(t *testing.T) {
	f := data.Field{Name: "y", DType: dtype.F32, Dims: []int{1}, Target: true}
	s, err := data.NewScorer([]string{"mae", "rmse", "r2"}, f)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add(tensor.MustOf([]float32{1, 2, 5, 4}, 4, 1), tensor.MustOf([]float32{1, 2, 3, 4}, 4, 1)); err != nil {
		t.Fatal(err)
	}
	// One error of 2: mae 0.5, rmse 1; the targets' squares about 2.5 sum to 5.
	for i, want := range []float64{0.5, 1, 1 - 4./5} {
		if have := s.Scores()[i]; math.Abs(have.Value-want) > 1e-12 {
			t.Errorf("%s is %v, want %v", have.Name, have.Value, want)
		}
	}
}

// Recorded outputs count as the class of their largest element.
func TestScoreVectors(t *testing.T) {
	f := data.Field{Name: "y", DType: dtype.F32, Dims: []int{2}, Target: true}
	s, err := data.NewScorer([]string{"top1"}, f)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add(tensor.MustOf([]float32{1, 2, 2, 1}, 2, 2), tensor.MustOf([]float32{0, 9, 0, 9}, 2, 2)); err != nil {
		t.Fatal(err)
	}
	if v := s.Scores()[0].Value; v != 0.5 {
		t.Errorf("top1 is %v, want 0.5", v)
	}
}

func TestScorerFaults(t *testing.T) {
	label := data.Field{Name: "y", DType: dtype.I64, Dims: []int{}, Target: true}
	num := data.Field{Name: "y", DType: dtype.F32, Dims: []int{1}, Target: true}
	for _, c := range []struct {
		metric string
		f      data.Field
	}{{"mae", label}, {"top1", num}, {"f1", num}, {"top0", label}, {"top", label}, {"topx", label}, {"auc", label}, {"", label}} {
		if _, err := data.NewScorer([]string{c.metric}, c.f); diag.KindOf(err) != diag.Usage {
			t.Errorf("%q: %v", c.metric, err)
		}
	}
}

// What is no number has no report of numbers, and no score.
func TestComplexFields(t *testing.T) {
	f := data.Field{Name: "z", DType: dtype.C64, Dims: []int{2}, Target: true}
	d, err := data.NewTable([]data.Field{f}, []tensor.Tensor{tensor.New(dtype.C64, 3, 2)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := data.Inspect(d); err != nil || r.Fields[0].Type != "c64[2]" || r.Fields[0].Min != nil {
		t.Errorf("%+v, %v", r, err)
	}
	for _, dt := range []dtype.DType{dtype.C64, dtype.String} {
		f.DType = dt
		if _, err := data.NewScorer(nil, f); diag.KindOf(err) != diag.BadData || !strings.Contains(err.Error(), `target "z": have `+dt.String()+`[2] a sample, want numbers or classes`) {
			t.Error(err)
		}
	}
}

func TestTargets(t *testing.T) {
	d := open(t, "x,y\n1,3\n2,5\n")
	n, err := data.AsNumbers(d, dtype.F32)
	if err != nil {
		t.Fatal(err)
	}
	if at, _ := data.Target(n); n.Fields()[at].DType != dtype.F32 {
		t.Error("the target is no number")
	}
	if have := show(t, n, "y"); have[0] != 3.0 || have[1] != 5.0 {
		t.Errorf("y is %v", have)
	}
	for _, dims := range [][]int{{3}, {3, 1}, {3, 2}} { // as numpy.savez writes them
		y := tensor.New(dtype.F64, dims...)
		for i := range y.Len() {
			y.SetFloat(i, float64(i)+0.5)
		}
		d, err := data.NewTable([]data.Field{{Name: "y", DType: dtype.F64, Dims: dims[1:], Target: true}}, []tensor.Tensor{y}, nil)
		if err != nil {
			t.Fatal(err)
		}
		n, err := data.AsNumbers(d, dtype.F32)
		if err != nil {
			t.Fatal(err)
		}
		want := []int{1}
		if len(dims) > 1 {
			want = dims[1:]
		}
		b, err := data.Read(n, 2)
		if f := n.Fields()[0]; err != nil || f.DType != dtype.F32 || !slices.Equal(f.Dims, want) || b[0].Float(0) != float64(2*want[0])+0.5 {
			t.Errorf("%v became %v%v, %v", dims, f.DType, f.Dims, err)
		}
	}
	if k, err := data.Classes(d); err != nil || k != 6 {
		t.Errorf("%d classes, %v", k, err)
	}
	text := open(t, "x,y\n1,b\n2,c\n")
	if _, err := data.AsNumbers(text, dtype.F32); diag.KindOf(err) != diag.BadData {
		t.Error(err)
	}
	if k, err := data.Classes(text); err != nil || k != 2 {
		t.Errorf("%d classes, %v", k, err)
	}
	w, err := data.WithClasses(text, []string{"a", "b", "c"})
	if err != nil {
		t.Fatal(err)
	}
	if have := show(t, w, "y"); have[0] != 1.0 || have[1] != 2.0 {
		t.Errorf("y is %v", have)
	}
	if _, err := data.WithClasses(text, []string{"a", "b"}); errText(err) != `a.csv: row 2 (line 3): label "y": have "c", want one of a, b` {
		t.Error(err)
	}
}
