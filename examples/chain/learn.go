package main

import (
	"context"
	"fmt"
	"os"
	goruntime "runtime"

	"github.com/mlc-go/mlc"
	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/onnx"
	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/prune"
	"github.com/mlc-go/mlc/passes/retrain"
)

// learn makes the four nets, each an ONNX file that the next step reads.
func (c *chain) learn(ctx context.Context) error {
	if err := os.MkdirAll(c.out, 0o755); err != nil {
		return err
	}
	for i, make := range []func(context.Context, train.Config) (*ir.Module, error){c.makeTeacher, c.makeStudent, c.makePruned, c.makeInt8} {
		cfg := train.Config{Optimizer: train.Adam, LR: 0.003, Schedule: train.Cosine, Epochs: c.epochs[i], Batch: 64, Seed: 1, Label: "label"}
		cfg.OnEpoch = func(e train.Epoch) error {
			fmt.Fprintf(os.Stderr, "%s: epoch %d of %d: loss %.4f, top1 %.2f %%, test pictures %.2f %%, %.1f s\n", steps[i], e.N, c.epochs[i], e.Loss, 100*e.Top1, 100*e.Val.Top1, e.Took.Seconds())
			return nil
		}
		m, err := make(ctx, cfg)
		if err != nil {
			return fmt.Errorf("%s: %w", steps[i], err)
		}
		if err := c.save(m, steps[i]); err != nil {
			return err
		}
	}
	return nil
}

// executor compiles and runs the steps of training.
func executor() ir.Executor { return codegen.NewExecutor(codegen.Options{}, goruntime.NumCPU()) }

// fresh is a net by name that takes the pictures as they are.
func (c *chain) fresh(spec string) (*ir.Module, error) {
	p, err := data.Fit(c.train, data.FitOptions{Normalize: "standard", Fill: "mean"})
	if err != nil {
		return nil, err
	}
	classes, err := data.Classes(c.train)
	if err != nil {
		return nil, err
	}
	m, err := nn.Named(spec, nn.Input{Dims: p.Dims}, classes, nn.Options{Seed: 1})
	if err != nil {
		return nil, err
	}
	return p.Attach(m, op.Builtin())
}

func (c *chain) makeTeacher(ctx context.Context, cfg train.Config) (*ir.Module, error) {
	m, err := c.fresh(c.teacher)
	if err != nil {
		return nil, err
	}
	if cfg.Augment, err = data.ParseAugment("flip"); err != nil {
		return nil, err
	}
	return fitted(train.Fit(ctx, executor(), m, c.train, c.test, cfg))
}

func (c *chain) makeStudent(ctx context.Context, cfg train.Config) (*ir.Module, error) {
	art, err := c.load(ctx, "teacher", codegen.Options{Stop: codegen.StageImport})
	if err != nil {
		return nil, err
	}
	defer art.Close()
	t, err := retrain.NewTeacher(ctx, executor(), art.Module(), retrain.TeacherOptions{})
	if err != nil {
		return nil, err
	}
	defer t.Close()
	m, err := c.fresh(c.student)
	if err != nil {
		return nil, err
	}
	cfg, tr, val, err := t.Distill(cfg, c.train, c.test, retrain.Distillation{Temperature: 1, Alpha: retrain.DefaultAlpha})
	if err != nil {
		return nil, err
	}
	return fitted(train.Fit(ctx, executor(), m, tr, val, cfg))
}

func (c *chain) makePruned(ctx context.Context, cfg train.Config) (*ir.Module, error) {
	// The form that pruning wants, but fit to be trained on.
	art, err := c.load(ctx, "student", codegen.Options{Stop: passes.Canonical, Off: []string{"dropout-inference", "cse"}})
	if err != nil {
		return nil, err
	}
	defer art.Close()
	h, _, err := retrain.Prune(ctx, executor(), art.Module(), c.train, c.test, cfg, retrain.Pruning{
		Config: prune.Config{Structure: prune.Channel, Criterion: prune.Magnitude, Scope: prune.Layer, Sparsity: 0.4, Align: 8},
	})
	return fitted(h, err)
}

func (c *chain) makeInt8(ctx context.Context, cfg train.Config) (*ir.Module, error) {
	art, err := c.load(ctx, "pruned", codegen.Options{Stop: codegen.StageImport})
	if err != nil {
		return nil, err
	}
	defer art.Close()
	cfg.LR = 0.001
	r, err := retrain.QAT(ctx, executor(), art.Module(), c.train, c.test, retrain.QATConfig{Train: cfg})
	if err != nil {
		return nil, err
	}
	return r.Module, nil
}

// fitted is the model of a run.
func fitted(h *train.History, err error) (*ir.Module, error) {
	if err != nil {
		return nil, err
	}
	return h.Model, nil
}

// load reads the net of a step.
func (c *chain) load(ctx context.Context, step string, o codegen.Options) (*codegen.Artifact, error) {
	return codegen.Build(ctx, mlc.File(c.path(step+".onnx")), o)
}

// save writes the net of a step.
func (c *chain) save(m *ir.Module, step string) error {
	f, err := os.Create(c.path(step + ".onnx"))
	if err != nil {
		return err
	}
	if err := onnx.Export(f, m, onnx.Options{Opset: onnx.DefaultOpset}); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
