package cli

import (
	"fmt"
	"math"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/passes/retrain"
)

// trainFlags are what commands that train take, as written.
type trainFlags struct {
	modelFlag               string // what the model's flag is called; "" for an argument
	model, data, val, prune string
	valSplit                float64
	out                     string
	loss, optimizer, sched  string
	precision               string
	freezeRanges            float64
	momentum                float64
	metrics                 []string
	augment                 string
	fit                     data.FitOptions
	threads                 int
	checkpoint, log         string
	config                  train.Config // fields whose flags are plain numbers
	seed                    uint64
	teach                   distillFlags
}

// What --precision takes.
const (
	precisionFloat = "fp32"
	precisionQAT   = "qat-int8"
)

// checkpointFile is the name of the checkpoint in its folder.
const checkpointFile = "train.ckpt"

func (a *app) train() *cobra.Command {
	return a.trainer(&trainFlags{modelFlag: "model"}, &cobra.Command{
		Use:   "train --model NAME[:ARGUMENTS]|MODEL --data DATA -o OUT",
		Short: "Train a model by name, or an imported one, on a data set",
		Long:  trainHelp(),
	})
}

// trainer makes c a command that trains one model and writes it.
func (a *app) trainer(f *trainFlags, c *cobra.Command) *cobra.Command {
	c.Args = cobra.NoArgs
	s := c.Flags()
	s.StringVar(&f.model, f.modelFlag, "", "`NAME` ("+strings.Join(modelNames(), ", ")+"), NAME:ARGUMENTS (`mlc models` lists them) or a model file to go on with (.onnx, .mir)")
	s.StringVarP(&f.out, "output", "o", "", "write the model to `OUT` (.onnx, .mir, .mlc)")
	s.StringVar(&f.prune, "prune", "", "leave out more and more in training: `SPEC`, flags of mlc prune as a list: sparsity=0.7,scope=global,begin=0.2")
	s.StringVar(&f.precision, "precision", precisionFloat, "`precision` trained for: fp32; qat-int8: a trained model goes on with fake quantization and is written with QuantizeLinear and DequantizeLinear")
	s.Float64Var(&f.freezeRanges, "freeze-ranges", 0, "with qat-int8, the `share` of the run, at its end, in which ranges stay as they are (default: the last epoch, or 0.3 of one)")
	f.register(s)
	c.RunE = func(c *cobra.Command, args []string) error { return a.runTrain(c, f) }
	return c
}

// trainHelp is the long help: the models by name.
func trainHelp() string {
	var b strings.Builder
	b.WriteString("Train a model by name, or an imported one, on a data set.\n\nThe models by name stand for\n\n")
	for _, m := range nn.Models() {
		fmt.Fprintf(&b, "  %s\n        %s\n", m.Spec(), m.Doc)
	}
	b.WriteString("\nNAME:ARGUMENTS sets others (mlp:128,64,dropout=0.1); `mlc models` tells what they mean.\n" +
		"docs/training.md has the forms of data, and examples.")
	return b.String()
}

// register declares what every command takes that trains.
func (f *trainFlags) register(s *pflag.FlagSet) {
	s.StringVar(&f.data, "data", "", "`DATA` to learn from: "+data.Forms)
	s.StringVar(&f.val, "val", "", "`DATA` to validate on after each epoch")
	s.Float64Var(&f.valSplit, "val-split", 0.1, "without --val, the `share` of the data to validate on, by seed and evenly over classes; 0: none")
	s.StringVar(&f.loss, "loss", "", "`loss`: "+list(train.Losses())+" (default: by the target, cross-entropy for classes)")
	s.StringVar(&f.optimizer, "optimizer", string(train.SGD), "`optimizer`: "+list(train.Optimizers()))
	s.StringVar(&f.sched, "schedule", string(train.Constant), "`schedule` of the learning rate: "+list(train.Schedules()))
	s.Float64Var(&f.config.LR, "lr", 0, "largest learning `rate` (default: 0.01 for sgd, else 0.001)")
	s.Float64Var(&f.momentum, "momentum", 0.9, "`momentum` of sgd")
	s.Float64Var(&f.config.Decay, "weight-decay", 0, "weight `decay`")
	s.Float64Var(&f.config.ClipNorm, "clip", 0, "largest `norm` of all gradients together; 0: any")
	s.IntVar(&f.config.Warmup, "warmup", 0, "`steps` of linear rise of the learning rate")
	s.IntVar(&f.config.Epochs, "epochs", 1, "passes over the data")
	s.IntVar(&f.config.Batch, "batch", 64, "samples a step")
	s.IntVar(&f.config.Patience, "early-stop", 0, "stop after `N` epochs without a better validation loss (without validation data: training loss), and keep the best; 0: never")
	s.StringSliceVar(&f.metrics, "metrics", nil, "metrics of the result on the validation data: "+data.MetricsDoc)
	s.StringVar(&f.augment, "augment", "", "augmentation of pictures: a `list` of flip, flip-y, crop=PIXELS")
	s.StringVar(&f.fit.Normalize, "normalize", "standard", "how inputs are normalized, inside the model: "+strings.Join(data.Normalizations(), ", "))
	s.StringVar(&f.fit.Fill, "fill", "mean", "what stands for a missing number: "+strings.Join(data.Fills(), ", "))
	s.Uint64Var(&f.seed, "seed", 1, "`seed` of weights, order, split and augmentation")
	s.IntVar(&f.threads, "threads", 0, "`threads` to use; 0: all. The result does not depend on it")
	s.StringVar(&f.checkpoint, "checkpoint", "", "keep a checkpoint in `DIR`, written after each epoch and when interrupted")
	s.IntVar(&f.config.Every, "checkpoint-steps", 0, "write it every `N` steps too; 0: no")
	s.BoolVar(&f.config.Resume, "resume", false, "go on from the checkpoint where there is one: with the same bits as if never stopped")
	s.StringVar(&f.log, "log", "", "write history.json and curves.svg to `DIR` after each epoch")
	f.teach.register(s)
}

// list is the values of an enumeration for help.
func list[T ~string](v []T) string {
	s := make([]string, len(v))
	for i := range v {
		s[i] = string(v[i])
	}
	return strings.Join(s, ", ")
}

// settle checks the flags and fills in the Config.
func (f *trainFlags) settle(c *cobra.Command) error {
	switch {
	case f.data == "":
		return usage("mlc %s: --data is missing", c.Name())
	case f.threads < 0:
		return usage("--threads %d: want at least 0", f.threads)
	case f.config.Epochs < 1 || f.config.Batch < 1:
		return usage("--epochs %d, --batch %d: want at least 1", f.config.Epochs, f.config.Batch)
	case f.val != "" && typed(c.Flags(), "val-split"):
		return usage("--val and --val-split: want one of them")
	case f.valSplit < 0 || f.valSplit >= 1 || f.valSplit != f.valSplit:
		return usage("--val-split %v: want 0 to below 1", f.valSplit)
	case f.config.Resume && f.checkpoint == "":
		return usage("--resume: want --checkpoint DIR")
	case f.config.Every > 0 && f.checkpoint == "":
		return usage("--checkpoint-steps: want --checkpoint DIR")
	case len(f.metrics) > 0 && f.val == "" && f.valSplit == 0:
		return usage("--metrics: there are no validation data")
	case c.Flags().Changed("lr") && !(f.config.LR > 0 && f.config.LR <= math.MaxFloat32):
		return usage("--lr %v: want more than 0", f.config.LR)
	case !(f.momentum >= 0 && f.momentum < 1):
		return usage("--momentum %v: want 0 to below 1", f.momentum)
	case !(f.config.Decay >= 0 && f.config.Decay <= math.MaxFloat32) || !(f.config.ClipNorm >= 0 && f.config.ClipNorm <= math.MaxFloat32):
		return usage("--weight-decay %v, --clip %v: want finite numbers of at least 0", f.config.Decay, f.config.ClipNorm)
	case f.config.Patience < 0 || f.config.Every < 0 || f.config.Warmup < 0:
		return usage("--early-stop %d, --checkpoint-steps %d, --warmup %d: want at least 0", f.config.Patience, f.config.Every, f.config.Warmup)
	}
	if err := hasFolder("-o", f.out); err != nil {
		return err
	}
	if f.threads == 0 {
		f.threads = goruntime.NumCPU()
	}
	f.config.Loss, f.config.Optimizer, f.config.Schedule = train.Loss(f.loss), train.Optimizer(f.optimizer), train.Schedule(f.sched)
	switch {
	case f.loss != "" && !slices.Contains(train.Losses(), f.config.Loss):
		return usage("--loss=%s: unknown (have %s)", f.loss, list(train.Losses()))
	case !slices.Contains(train.Optimizers(), f.config.Optimizer):
		return usage("--optimizer=%s: unknown (have %s)", f.optimizer, list(train.Optimizers()))
	case !slices.Contains(train.Schedules(), f.config.Schedule):
		return usage("--schedule=%s: unknown (have %s)", f.sched, list(train.Schedules()))
	}
	switch sgd := f.config.Optimizer == train.SGD; {
	case sgd && c.Flags().Changed("momentum"):
		f.config.Momentum = &f.momentum
	case typed(c.Flags(), "momentum"):
		return usage("--momentum: want --optimizer sgd")
	}
	var err error
	if f.config.Augment, err = data.ParseAugment(f.augment); err != nil {
		return err
	}
	f.config.Seed = f.seed
	return f.teach.settle(c)
}

// settleModel checks the flags of a trainer.
func (f *trainFlags) settleModel(c *cobra.Command) error {
	byName := slices.Contains(modelNames(), strings.SplitN(f.model, ":", 2)[0])
	switch {
	case f.model == "":
		return usage("mlc %s: --%s is missing", c.Name(), f.modelFlag)
	case f.data == "": // before what is missing of the output
		return usage("mlc %s: --data is missing", c.Name())
	case f.out == "" || f.out == "-":
		return usage("mlc %s: -o is missing: want a file (.onnx, .mir, .mlc)", c.Name())
	case !slices.Contains([]string{".onnx", ".mir", ".mlc"}, filepath.Ext(f.out)):
		return usage("-o %s: want a suffix of .onnx, .mir, .mlc", f.out)
	case f.precision != precisionFloat && f.precision != precisionQAT:
		return usage("--precision=%s: unknown (have %s, %s)", f.precision, precisionFloat, precisionQAT)
	case f.precision == precisionFloat && typed(c.Flags(), "freeze-ranges"):
		return usage("--freeze-ranges: want --precision %s", precisionQAT)
	case !(f.freezeRanges >= 0 && f.freezeRanges <= 1):
		return usage("--freeze-ranges %v: want 0 to 1", f.freezeRanges)
	case f.precision == precisionQAT && byName:
		return usage("--precision %s: want a trained model file to go on with, not a new %s", precisionQAT, f.model)
	case f.precision == precisionQAT && f.prune != "":
		return usage("--precision %s and --prune: want one of them", precisionQAT)
	}
	if !c.Flags().Changed("freeze-ranges") {
		f.freezeRanges = -1
	}
	return f.settle(c)
}

func (a *app) runTrain(c *cobra.Command, f *trainFlags) error {
	if err := f.settleModel(c); err != nil {
		return err
	}
	var p *retrain.Pruning
	if f.prune != "" {
		var err error
		if p, err = pruneSpec(f.prune); err != nil {
			return err
		}
	}
	ctx := c.Context()
	t0 := time.Now()
	job, err := a.trainJob(ctx, f, p != nil)
	if err != nil {
		return err
	}
	defer job.close()
	t, err := a.learn(ctx, f, job, p)
	if err != nil {
		return err
	}
	return a.finishTrain(c, f, job, t, t0)
}
