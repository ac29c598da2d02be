package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/retrain"
)

// lossSteps and lossBatch say how long the runs are that losses.py repeats.
const (
	lossSteps = 50
	lossBatch = 16
)

// losses trains small models in float64 by the interpreter and writes, for
// losses.py to repeat in PyTorch: a folder for each with the data of every
// step, the weights at the start, and the losses.
func losses(out string) error {
	type run struct {
		name string
		dims []int
		c    train.Config
		l    []nn.Layer
		d    *retrain.Distillation // from teacher's logits that are data here
	}
	none := 0.0
	mlp := []nn.Layer{nn.Dense(16), nn.Relu(), nn.Dense(16), nn.Activation("tanh"), nn.Dense(5)}
	cnn := []nn.Layer{
		nn.Conv2D(4, 3, nn.Pad(1), nn.NoBias()), nn.BatchNorm(), nn.Relu(), nn.MaxPool(2),
		nn.Conv2D(6, 3), nn.BatchNorm(), nn.Relu(), nn.Flatten(), nn.Dense(5)}
	for _, r := range []run{
		{"mlp-sgd", []int{12}, train.Config{LR: 0.1}, mlp, nil},
		{"mlp-plain", []int{12}, train.Config{LR: 0.1, Momentum: &none, Loss: train.SquaredError}, []nn.Layer{nn.Dense(16), nn.Relu(), nn.Dense(5)}, nil},
		{"cnn-adam", []int{2, 10, 10}, train.Config{Optimizer: train.Adam, LR: 0.01}, cnn, nil},
		{"cnn-sgd", []int{2, 10, 10}, train.Config{LR: 0.05}, cnn, nil},
		{"distil-mlp-sgd", []int{12}, train.Config{LR: 0.1}, mlp, &retrain.Distillation{Temperature: 4, Alpha: 0.7}},
		{"distil-cnn-adam", []int{2, 10, 10}, train.Config{Optimizer: train.Adam, LR: 0.01}, cnn, &retrain.Distillation{Temperature: 1.5, Alpha: 1}},
	} {
		m, err := nn.Sequential(nn.Input{Dims: r.dims}, nn.Options{Seed: 1, DType: dtype.F64}, r.l...)
		if err != nil {
			return err
		}
		if err := lossRun(filepath.Join(out, r.name), m, r.dims, r.c, r.d); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return nil
}

func lossRun(dir string, m *ir.Module, dims []int, c train.Config, d *retrain.Distillation) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, w := range train.Weights(m) {
		t, err := w.Value.Const().Tensor()
		if err != nil {
			return err
		}
		if err := writeNPY(filepath.Join(dir, w.Name+".npy"), t); err != nil {
			return err
		}
	}
	if d != nil {
		c.ExtendLoss = func(b *ir.Builder, y, loss *ir.Value) (*ir.Value, error) {
			return retrain.DistillLoss(b, y, b.Func().AddParam("teacher", y.Type), loss, *d)
		}
	}
	s, err := train.Step(m, c)
	if err != nil {
		return err
	}
	ctx := context.Background()
	x, err := eval.New().Compile(ctx, s)
	if err != nil {
		return err
	}
	data, err := tensor.Random(dtype.F64, 9, append([]int{lossSteps, lossBatch}, dims...)...)
	if err != nil {
		return err
	}
	label := tensor.New(dtype.I64, lossSteps, lossBatch)
	if c.Loss == train.SquaredError {
		label, err = tensor.Random(dtype.F64, 10, lossSteps, lossBatch, 5)
	}
	if err != nil {
		return err
	}
	if label.DType() == dtype.I64 {
		for i := range label.Len() {
			label.SetInt(i, int64(i*7%11%5))
		}
	}
	teacher, err := tensor.Random(dtype.F64, 11, lossSteps, lossBatch, 5)
	if err != nil {
		return err
	}
	for i := range teacher.Len() {
		teacher.SetFloat(i, 5*teacher.Float(i))
	}
	all := tensor.New(dtype.F64, lossSteps)
	lr := tensor.Scalar(dtype.F64, c.LR)
	for i := range lossSteps {
		xs, err := part(data, i)
		if err != nil {
			return err
		}
		ys, err := part(label, i)
		if err != nil {
			return err
		}
		in := tensor.Vs(xs, ys, lr)
		if d != nil {
			ts, err := part(teacher, i)
			if err != nil {
				return err
			}
			in = tensor.Vs(xs, ys, ts, lr)
		}
		res, err := x.Run(ctx, in)
		if err != nil {
			return err
		}
		all.SetFloat(i, res[0].Tensor.Float(0))
	}
	files := map[string]tensor.Tensor{"x": data, "y": label, "loss": all, "lr": lr}
	if d != nil {
		files["teacher"] = teacher
		files["temperature"], files["alpha"] = tensor.Scalar(dtype.F64, d.Temperature), tensor.Scalar(dtype.F64, d.Alpha)
	}
	for name, t := range files {
		if err := writeNPY(filepath.Join(dir, name+".npy"), t); err != nil {
			return err
		}
	}
	return nil
}

// part is element i along the first axis.
func part(t tensor.Tensor, i int) (tensor.Tensor, error) {
	n := len(t.Bytes()) / t.Dim(0)
	return tensor.FromBytes(t.DType(), t.Dims()[1:], t.Bytes()[i*n:(i+1)*n])
}

func writeNPY(file string, t tensor.Tensor) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	err = tensor.WriteNPY(f, t)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

func readNPY(file string) (tensor.Tensor, error) {
	f, err := os.Open(file)
	if err != nil {
		return tensor.Tensor{}, err
	}
	defer f.Close()
	t, err := tensor.ReadNPY(f, 1<<30)
	if err != nil {
		err = fmt.Errorf("%s: %w", file, err)
	}
	return t, err
}
