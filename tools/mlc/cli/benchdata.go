package cli

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// quality is how good a subject's answers are.
type quality struct {
	Samples   int      `json:"samples"`
	Accuracy  *float64 `json:"accuracy,omitempty"`            // share of labels met
	MAE       *float64 `json:"mean_absolute_error,omitempty"` // of targets that are numbers
	Deviation *float64 `json:"max_deviation,omitempty"`       // from the first pipeline of the model, largest over all outputs
	Relative  *float64 `json:"relative_deviation,omitempty"`  // that over the largest magnitude
	Agreement *float64 `json:"agreement,omitempty"`           // share of samples with the same largest element
}

func qualityColumns() []benchColumn {
	share := func(get func(q *quality) *float64) func(*benchResult) string {
		return func(r *benchResult) string {
			if r.Quality == nil || get(r.Quality) == nil {
				return ""
			}
			return fmt.Sprintf("%.2f %%", 100**get(r.Quality))
		}
	}
	return []benchColumn{
		{"accuracy", share(func(q *quality) *float64 { return q.Accuracy })},
		{"mean error", func(r *benchResult) string {
			if r.Quality == nil || r.Quality.MAE == nil {
				return ""
			}
			return fmt.Sprintf("%.4g", *r.Quality.MAE)
		}},
		{"agreement", share(func(q *quality) *float64 { return q.Agreement })},
		{"deviation", func(r *benchResult) string {
			if r.Quality == nil || r.Quality.Relative == nil {
				return ""
			}
			return fmt.Sprintf("%.2g", *r.Quality.Relative)
		}},
	}
}

// comparedSamples is how many random inputs pipelines are compared on.
const comparedSamples = 16

// benchData feeds samples of a data set to models.
type benchData struct {
	spec   string
	set    data.Dataset
	target int // field, -1 if there is none
}

func openBenchData(f *benchFlags, builds []*benchBuild) (*benchData, error) {
	o := data.Options{Seed: f.seed}
	if len(builds) > 0 {
		for _, in := range builds[0].model.Inputs() {
			d, err := concrete(in.Type, nil)
			if err != nil {
				return nil, err
			}
			if len(d) > 0 {
				o.Fields = append(o.Fields, data.Field{Name: in.Name, DType: in.Type.DType, Dims: d[1:]})
			}
		}
	}
	set, err := data.Open(f.data, o)
	if err != nil {
		return nil, err
	}
	d := &benchData{spec: f.data, set: set, target: -1}
	if set.Len() == 0 {
		return nil, diag.In(f.data, diag.BadData, fmt.Errorf("holds no samples"))
	}
	for i, x := range set.Fields() {
		if x.Target {
			if d.target >= 0 {
				return nil, diag.In(f.data, diag.Unsupported, fmt.Errorf("several targets (supported: one)"))
			}
			d.target = i
		}
	}
	return d, nil
}

// fields gives for each input of b its field: by name, else in order where
// there are as many of one as of the other.
func (d *benchData) fields(b *benchBuild) ([]int, error) {
	fs := d.set.Fields()
	var free []int
	for i := range fs {
		if !fs[i].Target {
			free = append(free, i)
		}
	}
	infos := b.model.Inputs()
	out := make([]int, len(infos))
	for k, in := range infos {
		at := slices.IndexFunc(free, func(i int) bool { return fs[i].Name == in.Name })
		if at < 0 && len(free) == len(infos) {
			at = k
		}
		if at < 0 {
			return nil, &diag.Error{Kind: diag.BadData, File: d.spec, Node: fmt.Sprintf("input %q", in.Name), Have: "no such field", Want: in.Type.String()}
		}
		out[k] = free[at]
		field := fs[out[k]]
		have, err := concrete(in.Type, nil)
		if err != nil {
			return nil, err
		}
		if len(have) == 0 || in.Type.DType != field.DType || !slices.Equal(have[1:], field.Dims) {
			return nil, &diag.Error{Kind: diag.BadData, File: d.spec, Node: fmt.Sprintf("input %q", in.Name),
				Have: fmt.Sprintf("%s%v a sample of field %q", field.DType, field.Dims, field.Name), Want: in.Type.String()}
		}
	}
	return out, nil
}

// first is a batch for timing: the first samples, again from the start where
// there are not enough.
func (d *benchData) first(b *benchBuild, batch int) ([]tensor.Value, error) {
	n, err := extentOf(b, batch)
	if err != nil {
		return nil, err
	}
	in, _, err := d.batch(b, 0, n)
	return in, err
}

// extentOf is the first extent that b takes: batch where it is open.
func extentOf(b *benchBuild, batch int) (int, error) {
	for _, in := range b.model.Inputs() {
		if !in.Type.Ranked() || len(in.Type.Dims) == 0 {
			continue
		}
		if n, ok := in.Type.Dims[0].Const(); ok {
			return int(n), nil
		}
		return batch, nil
	}
	return 0, usage("--data: no input of %s has a batch axis", b.path)
}

// batch reads n samples from number at on, around the end.
func (d *benchData) batch(b *benchBuild, at, n int) (in []tensor.Value, target *tensor.Tensor, err error) {
	from, err := d.fields(b)
	if err != nil {
		return nil, nil, err
	}
	rows := make([]int, n)
	for i := range rows {
		rows[i] = (at + i) % d.set.Len()
	}
	ts, err := data.Read(d.set, rows...)
	if err != nil {
		return nil, nil, err
	}
	for _, i := range from {
		in = append(in, tensor.V(ts[i]))
	}
	if d.target >= 0 {
		target = &ts[d.target]
	}
	return in, target, nil
}

// tally sums what quality is made of.
type tally struct {
	samples, labels, hits, rows, same int
	errs                              float64
	values                            int
	deviation, magnitude              float64
}

// qualities runs every subject on the same samples: those of the data set, or
// random ones where pipelines of one model are compared.
func (a *app) qualities(ctx context.Context, xs []*benchSubject, d *benchData, f *benchFlags) error {
	if d == nil && len(f.pipelines) < 2 {
		return nil
	}
	for i := 0; i < len(xs); {
		n := i + 1
		for n < len(xs) && xs[n].Model == xs[i].Model && len(f.pipelines) > 0 {
			n++
		}
		if err := a.quality(ctx, xs[i:n], d, f); err != nil {
			return err
		}
		i = n
	}
	return nil
}

// quality compares the pipelines xs of one model.
func (a *app) quality(ctx context.Context, xs []*benchSubject, d *benchData, f *benchFlags) error {
	sums := make([]tally, len(xs))
	size, total := 1, comparedSamples
	if d != nil {
		var err error
		if size, err = extentOf(xs[0].b, xs[0].Batch); err != nil {
			return err
		}
		total = d.set.Len()
	}
	dims, err := batchDims(xs[0].b, xs[0].Batch, f)
	if err != nil {
		return err
	}
	for at := 0; at < total; at += size {
		var in []tensor.Value
		var target *tensor.Tensor
		if d != nil {
			in, target, err = d.batch(xs[0].b, at, size)
		} else {
			in, err = a.inputs(xs[0].b.model, nil, true, f.seed+uint64(1000*at), dims)
		}
		if err != nil {
			return err
		}
		var first []tensor.Value
		for i, x := range xs {
			out, err := x.answer(ctx, in)
			if err != nil {
				return err
			}
			if i == 0 {
				first = out
			}
			valid := size
			if d != nil {
				valid = min(size, total-at)
			}
			sums[i].samples += valid
			sums[i].against(first, out, d != nil, valid)
			if target == nil {
				continue
			}
			if err := sums[i].score(x, out, target, d.set.Fields()[d.target], valid); err != nil {
				return err
			}
		}
	}
	for i := range xs {
		xs[i].Quality = sums[i].quality(i > 0, d != nil)
	}
	return nil
}

// answer runs on in and copies the outputs; what is timed stays bound.
func (x *benchSubject) answer(ctx context.Context, in []tensor.Value) ([]tensor.Value, error) {
	s := x.sessions[0]
	infos := x.b.model.Inputs()
	for i, p := range infos {
		if err := s.BindValue(p.Name, in[i]); err != nil {
			return nil, err
		}
	}
	s.Reset()
	if err := s.Run(ctx); err != nil {
		return nil, err
	}
	var out []tensor.Value
	for _, p := range x.b.model.Outputs() {
		v, err := s.OutputValue(p.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, v.Clone())
	}
	s.Reset()
	for i, p := range infos {
		if err := s.BindValue(p.Name, x.in[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// against adds up how far out is from first.
func (t *tally) against(first, out []tensor.Value, batched bool, valid int) {
	for k := range out {
		if out[k].Kind != tensor.KindTensor || first[k].Kind != tensor.KindTensor {
			continue
		}
		w, g := &first[k].Tensor, &out[k].Tensor
		if !g.DType().IsFloat() && !g.DType().IsInt() || g.Len() != w.Len() {
			continue
		}
		n := g.Len()
		if batched && g.Rank() > 0 && g.Dim(0) > 0 {
			n = n / g.Dim(0) * min(valid, g.Dim(0))
		}
		for i := range n {
			x, y := w.Float(i), g.Float(i)
			if !math.IsNaN(x) && !math.IsInf(x, 0) {
				t.magnitude = max(t.magnitude, math.Abs(x))
			}
			switch e := math.Abs(x - y); {
			case x == y || x != x && y != y:
			case e != e || math.IsInf(e, 0):
				t.deviation = math.MaxFloat64
			default:
				t.deviation = max(t.deviation, e)
			}
		}
		if k > 0 || !g.DType().IsFloat() || g.Rank() < 2 || g.Dim(1) < 2 || g.Rank() != 2 {
			continue
		}
		for i := range n / g.Dim(1) {
			t.rows++
			if argmax(w, i) == argmax(g, i) {
				t.same++
			}
		}
	}
}

// argmax is the place of the largest element of row i.
func argmax(t *tensor.Tensor, i int) int {
	best, n := 0, t.Dim(1)
	for j := range n {
		if t.Float(i*n+j) > t.Float(i*n+best) {
			best = j
		}
	}
	return best
}

// score adds up how well the first output meets the target.
func (t *tally) score(x *benchSubject, out []tensor.Value, target *tensor.Tensor, field data.Field, valid int) error {
	y := &out[0].Tensor
	label := field.IsLabel()
	bad := out[0].Kind != tensor.KindTensor || y.Rank() == 0 || y.Dim(0) < valid || target.Dim(0) < valid
	switch {
	case bad:
	case label:
		bad = y.Rank() != 2 || !y.DType().IsFloat() || y.Dim(1) < 2
	default:
		bad = !y.DType().IsFloat() || y.Len()/y.Dim(0) != target.Len()/target.Dim(0)
	}
	if bad {
		return &diag.Error{Kind: diag.Unsupported, File: x.Model, Node: fmt.Sprintf("output %q", x.b.model.Outputs()[0].Name),
			Have: out[0].Type().String(), Want: "scores of classes [N,classes] for labels, or numbers of the target's shape"}
	}
	if label {
		for i := range valid {
			t.labels++
			if int64(argmax(y, i)) == target.Int(i) {
				t.hits++
			}
		}
		return nil
	}
	for i := range valid * (target.Len() / target.Dim(0)) {
		t.errs += math.Abs(y.Float(i) - target.Float(i))
		t.values++
	}
	return nil
}

// quality makes figures of the sums; deviations only where there is a first
// pipeline to deviate from.
func (t *tally) quality(compared, scored bool) *quality {
	q := &quality{Samples: t.samples}
	share := func(part float64, of int) *float64 {
		if of == 0 {
			return nil
		}
		v := part / float64(of)
		return &v
	}
	q.Accuracy, q.MAE = share(float64(t.hits), t.labels), share(t.errs, t.values)
	if compared {
		q.Agreement = share(float64(t.same), t.rows)
		abs, rel := t.deviation, t.deviation
		if t.magnitude > 0 {
			rel /= t.magnitude
		}
		q.Deviation, q.Relative = &abs, &rel
	} else if !scored {
		return nil
	}
	return q
}
