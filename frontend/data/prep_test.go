package data_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/build"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/ir/verify"
)

func fmtBytes(b []byte) string { return fmt.Sprint(b) }

// identity gives its f32 input of the given sample shape.
func identity(t *testing.T, dims ...int) *ir.Module {
	t.Helper()
	b := build.New("identity", op.Builtin())
	x := b.Param("image", tensor.T(dtype.F32, append([]shape.Dim{b.Dim("N", 1, 64)}, shape.Ints(dims...)...)...))
	b.Result("y", b.Identity(x))
	m, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// prepared fits on train and gives what all of d looks like to the model.
func prepared(t *testing.T, train, d data.Dataset, o data.FitOptions) []float64 {
	t.Helper()
	p, err := data.Fit(train, o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Attach(identity(t, p.Dims...), op.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	if err := verify.Module(m); err != nil {
		t.Fatal(err)
	}
	x, err := eval.New().Compile(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]int, d.Len())
	for i := range rows {
		rows[i] = i
	}
	b, err := data.Read(d, rows...)
	if err != nil {
		t.Fatal(err)
	}
	var in []tensor.Value
	for i, f := range d.Fields() {
		if !f.Target {
			in = append(in, tensor.V(b[i]))
		}
	}
	out, err := x.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	var v []float64
	for i := range out[0].Tensor.Len() {
		v = append(v, out[0].Tensor.Float(i))
	}
	return v
}

func near(t *testing.T, have, want []float64) {
	t.Helper()
	if len(have) != len(want) {
		t.Fatalf("have %v, want %v", have, want)
	}
	for i := range want {
		if math.Abs(have[i]-want[i]) > 1e-5 {
			t.Fatalf("have %v, want %v", have, want)
		}
	}
}

func open(t *testing.T, text string) data.Dataset {
	t.Helper()
	d, err := data.ReadCSV(strings.NewReader(text), "a.csv", data.CSVOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPrepCSV(t *testing.T) {
	train := open(t, "a,c,k,y\n1,red,5,0\n3,blue,5,1\n,red,5,1\n")
	// By hand: a is filled with 2, so it is 1 3 2: mean 2, deviation sqrt(2/3);
	// c is one-hot over blue, red; k is constant and becomes 0. The second set
	// brings a missing value, an unknown text and another constant.
	later := open(t, "a,c,k,y\n4,red,5,0\n,green,7,1\n")
	s := math.Sqrt(1.5)
	near(t, prepared(t, train, train, data.FitOptions{}), []float64{-s, 0, 1, 0, s, 1, 0, 0, 0, 0, 1, 0})
	near(t, prepared(t, train, later, data.FitOptions{}), []float64{2 * s, 0, 1, 0, 0, 0, 0, 2})
	// 0..1, filled with zero: a is 1 3 0.
	near(t, prepared(t, train, train, data.FitOptions{Normalize: "minmax", Fill: "zero"}), []float64{1. / 3, 0, 1, 0, 1, 1, 0, 0, 0, 0, 1, 0})
	near(t, prepared(t, train, train, data.FitOptions{Normalize: "none", Fill: "median"}), []float64{1, 0, 1, 5, 3, 1, 0, 5, 2, 0, 1, 5})
}

func TestPrepPictures(t *testing.T) {
	pics := func(dims ...int) data.Dataset {
		d, err := data.NewTable([]data.Field{{Name: "image", DType: dtype.U8, Dims: dims[1:]}}, []tensor.Tensor{tensor.MustOf([]uint8{0, 2, 4, 6, 8, 10, 12, 14}, dims...)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	// Mean 7, deviation sqrt(21): the variance of 0, 2 .. 14 is 4*(64-1)/12.
	gray := pics(2, 2, 2)
	var want []float64
	for i := range 8 {
		want = append(want, (float64(2*i)-7)/math.Sqrt(21))
	}
	near(t, prepared(t, gray, gray, data.FitOptions{}), want)
	// Two channels, h 2, w 1: the channels are 0 4 8 12 and 2 6 10 14, each of
	// deviation sqrt(20), and come to stand before the pixels.
	color := pics(2, 2, 1, 2)
	s := math.Sqrt(20)
	near(t, prepared(t, color, color, data.FitOptions{}), []float64{-6 / s, -2 / s, -6 / s, -2 / s, 2 / s, 6 / s, 2 / s, 6 / s})
	p, _ := data.Fit(color, data.FitOptions{})
	if fmt.Sprint(p.Dims) != "[2 2 1]" {
		t.Errorf("prepared as %v", p.Dims)
	}
}

func TestPrepVectors(t *testing.T) {
	d, err := data.NewTable([]data.Field{{Name: "v", DType: dtype.F32, Dims: []int{2}}}, []tensor.Tensor{tensor.MustOf([]float32{0, 10, 2, 30}, 2, 2)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	near(t, prepared(t, d, d, data.FitOptions{}), []float64{-1, -1, 1, 1})
}

func TestPrepFaults(t *testing.T) {
	for _, c := range []struct {
		name, text string
		o          data.FitOptions
		kind       diag.Kind
		say        string
	}{
		{"all missing", "a,y\n,0\n,1\n", data.FitOptions{}, diag.BadData, `column "a": every value is missing (leave it out with drop=a)`},
		{"too many texts", "a,y\np,0\nq,1\nr,1\n", data.FitOptions{MaxCategories: 2}, diag.BadData, `column "a": text of 3 distinct values: want at most 2`},
		{"no inputs", "y\n0\n", data.FitOptions{}, diag.BadData, "the data set has no input fields"},
		{"unknown normalization", "a,y\n1,0\n", data.FitOptions{Normalize: "x"}, diag.Usage, "have [standard minmax none]"},
		{"unknown fill", "a,y\n1,0\n", data.FitOptions{Fill: "x"}, diag.Usage, "have [mean median zero]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := data.Fit(open(t, c.text), c.o)
			if diag.KindOf(err) != c.kind || !strings.Contains(errText(err), c.say) {
				t.Errorf("have %v, want %s", err, c.say)
			}
		})
	}
	p, err := data.Fit(open(t, "a,b,y\n1,2,0\n2,3,1\n"), data.FitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Attach(identity(t, 3), op.Builtin())
	if diag.KindOf(err) != diag.Shape || !strings.Contains(errText(err), "have f32[N,2] from the data, want f32[N,3]") {
		t.Errorf("a model of another shape: %v", err)
	}
}

// Attach copies: the model stays as it was.
func TestAttachCopies(t *testing.T) {
	m := identity(t, 1)
	before := text.String(m)
	p, err := data.Fit(open(t, "a,y\n1,0\n2,1\n"), data.FitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Attach(m, nil); err != nil { // the built-in table
		t.Fatal(err)
	}
	if after := text.String(m); after != before {
		t.Errorf("was\n%s\nis\n%s", before, after)
	}
}

func TestReport(t *testing.T) {
	d := open(t, "a,k,c,y\n1,5,u,no\n1,5,u,yes\n2,5,v,no\n,5,,no\n2,5,v,no\n")
	r, err := data.Inspect(d)
	if err != nil {
		t.Fatal(err)
	}
	if r.Samples != 5 || r.Duplicates != 2 || r.Contradictions != 1 || r.Fields[0].Missing != 1 || r.Fields[2].Missing != 1 || !r.Fields[1].Constant {
		t.Errorf("%+v", r)
	}
	if *r.Fields[0].Mean != 1.5 || r.Fields[0].Distinct != 2 {
		t.Errorf("a: mean %v, %d distinct", *r.Fields[0].Mean, r.Fields[0].Distinct)
	}
	var b bytes.Buffer
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"classes of y: no=4 yes=1", "problem: 1 of 5 samples (20.0 %) equal an earlier one but have another target", "problem: k: every value is the same", "problem: a: 1 missing values (20.0 %)"} {
		if !strings.Contains(b.String(), s) {
			t.Errorf("no %q in\n%s", s, &b)
		}
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
	b.Reset()
	if err := r.HTML(&b, "<a&b>"); err != nil || !strings.Contains(b.String(), "&lt;a&amp;b&gt;") || strings.Contains(b.String(), "ZgotmplZ") {
		t.Errorf("%v\n%s", err, &b)
	}
	// One value far from 99 equal ones is ten deviations off: an outlier.
	var s strings.Builder
	s.WriteString("a,y\n1000,1\n")
	for range 99 {
		s.WriteString("1,0\n")
	}
	if r, err = data.Inspect(open(t, s.String())); err != nil || r.Fields[0].Outliers != 1 {
		t.Errorf("outliers: %+v %v", r, err)
	}
	if have := strings.Join(r.Problems, "\n"); !strings.Contains(have, "class 1 has 1 samples, class 0 99") {
		t.Error(have)
	}
}

// Numbers at the ends of f64, of which neither span nor deviation is a number,
// have a report, and no preprocessing.
func TestLargeNumbers(t *testing.T) {
	x := tensor.MustOf([]float64{-math.MaxFloat64, math.MaxFloat64, 0, math.MaxFloat64}, 4, 1)
	d, err := data.NewTable([]data.Field{{Name: "x", DType: dtype.F64, Dims: []int{1}}}, []tensor.Tensor{x}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := data.Inspect(d)
	if err != nil {
		t.Fatal(err)
	}
	if f := r.Fields[0]; !slices.Equal(f.Bins, []int{1, 0, 0, 0, 0, 1, 0, 0, 0, 2}) || *f.Max != math.MaxFloat64 {
		t.Errorf("bins %v", f.Bins)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
	if _, err := data.Fit(d, data.FitOptions{}); diag.KindOf(err) != diag.BadData || !strings.Contains(err.Error(), `column "x": values of up to 1.8e+308: want what an f32 holds`) {
		t.Error(err)
	}
}
