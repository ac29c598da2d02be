package data

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// farAway is how many deviations from the mean make an outlier.
const farAway = 5

// Report is what there is to know of a data set, and what is wrong with it.
type Report struct {
	Samples        int           `json:"samples"`
	Fields         []FieldReport `json:"fields"`
	Duplicates     int           `json:"duplicates"`     // samples equal to an earlier one, target aside
	Contradictions int           `json:"contradictions"` // of those, with another target
	Problems       []string      `json:"problems"`       // in plain words, worst first
}

// FieldReport is one field. Numbers are over all its elements; complex ones
// have none.
type FieldReport struct {
	Name     string       `json:"name"`
	Type     string       `json:"type"` // of one sample: "u8[28,28]"
	Target   bool         `json:"target,omitempty"`
	Missing  int          `json:"missing"`
	Distinct int          `json:"distinct,omitempty"` // of scalars and text
	Constant bool         `json:"constant,omitempty"`
	Min      *float64     `json:"min,omitempty"`
	Max      *float64     `json:"max,omitempty"`
	Mean     *float64     `json:"mean,omitempty"`
	Std      *float64     `json:"std,omitempty"`
	Outliers int          `json:"outliers,omitempty"` // more than five deviations from the mean
	Infinite int          `json:"infinite,omitempty"`
	Classes  []ClassCount `json:"classes,omitempty"` // of labels and text, in the order of classes; at most 100
	Bins     []int        `json:"bins,omitempty"`    // histogram of ten bins from Min to Max

	unseen int // of labels by number: those below the largest that no sample has
}

// ClassCount is how often a class or text comes.
type ClassCount struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Inspect reads the whole data set and reports.
func Inspect(d Dataset) (*Report, error) {
	r := &Report{Samples: d.Len(), Problems: []string{}}
	for i, f := range d.Fields() {
		fr := FieldReport{Name: f.Name, Type: f.DType.String() + dimsText(f.Dims), Target: f.Target}
		var err error
		if f.DType == dtype.String || f.IsLabel() {
			err = fr.words(d, i, f)
		} else if f.DType.IsInt() || f.DType.IsFloat() || f.DType == dtype.Bool {
			err = fr.numbers(d, i, f)
		}
		if err != nil {
			return nil, err
		}
		r.Fields = append(r.Fields, fr)
	}
	if err := r.twins(d); err != nil {
		return nil, err
	}
	r.judge()
	return r, nil
}

func dimsText(dims []int) string {
	s := make([]string, len(dims))
	for i, d := range dims {
		s[i] = strconv.Itoa(d)
	}
	return "[" + strings.Join(s, ",") + "]"
}

// words counts labels and texts.
func (r *FieldReport) words(d Dataset, i int, f Field) error {
	count := map[string]int{}
	err := scan(d, func(_ int, b []tensor.Tensor) error {
		if f.DType == dtype.String {
			for _, s := range b[i].Strings() {
				count[s]++
			}
			return nil
		}
		for _, v := range tensor.Slice[int64](&b[i]) {
			name := strconv.FormatInt(v, 10)
			if v >= 0 && v < int64(len(f.Classes)) {
				name = f.Classes[v]
			}
			count[name]++
		}
		return nil
	})
	if err != nil {
		return err
	}
	if f.DType == dtype.String {
		r.Missing = count[""]
		delete(count, "")
	}
	if f.IsLabel() && f.Classes == nil {
		largest := 0
		for name := range count {
			n, _ := strconv.Atoi(name)
			largest = max(largest, n)
		}
		r.unseen = largest + 1 - len(count)
	}
	r.Distinct = len(count)
	r.Constant = len(count) == 1 && r.Missing == 0
	for _, name := range distinct(slices.Sorted(maps.Keys(count))) {
		if len(r.Classes) < 100 {
			r.Classes = append(r.Classes, ClassCount{name, count[name]})
		}
	}
	return nil
}

func (r *FieldReport) numbers(d Dataset, i int, f Field) error {
	ms, err := moments(d, i, -1)
	if err != nil {
		return err
	}
	m := ms[0]
	r.Missing, r.Infinite = m.nan, m.inf
	if m.n == 0 {
		return nil
	}
	std := m.deviation()
	r.Min, r.Max, r.Mean, r.Std = &m.min, &m.max, finite(m.mean), finite(std)
	r.Constant = m.min == m.max && m.nan == 0 && m.inf == 0
	r.Bins = make([]int, 10)
	scalar := len(f.Dims) == 0 || len(f.Dims) == 1 && f.Dims[0] == 1
	seen := map[float64]bool{}
	return errAfter(scan(d, func(_ int, b []tensor.Tensor) error {
		for j := range b[i].Len() {
			v := b[i].Float(j)
			if math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
			if scalar {
				seen[v] = true
				if std > 0 && math.Abs(v-m.mean) > farAway*std {
					r.Outliers++
				}
			}
			r.Bins[m.bin(v, len(r.Bins))]++
		}
		return nil
	}), func() { r.Distinct = len(seen) })
}

// finite is v, nil where the sums of large numbers have none.
func finite(v float64) *float64 {
	if v-v != 0 {
		return nil
	}
	return &v
}

// bin is the place of v among n equal parts from min to max.
func (s *moment) bin(v float64, n int) int {
	lo, hi := s.min, s.max
	if math.IsInf(hi-lo, 0) {
		v, lo, hi = v/2, lo/2, hi/2
	}
	if lo == hi {
		return 0
	}
	return min(n-1, int((v-lo)/(hi-lo)*float64(n)))
}

func errAfter(err error, f func()) error {
	if err == nil {
		f()
	}
	return err
}

// twins finds samples whose inputs are equal.
func (r *Report) twins(d Dataset) error {
	fs := d.Fields()
	first := map[[sha256.Size]byte][sha256.Size]byte{} // of inputs: of the targets of the first
	return scan(d, func(_ int, b []tensor.Tensor) error {
		for k := range b[0].Dim(0) {
			in, out := sha256.New(), sha256.New()
			for i, f := range fs {
				h := in
				if f.Target {
					h = out
				}
				hashSamples(h, &b[i], k, 1)
			}
			x, y := [sha256.Size]byte(in.Sum(nil)), [sha256.Size]byte(out.Sum(nil))
			if was, ok := first[x]; !ok {
				first[x] = y
			} else {
				r.Duplicates++
				if was != y {
					r.Contradictions++
				}
			}
		}
		return nil
	})
}

// judge words the problems.
func (r *Report) judge() {
	type found struct {
		rank int
		text string
	}
	var list []found
	add := func(rank int, format string, a ...any) { list = append(list, found{rank, fmt.Sprintf(format, a...)}) }
	share := func(n int) string {
		return fmt.Sprintf("%d of %d samples (%.1f %%)", n, r.Samples, 100*float64(n)/float64(r.Samples))
	}
	if r.Contradictions > 0 {
		add(0, "%s equal an earlier one but have another target", share(r.Contradictions))
	}
	if n := r.Duplicates - r.Contradictions; n > 0 {
		add(4, "%s equal an earlier one: they may stand in training and validation alike", share(n))
	}
	var numeric []string
	for _, f := range r.Fields {
		if _, err := strconv.ParseFloat(f.Name, 64); err == nil {
			numeric = append(numeric, f.Name)
		}
	}
	if len(numeric) > 0 {
		add(0, "columns are called %s: is the first line none of names (header=no), or one to leave out (skip=1)?", strings.Join(numeric[:min(3, len(numeric))], ", "))
	}
	if len(r.Fields) == 1 && strings.ContainsAny(r.Fields[0].Name, ",;|\t ") {
		add(0, "the only column is called %q: does something else part the columns (sep)?", r.Fields[0].Name)
	}
	for _, f := range r.Fields {
		if f.unseen > 0 {
			add(2, "%s: %d of the classes from 0 to the largest have no sample, and the model gets an output for each (categorical=%s numbers those that there are)", f.Name, f.unseen, f.Name)
		}
		if f.Infinite > 0 {
			add(1, "%s: %d infinite values", f.Name, f.Infinite)
		}
		if f.Constant {
			add(2, "%s: every value is the same", f.Name)
		}
		if f.Missing > 0 {
			add(3, "%s: %d missing values (%.1f %%)", f.Name, f.Missing, 100*float64(f.Missing)/float64(r.Samples))
		}
		if f.Outliers > 0 {
			add(5, "%s: %d values more than %d deviations from the mean", f.Name, f.Outliers, farAway)
		}
		if f.Target && len(f.Classes) > 1 {
			lo := slices.MinFunc(f.Classes, func(a, b ClassCount) int { return a.Count - b.Count })
			hi := slices.MaxFunc(f.Classes, func(a, b ClassCount) int { return a.Count - b.Count })
			if lo.Count*10 <= hi.Count {
				add(3, "%s: class %s has %d samples, class %s %d", f.Name, lo.Name, lo.Count, hi.Name, hi.Count)
			}
		}
		if !f.Target && f.Type == "str[1]" && f.Distinct > 10 && f.Distinct*2 > r.Samples {
			add(3, "%s: %d distinct texts: looks like a name, not a category", f.Name, f.Distinct)
		}
	}
	slices.SortStableFunc(list, func(a, b found) int { return cmp.Compare(a.rank, b.rank) })
	for _, f := range list {
		r.Problems = append(r.Problems, f.text)
	}
}

// Text prints the report for people.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d samples\n", r.Samples)
	wide := 5
	for _, f := range r.Fields {
		wide = max(wide, len([]rune(f.Name)))
	}
	fmt.Fprintf(&b, "%-*s  %-12s %8s %8s %12s %12s %12s %12s\n", wide, "field", "type", "missing", "distinct", "min", "mean", "max", "std")
	num := func(v *float64) string {
		if v == nil {
			return ""
		}
		return formatNumber(*v)
	}
	for _, f := range r.Fields {
		distinct := ""
		if f.Distinct > 0 {
			distinct = strconv.Itoa(f.Distinct)
		}
		note := ""
		if f.Target {
			note = "  target"
		}
		line := fmt.Sprintf("%-*s  %-12s %8d %8s %12s %12s %12s %12s%s", wide, f.Name, f.Type, f.Missing, distinct, num(f.Min), num(f.Mean), num(f.Max), num(f.Std), note)
		fmt.Fprintln(&b, strings.TrimRight(line, " "))
	}
	for _, f := range r.Fields {
		if f.Target && len(f.Classes) > 0 {
			fmt.Fprintf(&b, "classes of %s:", f.Name)
			for _, c := range f.Classes {
				fmt.Fprintf(&b, " %s=%d", c.Name, c.Count)
			}
			b.WriteByte('\n')
		}
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "problem: %s\n", p)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// formatNumber is five digits, as tables show them.
func formatNumber(v float64) string { return fmt.Sprintf("%.5g", v) }
