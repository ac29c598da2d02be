package retrain

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// defaultMemory is what Distillation.Memory is by default.
const defaultMemory = 1 << 30

// answers are the teacher's logits for one data set.
type answers struct {
	t    *Teacher
	d    data.Dataset
	from []int // fields that feed the teacher

	mu   sync.Mutex
	kept []byte // nil: nothing is kept
	have []bool
}

// Keeps is how many bytes the logits of d take that Distill keeps; 0 where it
// keeps none: they would take more than memory (see Distillation.Memory), or
// the samples of a batch depend on each other.
func (t *Teacher) Keeps(d data.Dataset, memory int64) int64 {
	if memory == 0 {
		memory = defaultMemory
	}
	n, ok := tensor.Count(t.field.Dims)
	if one := int64(t.field.DType.Bytes(n)); ok && !t.meets && one <= memory/int64(max(1, d.Len())) {
		return one * int64(d.Len())
	}
	return 0
}

// answer is d with the logits as a further field; fresh says that they must
// be computed of each batch.
func (t *Teacher) answer(d data.Dataset, memory int64, fresh bool) (data.Dataset, error) {
	from, err := data.Match(t.inputs, d)
	if err != nil {
		return nil, diag.In(t.name, diag.BadData, err)
	}
	a := &answers{t: t, d: d, from: from}
	if n := t.Keeps(d, memory); n > 0 && !fresh {
		a.kept, a.have = make([]byte, n), make([]bool, d.Len())
	}
	return data.Derive(d, t.field, a.fill)
}

// fill implements data.Fill. A batch of which a sample is not known yet is
// computed as a whole: after the first epoch there is none.
func (a *answers) fill(rows []int, batch []tensor.Tensor, to *tensor.Tensor) error {
	if len(rows) == 0 {
		return nil
	}
	b := to.Bytes()
	one := len(b) / len(rows)
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.kept != nil
	for k := 0; known && k < len(rows); k++ {
		known = a.have[rows[k]]
		copy(b[k*one:(k+1)*one], a.kept[rows[k]*one:])
	}
	if known {
		return nil
	}
	in := make([]tensor.Tensor, len(a.from))
	for i, f := range a.from {
		in[i] = batch[f]
	}
	if err := a.t.run(in, len(rows), b); err != nil {
		return diag.In(a.t.name, diag.Internal, err)
	}
	if i := to.NotFinite(); i >= 0 {
		return &diag.Error{Kind: diag.BadData, File: a.d.Where(rows[i*len(rows)/to.Len()]), Port: fmt.Sprintf("output %q of the teacher", a.t.m.Main().Results[0].Name),
			Have: fmt.Sprint(to.Float(i)), Want: "a finite number"}
	}
	if a.kept != nil {
		for k, r := range rows {
			copy(a.kept[r*one:(r+1)*one], b[k*one:])
			a.have[r] = true
		}
	}
	return nil
}

// run writes the logits of n samples to dst.
func (t *Teacher) run(in []tensor.Tensor, n int, dst []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	step := t.batch
	if step == 0 {
		step = min(n, t.most)
	}
	if step == n {
		return t.once(in, n, dst)
	}
	one := len(dst) / n
	for at := 0; at < n; at += step {
		k := min(step, n-at)
		size := k
		if t.batch > 0 {
			size = t.batch
		}
		part := make([]tensor.Tensor, len(in))
		for i := range in {
			part[i] = samples(&in[i], at, k, size)
		}
		if err := t.once(part, size, dst[at*one:(at+k)*one]); err != nil {
			return err
		}
	}
	return nil
}

// once runs the model on n samples and copies as many logits as dst holds.
func (t *Teacher) once(in []tensor.Tensor, n int, dst []byte) error {
	out, err := t.x.Run(context.Background(), tensor.Vs(in...))
	if err != nil {
		return err
	}
	y := &out[0].Tensor
	if y.DType() != t.field.DType || y.Rank() < 1 || y.Dim(0) != n || !slices.Equal(y.Dims()[1:], t.field.Dims) {
		return &diag.Error{Kind: diag.Shape, Port: "logits", Have: fmt.Sprint(y.Dims()), Want: fmt.Sprint(append([]int{n}, t.field.Dims...)) + ": a row a sample"}
	}
	copy(dst, y.Bytes())
	return nil
}

// samples are k samples of t from at on; where size is more, the last is
// repeated.
func samples(t *tensor.Tensor, at, k, size int) tensor.Tensor {
	out := tensor.New(t.DType(), append([]int{size}, t.Dims()[1:]...)...)
	n := t.Dim(0)
	for i := range size {
		from := at + min(i, k-1)
		if t.DType() == dtype.String {
			w := len(t.Strings()) / n
			copy(out.Strings()[i*w:(i+1)*w], t.Strings()[from*w:])
			continue
		}
		w := len(t.Bytes()) / n
		copy(out.Bytes()[i*w:(i+1)*w], t.Bytes()[from*w:])
	}
	return out
}

// Top1 is the share of the labels of d to which the teacher gives the highest
// score. Where d is what Distill gave, kept logits are not computed again.
func (t *Teacher) Top1(ctx context.Context, d data.Dataset) (float64, error) {
	if data.Index(d, fieldLogits) < 0 {
		var err error
		if d, err = t.answer(d, 0, true); err != nil {
			return 0, err
		}
	}
	at, err := data.Target(d)
	if err != nil {
		return 0, err
	}
	l, err := data.NewLoader(d, data.LoaderOptions{Batch: 64})
	if err != nil {
		return 0, err
	}
	hits, all := 0, 0
	for b, err := range l.Epoch(ctx, 0, 0) {
		if err != nil {
			return 0, err
		}
		label, y := &b.Tensors[at], &b.Tensors[data.Index(d, fieldLogits)]
		classes := y.Dim(1)
		if !label.DType().IsInt() || label.Len()*classes != y.Len() {
			return 0, &diag.Error{Kind: diag.Shape, File: t.name, Port: "logits", Have: fmt.Sprint(y.Dims()), Want: fmt.Sprintf("a score per class for labels %v%v", label.DType(), label.Dims())}
		}
		inner := label.Len() / y.Dim(0)
		for i := range label.Len() {
			base := i/inner*inner*classes + i%inner
			best := 0
			for c := range classes {
				if y.Float(base+c*inner) > y.Float(base+best*inner) {
					best = c
				}
			}
			if int64(best) == label.Int(i) {
				hits++
			}
		}
		all += label.Len()
	}
	return float64(hits) / float64(max(1, all)), nil
}
