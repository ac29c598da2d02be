package data

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// FitOptions choose the preprocessing that Fit fits.
type FitOptions struct {
	Normalize     string // "standard" (default): mean 0, deviation 1; "minmax": 0..1; "none"
	Fill          string // for missing numbers: "mean" (default), "median", "zero"
	MaxCategories int    // a text column of more distinct values is an error; 0: 64
}

// Normalizations and Fills list what FitOptions takes.
func Normalizations() []string { return []string{"standard", "minmax", "none"} }
func Fills() []string          { return []string{"mean", "median", "zero"} }

// Prep is preprocessing fitted on a training part: for each input field the
// stages it goes through. It is plain data.
type Prep struct {
	Fields []FieldPrep `json:"fields"`
	Dims   []int       `json:"dims"` // of one prepared sample: [features], or [c,h,w] of pictures
}

// FieldPrep is one raw input and what is done to it, in order.
type FieldPrep struct {
	Field  Field   `json:"field"`
	Type   string  `json:"type"`
	Stages []Stage `json:"stages"`
}

// Stage is one fitted step. Of its parts exactly one is set.
type Stage struct {
	Cast   bool     `json:"cast,omitempty"`    // to f32
	Fill   *float64 `json:"fill,omitempty"`    // instead of NaN
	Scale  *Scale   `json:"scale,omitempty"`   // (x-Sub)*Mul
	OneHot []string `json:"one_hot,omitempty"` // a text becomes the vector that is 1 at its place and else 0; unknown and missing: all 0
	Planes string   `json:"planes,omitempty"`  // "hw" or "hwc": pictures become [c,h,w]
}

// Scale is (x-Sub)*Mul, each of one element or of one for each element along
// Axis of a sample.
type Scale struct {
	Sub  []float64 `json:"sub"`
	Mul  []float64 `json:"mul"`
	Axis int       `json:"axis"`
}

// Fit fits preprocessing of all input fields of d, which must be the training
// part only: numbers are filled and normalized one by one, text becomes
// one-hot, pictures (uint8 [h,w] or [h,w,c]) become f32 [c,h,w] with one mean
// and deviation a channel. Errors: a column has no value at all, text with too
// many values, no input fields.
func Fit(d Dataset, o FitOptions) (*Prep, error) {
	if o.Normalize == "" {
		o.Normalize = "standard"
	}
	if o.Fill == "" {
		o.Fill = "mean"
	}
	if o.MaxCategories == 0 {
		o.MaxCategories = 64
	}
	if !slices.Contains(Normalizations(), o.Normalize) {
		return nil, diag.New(diag.Usage, "normalization %q: unknown (have %v)", o.Normalize, Normalizations())
	}
	if !slices.Contains(Fills(), o.Fill) {
		return nil, diag.New(diag.Usage, "fill %q: unknown (have %v)", o.Fill, Fills())
	}
	p := &Prep{}
	var faults diag.List
	for i, f := range d.Fields() {
		if f.Target {
			continue
		}
		fp, err := fitField(d, i, f, o)
		if e, ok := err.(*diag.Error); ok {
			faults = append(faults, e)
			continue
		} else if err != nil {
			return nil, err
		}
		p.Fields = append(p.Fields, fp)
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	if len(p.Fields) == 0 {
		return nil, diag.New(diag.BadData, "the data set has no input fields")
	}
	return p, p.dims()
}

// dims computes Dims: fields of one axis are joined, any other stands alone.
func (p *Prep) dims() error {
	total := 0
	for _, f := range p.Fields {
		d := f.prepared()
		if len(p.Fields) == 1 {
			p.Dims = d
			return nil
		}
		if len(d) != 1 {
			return diag.New(diag.Unsupported, "field %q of shape %v beside other inputs (supported: one field of any shape, or columns)", f.Field.Name, f.Field.Dims)
		}
		total += d[0]
	}
	p.Dims = []int{total}
	return nil
}

// prepared is the shape of one sample of the field after its stages.
func (f *FieldPrep) prepared() []int {
	d := f.Field.Dims
	for _, s := range f.Stages {
		switch {
		case s.OneHot != nil:
			d = []int{len(s.OneHot)}
		case s.Planes == "hw":
			d = []int{1, d[0], d[1]}
		case s.Planes == "hwc":
			d = []int{d[2], d[0], d[1]}
		}
	}
	return d
}

func fitField(d Dataset, i int, f Field, o FitOptions) (FieldPrep, error) {
	p := FieldPrep{Field: f, Type: f.DType.String()}
	bad := func(kind diag.Kind, format string, a ...any) error {
		return &diag.Error{Kind: kind, Port: fmt.Sprintf("column %q", f.Name), Err: fmt.Errorf(format, a...)}
	}
	switch {
	case f.DType == dtype.String:
		values, err := categories(d, i)
		if err != nil {
			return p, err
		}
		if len(values) > o.MaxCategories {
			return p, bad(diag.BadData, "text of %d distinct values: want at most %d (leave it out with drop=%s)", len(values), o.MaxCategories, f.Name)
		}
		if len(values) == 0 {
			return p, bad(diag.BadData, "every value is missing (leave it out with drop=%s)", f.Name)
		}
		p.Stages = []Stage{{OneHot: values}}
		return p, nil
	case !(f.DType.IsInt() || f.DType == dtype.F32 || f.DType == dtype.F64 || f.DType == dtype.F16 || f.DType == dtype.BF16) || f.DType.Bits() < 8:
		return p, bad(diag.Unsupported, "preprocessing of %v (supported: integers, floats, text)", f.DType)
	}
	axis, planes := 0, ""
	switch {
	case f.DType == dtype.U8 && len(f.Dims) == 2:
		axis, planes = -1, "hw"
	case f.DType == dtype.U8 && len(f.Dims) == 3:
		axis, planes = 2, "hwc"
	case len(f.Dims) != 1 && len(f.Dims) != 3: // a feature vector, or [c,h,w]
		axis = -1
	}
	st, err := moments(d, i, axis)
	if err != nil {
		return p, err
	}
	if f.DType != dtype.F32 {
		p.Stages = append(p.Stages, Stage{Cast: true})
	}
	for _, s := range st {
		if s.n == 0 {
			return p, bad(diag.BadData, "every value is missing (leave it out with drop=%s)", f.Name)
		}
		if s.inf > 0 {
			return p, bad(diag.BadData, "%d infinite values, the first in %s", s.inf, d.Where(s.infAt))
		}
		if v := max(-s.min, s.max); v > math.MaxFloat32 {
			return p, bad(diag.BadData, "values of up to %.3g: want what an f32 holds", v)
		}
		if s.nan > 0 && len(st) > 1 {
			return p, bad(diag.Unsupported, "missing values in a vector of %d, the first in %s (supported: in single columns)", len(st), d.Where(s.nanAt))
		}
	}
	// A single column takes a fill even where the training part misses nothing:
	// what comes later may.
	if len(st) == 1 && len(f.Dims) == 1 && f.DType.IsFloat() {
		v := 0.0
		switch o.Fill {
		case "mean":
			v = st[0].mean
		case "median":
			if v, err = median(d, i); err != nil {
				return p, err
			}
		}
		p.Stages = append(p.Stages, Stage{Fill: &v})
		st[0] = st[0].filled(v)
	}
	if sc := scaleOf(st, axis, o.Normalize); sc != nil {
		p.Stages = append(p.Stages, Stage{Scale: sc})
	}
	if planes != "" {
		p.Stages = append(p.Stages, Stage{Planes: planes})
	}
	return p, nil
}

// moment is what one column, channel or field comes to.
type moment struct {
	n, nan, inf  int
	nanAt, infAt int     // the first samples of their kind
	mean, m2     float64 // m2: sum of squared distances from the mean
	min, max     float64
}

// filled is the moment after the missing values are v.
func (s moment) filled(v float64) moment {
	n := float64(s.n + s.nan)
	mean := s.mean + (v-s.mean)*(float64(s.nan)/n)
	a, b := s.mean-mean, v-mean
	s.m2 = s.m2 + float64(float64(s.n)*float64(a*a)) + float64(float64(s.nan)*float64(b*b))
	if s.nan > 0 {
		s.min, s.max = min(s.min, v), max(s.max, v)
	}
	s.mean, s.n, s.nan = mean, s.n+s.nan, 0
	return s
}

// moments makes two sweeps, for sums that do not cancel: one moment for the
// whole field (axis < 0) or one for each element along axis.
func moments(d Dataset, field, axis int) ([]moment, error) {
	dims := d.Fields()[field].Dims
	k, inner := 1, 1
	if axis >= 0 && axis < len(dims) {
		k = dims[axis]
		for _, x := range dims[axis+1:] {
			inner *= x
		}
	}
	st := make([]moment, k)
	each := func(visit func(s *moment, row int, v float64)) error {
		return scan(d, func(first int, b []tensor.Tensor) error {
			t := &b[field]
			per := max(1, t.Len()/t.Dim(0))
			for j := range t.Len() {
				visit(&st[j/inner%k], first+j/per, t.Float(j))
			}
			return nil
		})
	}
	err := each(func(s *moment, row int, v float64) {
		switch {
		case math.IsNaN(v):
			if s.nan == 0 {
				s.nanAt = row
			}
			s.nan++
			return
		case math.IsInf(v, 0):
			if s.inf == 0 {
				s.infAt = row
			}
			s.inf++
			return
		}
		if s.n == 0 {
			s.min, s.max = v, v
		}
		s.n++
		s.min, s.max = min(s.min, v), max(s.max, v)
		s.mean += v
	})
	if err != nil {
		return nil, err
	}
	for i := range st {
		if st[i].n > 0 {
			st[i].mean /= float64(st[i].n)
		}
	}
	err = each(func(s *moment, _ int, v float64) {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			e := v - s.mean
			s.m2 += float64(e * e)
		}
	})
	return st, err
}

func (s moment) deviation() float64 {
	if s.n == 0 {
		return 0
	}
	return math.Sqrt(s.m2 / float64(s.n))
}

// scaleOf is the scaling that normalizes; nil for none. What is constant is
// moved to 0 and left unscaled.
func scaleOf(st []moment, axis int, how string) *Scale {
	if how == "none" {
		return nil
	}
	sc := &Scale{Axis: max(axis, 0)}
	for _, s := range st {
		sub, spread := s.mean, s.deviation()
		if how == "minmax" {
			sub, spread = s.min, s.max-s.min
		}
		mul := 1.0
		if spread > 1e-12*max(1e-12, math.Abs(sub)) {
			mul = 1 / spread
		}
		sc.Sub, sc.Mul = append(sc.Sub, sub), append(sc.Mul, mul)
	}
	return sc
}

// categories lists the texts that field i holds, "" left out, in the order of
// the field's classes.
func categories(d Dataset, i int) ([]string, error) {
	seen := map[string]bool{}
	err := scan(d, func(_ int, b []tensor.Tensor) error {
		for _, s := range b[i].Strings() {
			seen[s] = true
		}
		return nil
	})
	delete(seen, "")
	return distinct(slices.Sorted(maps.Keys(seen))), err
}

// median is the middle of the values that are there.
func median(d Dataset, i int) (float64, error) {
	var v []float64
	err := scan(d, func(_ int, b []tensor.Tensor) error {
		for j := range b[i].Len() {
			if x := b[i].Float(j); !math.IsNaN(x) {
				v = append(v, x)
			}
		}
		return nil
	})
	if err != nil || len(v) == 0 {
		return 0, err
	}
	slices.Sort(v)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2, nil
	}
	return v[len(v)/2], nil
}
