package data

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// MetricsDoc is what NewScorer takes.
const MetricsDoc = "top1, topK, f1 (mean over classes) of classes; mae, rmse, r2 of numbers"

// Scorer compares outputs of a model with targets.
type Scorer struct {
	metrics []string
	classes bool
	n       int
	hits    map[int]int   // of topK
	counts  []classCounts // by class
	conf    [][]int       // [target][predicted]; nil beyond MostConfused
	names   []string

	elems              int // of numbers
	abs, sq, sum, sum2 float64
}

// classCounts say of a class how often it was the target, was predicted, and
// was both.
type classCounts struct{ target, predicted, both int }

// MostConfused is the largest number of classes of which a Scorer keeps each
// pair.
const MostConfused = 2048

// NewScorer scores the named metrics for a target. nil takes top1 for classes
// and mae and rmse for numbers. A target that is a vector counts as the class
// of its largest element where a metric of classes is asked for. Error: an
// unknown metric, one that does not suit the target, or a target of text or
// complex numbers.
func NewScorer(metrics []string, target Field) (*Scorer, error) {
	s := &Scorer{metrics: metrics, hits: map[int]int{}, names: target.Classes}
	if len(metrics) == 0 {
		s.metrics = []string{"mae", "rmse"}
		if target.IsLabel() {
			s.metrics = []string{"top1"}
		}
	}
	if !target.DType.IsInt() && !target.DType.IsFloat() && target.DType != dtype.Bool {
		return nil, &diag.Error{Kind: diag.BadData, Port: fmt.Sprintf("target %q", target.Name), Have: sampleText(target), Want: "numbers or classes"}
	}
	vector := len(target.Dims) == 1 && target.Dims[0] > 1
	for _, m := range s.metrics {
		k, err := strconv.Atoi(strings.TrimPrefix(m, "top"))
		switch {
		case strings.HasPrefix(m, "top") && err == nil && k > 0, m == "f1":
			if !target.IsLabel() && !vector {
				return nil, diag.New(diag.Usage, "metric %s: target %q is a number, not a class", m, target.Name)
			}
			s.classes = true
		case m == "mae" || m == "rmse" || m == "r2":
			if target.IsLabel() {
				return nil, diag.New(diag.Usage, "metric %s: target %q is a class, not a number", m, target.Name)
			}
		default:
			return nil, diag.New(diag.Usage, "metric %q: unknown (have %s)", m, MetricsDoc)
		}
	}
	return s, nil
}

// Add compares a batch of outputs with its targets. Error: shapes do not fit,
// a label is out of range.
func (s *Scorer) Add(out, target tensor.Tensor) error {
	n := target.Dim(0)
	if out.Rank() == 0 || out.Dim(0) != n || !out.Type().DType.IsFloat() && !out.Type().DType.IsInt() {
		return &diag.Error{Kind: diag.Shape, Port: "output", Have: out.Type().String(), Want: fmt.Sprintf("%d samples of numbers", n)}
	}
	w := out.Len() / max(1, n)
	if s.classes {
		if w < 2 {
			return &diag.Error{Kind: diag.Shape, Port: "output", Have: out.Type().String(), Want: "one score a class"}
		}
		for k := range n {
			if err := s.class(&out, &target, k, w); err != nil {
				return err
			}
		}
	}
	if slices.ContainsFunc(s.metrics, func(m string) bool { return m == "mae" || m == "rmse" || m == "r2" }) {
		if target.Len() != out.Len() {
			return &diag.Error{Kind: diag.Shape, Port: "output", Have: out.Type().String(), Want: target.Type().String() + " as the target"}
		}
		for i := range out.Len() {
			y := target.Float(i)
			e := out.Float(i) - y
			s.abs += math.Abs(e)
			s.sq += float64(e * e)
			s.sum += y
			s.sum2 += float64(y * y)
		}
		s.elems += out.Len()
	}
	s.n += n
	return nil
}

func (s *Scorer) class(out, target *tensor.Tensor, k, w int) error {
	if s.counts == nil {
		s.counts = make([]classCounts, w)
		if w <= MostConfused {
			s.conf = make([][]int, w)
		}
		for i := range s.conf {
			s.conf[i] = make([]int, w)
		}
	}
	if len(s.counts) != w {
		return &diag.Error{Kind: diag.Shape, Port: "output", Have: fmt.Sprintf("%d classes", w), Want: fmt.Sprint(len(s.counts))}
	}
	want := 0
	if tw := target.Len() / target.Dim(0); tw > 1 || len(target.Dims()) > 1 {
		if tw != w {
			return &diag.Error{Kind: diag.Shape, Port: "output", Have: fmt.Sprintf("%d classes", w), Want: fmt.Sprintf("%d as the target", tw)}
		}
		want = largest(target, k*w, w)
	} else {
		l := target.Int(k)
		if l < 0 || l >= int64(w) {
			return &diag.Error{Kind: diag.BadData, Port: "label", Have: fmt.Sprint(l), Want: fmt.Sprintf("0..%d", w-1)}
		}
		want = int(l)
	}
	have := largest(out, k*w, w)
	s.counts[want].target++
	s.counts[have].predicted++
	if have == want {
		s.counts[want].both++
	}
	if s.conf != nil {
		s.conf[want][have]++
	}
	rank := 0 // how many classes come before the right one
	x := out.Float(k*w + want)
	for j := range w {
		if y := out.Float(k*w + j); y > x || y == x && j < want || x != x && (y == y || j < want) {
			rank++
		}
	}
	for _, m := range s.metrics {
		if t, err := strconv.Atoi(strings.TrimPrefix(m, "top")); err == nil && rank < t {
			s.hits[t]++
		}
	}
	return nil
}

// largest is the first position of the largest of w elements; NaN is less
// than any number.
func largest(t *tensor.Tensor, at, w int) int {
	best := 0
	for j := 1; j < w; j++ {
		x, y := t.Float(at+best), t.Float(at+j)
		if y > x || x != x && y == y {
			best = j
		}
	}
	return best
}

// Score is one metric's value.
type Score struct {
	Name  string
	Value float64
}

// Samples is how many were compared.
func (s *Scorer) Samples() int { return s.n }

// Scores are the values in the order of the metrics.
func (s *Scorer) Scores() []Score {
	var out []Score
	for _, m := range s.metrics {
		v := 0.0
		switch m {
		case "f1":
			v = s.f1()
		case "mae":
			v = s.abs / float64(s.elems)
		case "rmse":
			v = math.Sqrt(s.sq / float64(s.elems))
		case "r2":
			mean := s.sum / float64(s.elems)
			v = 1 - s.sq/(s.sum2-float64(float64(s.elems)*float64(mean*mean)))
		default:
			k, _ := strconv.Atoi(strings.TrimPrefix(m, "top"))
			v = float64(s.hits[k]) / float64(s.n)
		}
		out = append(out, Score{m, v})
	}
	return out
}

// f1 is the mean, over the classes that come among targets or predictions, of
// 2tp / (2tp + fp + fn).
func (s *Scorer) f1() float64 {
	sum, n := 0.0, 0
	for _, c := range s.counts {
		if all := c.target + c.predicted; all > 0 {
			sum += float64(2*c.both) / float64(all)
			n++
		}
	}
	return sum / float64(n)
}

// Confusion counts, for each class, what it was taken for; nil without a
// metric of classes, or with more than MostConfused of them.
func (s *Scorer) Confusion() [][]int { return s.conf }

// ConfusionCSV is the confusion as a table: a row for each target, a column
// for each prediction.
func (s *Scorer) ConfusionCSV() string {
	name := func(i int) string {
		if i >= len(s.names) {
			return strconv.Itoa(i)
		}
		if n := s.names[i]; !strings.ContainsAny(n, ",\"\n\r") {
			return n
		}
		return `"` + strings.ReplaceAll(s.names[i], `"`, `""`) + `"`
	}
	var b strings.Builder
	b.WriteString("target")
	for i := range s.conf {
		b.WriteString("," + name(i))
	}
	b.WriteByte('\n')
	for i, row := range s.conf {
		b.WriteString(name(i))
		for _, n := range row {
			fmt.Fprintf(&b, ",%d", n)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
