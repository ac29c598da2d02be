package train

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Epoch is what one pass over the data gave.
type Epoch struct {
	N    int           `json:"n"`             // from 1
	Loss float64       `json:"loss"`          // mean over the training samples, each before its step
	Top1 float64       `json:"top1"`          // share of their labels that were right; 0 but for cross-entropy
	Val  *Scores       `json:"val,omitempty"` // nil without validation data
	LR   float64       `json:"lr"`            // of the last step
	Took time.Duration `json:"took"`          // of the part since a resume
}

// History is what a run did.
type History struct {
	Epochs  []Epoch
	Best    int               // number of the epoch of the lowest validation loss, or training loss without; 0: none
	Stopped string            // why it ended before the last epoch; "": it did not
	Resumed bool              // it went on from a checkpoint
	Model   *ir.Module        // what was learnt: of the best epoch with Patience, else of the last
	Masks   map[string][]bool // the masks of its weights, where Config.Masks began some
}

// Fit trains m, which is not changed, on a data set and gives the result in
// the History. Fields feed the inputs of their names; where the model has one
// input and the data one field that is no target, names need not agree. The
// target feeds the labels. val may be nil.
//
// With a Checkpoint, the file is written after each epoch (and Every so many
// steps) and when ctx ends, whole or not at all; a run that is killed at any
// point and called again with Resume gives the same bits as one that was not.
//
// Errors: Usage for the Config; BadData for data that do not fit the model,
// labels out of range with the row, and a loss, of training or validation, or a
// weight that is not finite, with the sample or the first node that made such a
// value; what Step says; those of OnStep and
// OnEpoch; an *Interrupted when ctx ends.
func Fit(ctx context.Context, exec ir.Executor, m *ir.Module, train, val data.Dataset, c Config) (*History, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	f := &fit{c: &c, base: m.Clone()}
	if c.Transform != nil {
		if err := c.Transform(f.base); err != nil {
			return nil, err
		}
	}
	if f.module, err = Step(f.base, c); err != nil {
		return nil, err
	}
	if f.loader, err = data.NewLoader(train, data.LoaderOptions{Batch: c.Batch, Shuffle: true, Seed: c.Seed, Augment: c.Augment}); err != nil {
		return nil, err
	}
	if f.feed, err = newFeeder(f.module, f.base, &c, train); err != nil {
		return nil, err
	}
	if f.x, err = exec.Compile(ctx, f.module); err != nil {
		return nil, f.interrupted(ctx, err)
	}
	defer f.x.Close()
	if val != nil {
		if f.val, err = newEvaluator(ctx, exec, f.base, &c, val); err != nil {
			return nil, f.interrupted(ctx, err)
		}
		defer f.val.Close()
	}
	for _, s := range f.module.States {
		f.names = append(f.names, s.Name)
	}
	if c.Checkpoint != "" {
		if f.config, err = f.digest(); err != nil {
			return nil, err
		}
	}
	if err := f.resume(); err != nil {
		return nil, err
	}
	if err := f.run(ctx); err != nil {
		return nil, f.interrupted(ctx, err)
	}
	return f.finish()
}

// fit is a run.
type fit struct {
	c       *Config
	base    *ir.Module // the model, transformed
	module  *ir.Module // the step
	names   []string   // its states
	x       ir.Exec
	loader  *data.Loader
	feed    *feeder
	val     *evaluator
	config  string // digest of what a checkpoint must agree with; "": there is none
	began   time.Time
	resumed bool
	owned   bool // the checkpoint is this run's
	torn    bool // a step has begun and not ended

	progress           // what a checkpoint holds
	last     [2]moment // before the latest step and the one before
}

// progress is where a run is; with the states it is all that matters.
type progress struct {
	Epoch   int     `json:"epoch"` // complete ones
	Step    int     `json:"step"`  // complete ones of the next epoch
	Loss    float64 `json:"loss"`  // summed over the samples of the next epoch so far
	Correct int64   `json:"correct"`
	Samples int     `json:"samples"`
	History []Epoch `json:"history"`
	Best    int     `json:"best"`
	Waited  int     `json:"waited"` // epochs since the best
	Stopped string  `json:"stopped,omitempty"`

	best map[string]tensor.Tensor // states of the best epoch; nil without Patience
}

// moment is a step that can be repeated: states before it and its inputs.
type moment struct {
	states map[string]tensor.Tensor
	in     []tensor.Value
	rows   []int
	ok     bool
}

func (f *fit) run(ctx context.Context) error {
	for f.Epoch < f.c.Epochs && f.Stopped == "" {
		f.began = time.Now()
		for b, err := range f.loader.Epoch(ctx, f.Epoch, f.Step) {
			if err != nil {
				return err
			}
			if err := f.step(ctx, b); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.endEpoch(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (f *fit) step(ctx context.Context, b data.Batch) error {
	steps := f.loader.Steps()
	total := f.Epoch*steps + b.Step
	lr := f.c.rate(total, f.c.Epochs*steps)
	in, err := f.feed.inputs(b.Tensors, lr)
	if err != nil {
		return err
	}
	if err := f.remember(in, b.Rows); err != nil {
		return err
	}
	f.torn = true
	out, err := f.x.Run(ctx, in)
	if err != nil {
		return err
	}
	f.torn = false
	loss := out[0].Tensor.Float(0)
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return f.blame(ctx, loss, b)
	}
	n := len(b.Rows)
	f.Loss += float64(loss * float64(n))
	if f.c.Loss == CrossEntropy {
		f.Correct += out[1].Tensor.Int(0)
	}
	f.Samples += n
	f.Step = b.Step + 1
	if f.c.OnStep != nil {
		p := Progress{Epoch: f.Epoch + 1, Epochs: f.c.Epochs, Step: f.Step, Steps: steps, Total: total + 1, Loss: loss, LR: lr}
		if err := f.c.OnStep(p, f.x); err != nil {
			return err
		}
	}
	if f.c.Every > 0 && (total+1)%f.c.Every == 0 && f.Step < steps {
		return f.save()
	}
	return nil
}

// remember keeps states and inputs as they are before a step.
func (f *fit) remember(in []tensor.Value, rows []int) error {
	f.last[0], f.last[1] = f.last[1], f.last[0]
	m := &f.last[0]
	m.ok = true
	m.rows = append(m.rows[:0], rows...)
	m.in = resized(m.in, len(in))
	for i := range in {
		copyInto(&m.in[i].Tensor, &in[i].Tensor)
		m.in[i].Kind = tensor.KindTensor
	}
	return f.states(&m.states)
}

// states copies all states into dst, reusing what it holds.
func (f *fit) states(dst *map[string]tensor.Tensor) error {
	if *dst == nil {
		*dst = make(map[string]tensor.Tensor, len(f.names))
	}
	for _, name := range f.names {
		v, err := f.x.State(name)
		if err != nil {
			return err
		}
		t := (*dst)[name]
		copyInto(&t, &v.Tensor)
		(*dst)[name] = t
	}
	return nil
}

func resized(v []tensor.Value, n int) []tensor.Value {
	if cap(v) < n {
		return make([]tensor.Value, n)
	}
	return v[:n]
}

// copyInto makes dst a copy of src, in dst's memory where it fits.
func copyInto(dst, src *tensor.Tensor) {
	if !dst.Valid() || dst.DType() != src.DType() || !slices.Equal(dst.Dims(), src.Dims()) {
		*dst = src.Clone()
		return
	}
	copy(dst.Bytes(), src.Bytes())
}

func (f *fit) endEpoch(ctx context.Context) error {
	if err := f.sound(ctx); err != nil {
		return err
	}
	steps := f.loader.Steps()
	e := Epoch{N: f.Epoch + 1, Loss: f.Loss / float64(f.Samples), LR: f.c.rate((f.Epoch+1)*steps-1, f.c.Epochs*steps)}
	if f.c.Loss == CrossEntropy {
		e.Top1 = f.feed.share(f.Correct, f.Samples)
	}
	watched := e.Loss
	if f.val != nil {
		s, bad, err := f.val.scoreWith(ctx, f.x)
		if err != nil {
			return err
		}
		if bad != nil {
			return f.blameScore(ctx, bad)
		}
		e.Val, watched = &s, s.Loss
	}
	e.Took = time.Since(f.began)
	f.History = append(f.History, e)
	f.Epoch, f.Step, f.Loss, f.Correct, f.Samples = f.Epoch+1, 0, 0, 0, 0
	if e.N < f.c.BestFrom {
		f.Waited = 0
	} else if f.Best == 0 || watched < f.watchedAt(f.Best)-f.c.MinDelta {
		f.Best, f.Waited = e.N, 0
		if f.c.Patience > 0 {
			if err := f.states(&f.best); err != nil {
				return err
			}
		}
	} else {
		f.Waited++
	}
	if f.c.Patience > 0 && f.Waited >= f.c.Patience && f.Epoch < f.c.Epochs {
		f.Stopped = fmt.Sprintf("no better loss than in epoch %d for %d epochs", f.Best, f.Waited)
	}
	if err := f.save(); err != nil {
		return err
	}
	if f.c.OnEpoch != nil {
		return f.c.OnEpoch(e)
	}
	return nil
}

// watchedAt is the loss by which epoch n is judged.
func (f *fit) watchedAt(n int) float64 {
	e := f.History[n-1]
	if e.Val != nil {
		return e.Val.Loss
	}
	return e.Loss
}

func (f *fit) finish() (*History, error) {
	for name, t := range f.best {
		if err := f.x.SetState(name, tensor.V(t)); err != nil {
			return nil, err
		}
	}
	m, err := export(f.base, f.c.Freeze, f.x)
	if err != nil {
		return nil, err
	}
	masks, err := f.masks()
	if err != nil {
		return nil, err
	}
	return &History{Epochs: f.History, Best: f.Best, Stopped: f.Stopped, Resumed: f.resumed, Model: m, Masks: masks}, nil
}

// feeder puts a batch in the order of a module's inputs.
type feeder struct {
	from   []int // field of each input; -1: the learning rate
	out    []tensor.Value
	lr     tensor.Tensor
	labels int // of a sample
}

// newFeeder matches the inputs of step or scorer m of a model with the fields
// of d.
func newFeeder(m, model *ir.Module, c *Config, d data.Dataset) (*feeder, error) {
	target, err := data.Target(d)
	if err != nil {
		return nil, err
	}
	f := &feeder{labels: 1}
	for _, n := range d.Fields()[target].Dims {
		f.labels *= n
	}
	var own []*ir.Value // the model's inputs
	var more []string   // those that ExtendLoss added
	for _, p := range m.Main().Params {
		switch {
		case p.State != nil || p.Name == c.Label || p.Name == inputLR:
		case slices.ContainsFunc(model.Main().Params, func(q *ir.Value) bool { return q.Name == p.Name }):
			own = append(own, p)
		default:
			more = append(more, p.Name)
		}
	}
	match, err := data.Match(own, d, more...)
	if err != nil {
		return nil, err
	}
	for _, p := range own {
		if err := fullBatches(p, d.Len(), c.Batch); err != nil {
			return nil, err
		}
	}
	for _, p := range m.Main().Params {
		at := slices.Index(own, p)
		switch {
		case p.State != nil:
			continue
		case p.Name == inputLR:
			at = -1
			f.lr = tensor.New(p.Type.DType)
		case p.Name == c.Label:
			at = target
			if err := data.Fits(p, d.Fields()[at]); err != nil {
				return nil, err
			}
			if c.Loss == CrossEntropy {
				if err := checkLabels(m, p, d); err != nil {
					return nil, err
				}
			}
		case at >= 0:
			at = match[at]
		default:
			k, err := data.Match([]*ir.Value{p}, d, names(d)...)
			if err != nil {
				return nil, err
			}
			at = k[0]
		}
		f.from = append(f.from, at)
	}
	f.out = make([]tensor.Value, len(f.from))
	return f, nil
}

// share is the share of the labels of so many samples that correct ones are.
func (f *feeder) share(correct int64, samples int) float64 {
	return float64(correct) / float64(max(1, samples*f.labels))
}

// fullBatches makes sure that an input with a fixed number of samples gets as
// many in every run.
func fullBatches(p *ir.Value, samples, batch int) error {
	if p.Type.Rank() < 1 {
		return nil
	}
	n, fixed := p.Type.Dims[0].Const()
	if last := samples % batch; !fixed || int64(min(batch, samples)) == n && (last == 0 || last == samples) {
		return nil
	}
	return &diag.Error{Kind: diag.BadData, Port: fmt.Sprintf("input %q", p.Name), Have: fmt.Sprintf("%d samples in batches of %d", samples, batch), Want: fmt.Sprintf("full batches of %d, which the model takes at a time", n)}
}

// names are those of the fields.
func names(d data.Dataset) []string {
	var out []string
	for _, f := range d.Fields() {
		out = append(out, f.Name)
	}
	return out
}

// checkLabels looks for labels out of the range of classes, where that is
// known.
func checkLabels(m *ir.Module, label *ir.Value, d data.Dataset) error {
	for _, u := range label.Uses() {
		if u.Node.Is("mlc.CrossEntropy") {
			if n, ok := u.Node.In[0].Type.Dims[1].Const(); ok && label.Type.Rank() == 1 {
				return data.CheckLabels(d, int(n))
			}
		}
	}
	return nil
}

// inputs are the values of a run; they are valid until the next call.
func (f *feeder) inputs(batch []tensor.Tensor, lr float64) ([]tensor.Value, error) {
	for i, k := range f.from {
		if k < 0 {
			f.lr.SetFloat(0, lr)
			f.out[i] = tensor.V(f.lr)
			continue
		}
		f.out[i] = tensor.V(batch[k])
	}
	return f.out, nil
}
