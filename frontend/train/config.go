package train

import (
	"math"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// Loss says what a step makes small.
type Loss string

// The losses.
const (
	CrossEntropy Loss = "cross-entropy" // mean over the batch of -log softmax(output)[label]
	SquaredError Loss = "squared-error" // mean over all elements of (output - label)^2
)

// Optimizer says how a step changes weights.
type Optimizer string

// The optimizers, in PyTorch's form.
const (
	SGD   Optimizer = "sgd"   // v = momentum*v + g; w -= lr*v
	Adam  Optimizer = "adam"  // with bias correction; weight decay joins the gradient
	AdamW Optimizer = "adamw" // weight decay beside the gradient
)

// Schedule says how the learning rate moves over the steps of a run.
type Schedule string

// The schedules. Each begins after Config.Warmup steps of linear rise.
const (
	Constant Schedule = "constant"
	Cosine   Schedule = "cosine" // falls to 0 along half a cosine
	Linear   Schedule = "linear" // falls to 0 along a line
	Steps    Schedule = "steps"  // a tenth at half of the run, a hundredth at three quarters
)

// Losses, Optimizers and Schedules list the values that Config takes.
func Losses() []Loss          { return []Loss{CrossEntropy, SquaredError} }
func Optimizers() []Optimizer { return []Optimizer{SGD, Adam, AdamW} }
func Schedules() []Schedule   { return []Schedule{Constant, Cosine, Linear, Steps} }

// Config says how to train. The zero value of a field is its default.
type Config struct {
	Loss      Loss      // CrossEntropy
	Optimizer Optimizer // SGD
	LR        float64   // highest learning rate; 0.01 for SGD, else 0.001
	Momentum  *float64  // of SGD; 0.9
	Beta1     float64   // of Adam; 0.9
	Beta2     float64   // of Adam; 0.999
	Epsilon   float64   // of Adam; 1e-8
	Decay     float64   // weight decay of weights with two axes or more
	ClipNorm  float64   // largest norm of all gradients together; 0: any
	Schedule  Schedule  // Constant
	Warmup    int       // steps

	Epochs int // 1
	Batch  int // 64
	Seed   uint64

	Output  string // result that the loss looks at; "": the first
	Label   string // name of the input for labels; "label"
	Augment *data.Augment

	// Freeze says which weights stay as they are; nil: none. Where it holds a
	// BatchNorm's mean, that BatchNorm stays in inference mode; where it holds
	// a bound of a FakeQuantize, its range stays.
	Freeze func(name string) bool
	// Masks begins a mask for each weight that it names: elements that are
	// false become zero and stay so, with their moments, until SetMask says
	// otherwise. A mask is a state, so a checkpoint holds it.
	Masks map[string][]bool
	// RangeRate is the share by which the ranges of FakeQuantize move to those
	// of each batch; 0.01. They move in the first RangeSteps steps of a run;
	// 0: in all, negative: in none.
	RangeRate  float64
	RangeSteps int
	// Transform changes the model before it is differentiated (fake
	// quantization, masks); Fit gives the transformed model back.
	Transform func(m *ir.Module) error
	// ExtendLoss makes the loss from the output that it looks at and the loss
	// so far; it may add inputs to b's function, which data fields of their
	// names feed. nil: the loss stays.
	ExtendLoss func(b *ir.Builder, output, loss *ir.Value) (*ir.Value, error)

	Ops *ir.OpSet // nil: the built-in table

	// What follows concerns Fit alone.

	// Recipe says in words what decides the numbers beside this Config (what
	// Freeze, Transform, ExtendLoss and OnStep do): a checkpoint of another
	// recipe is refused.
	Recipe     string
	BestFrom   int     // first epoch that may be the best, from which Patience counts; 0: any
	Patience   int     // epochs without a better validation loss before it stops; 0: never
	MinDelta   float64 // what counts as better
	Checkpoint string  // file; "": none
	Every      int     // steps between checkpoints, besides those after epochs; 0: none
	Resume     bool    // go on from Checkpoint where it exists
	// OnStep is called after each step and may read and change states; an
	// error stops the run. OnEpoch is called after each epoch.
	OnStep  func(p Progress, x ir.Exec) error
	OnEpoch func(e Epoch) error
}

// Progress says where a run is.
type Progress struct {
	Epoch, Epochs int
	Step, Steps   int // within the epoch; Step counts from 1
	Total         int // steps so far in the run
	Loss          float64
	LR            float64
}

// Complete fills in the defaults of c and checks it.
func (c Config) Complete() (Config, error) { return c.withDefaults() }

// withDefaults fills c in and checks it.
func (c Config) withDefaults() (Config, error) {
	if c.Loss == "" {
		c.Loss = CrossEntropy
	}
	if c.Optimizer == "" {
		c.Optimizer = SGD
	}
	if c.Schedule == "" {
		c.Schedule = Constant
	}
	def := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	if c.Optimizer == SGD {
		def(&c.LR, 0.01)
	}
	def(&c.LR, 0.001)
	def(&c.Beta1, 0.9)
	def(&c.Beta2, 0.999)
	def(&c.Epsilon, 1e-8)
	def(&c.RangeRate, 0.01)
	if c.Momentum == nil {
		m := 0.9
		c.Momentum = &m
	}
	if c.Epochs == 0 {
		c.Epochs = 1
	}
	if c.Batch == 0 {
		c.Batch = 64
	}
	if c.Label == "" {
		c.Label = "label"
	}
	if c.Ops == nil {
		c.Ops = op.Builtin()
	}
	return c, c.check()
}

func (c *Config) check() error {
	bad := func(what string, have, want any) error {
		return diag.New(diag.Usage, "%s %v: want %v", what, have, want)
	}
	finite := func(v float64) bool { return v >= 0 && !math.IsInf(v, 0) }
	share := func(v float64) bool { return v >= 0 && v < 1 }
	switch {
	case !known(c.Loss, Losses()):
		return bad("loss", c.Loss, Losses())
	case !known(c.Optimizer, Optimizers()):
		return bad("optimizer", c.Optimizer, Optimizers())
	case !known(c.Schedule, Schedules()):
		return bad("schedule", c.Schedule, Schedules())
	case !finite(c.LR) || !finite(c.Decay) || !finite(c.ClipNorm) || !finite(c.Epsilon) || !finite(c.MinDelta):
		return bad("learning rate, decay, clip norm, epsilon, min delta", []float64{c.LR, c.Decay, c.ClipNorm, c.Epsilon, c.MinDelta}, "finite numbers, 0 or more")
	case !share(*c.Momentum) || !share(c.Beta1) || !share(c.Beta2):
		return bad("momentum, betas", []float64{*c.Momentum, c.Beta1, c.Beta2}, "0 to below 1")
	case c.Epochs < 0 || c.Batch < 1 || c.Warmup < 0 || c.Patience < 0 || c.Every < 0 || c.BestFrom < 0:
		return bad("epochs, batch, warmup, patience, checkpoint steps, first best epoch", []int{c.Epochs, c.Batch, c.Warmup, c.Patience, c.Every, c.BestFrom}, "0 or more, batch 1 or more")
	case !(c.RangeRate > 0 && c.RangeRate <= 1):
		return bad("rate of ranges", c.RangeRate, "more than 0, at most 1")
	case c.Resume && c.Checkpoint == "":
		return diag.New(diag.Usage, "resume without a checkpoint file")
	}
	return nil
}

func known[T comparable](v T, list []T) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}

// rate is the learning rate of a step (from 0) of total.
func (c *Config) rate(step, total int) float64 {
	if step < c.Warmup {
		return c.LR * float64(step+1) / float64(c.Warmup)
	}
	at := float64(step-c.Warmup) / float64(max(1, total-c.Warmup))
	switch c.Schedule {
	case Cosine:
		return c.LR * (1 + vecmath.Cos64(math.Pi*at)) / 2
	case Linear:
		return c.LR * (1 - at)
	case Steps:
		if at >= 0.75 {
			return c.LR / 100
		} else if at >= 0.5 {
			return c.LR / 10
		}
	}
	return c.LR
}
