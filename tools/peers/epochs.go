package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/mlc-go/mlc/codegen"
	dataset "github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// epochBatch is the batch size that trainbench.py repeats.
const epochBatch = 64

// epochs trains LeNet on the pictures of dir/x.npy (f32[N,1,28,28]) and the
// labels of dir/y.npy (i64[N]), as the other side of trainbench.py: it says
// "ready", waits for a line before each epoch and answers with the epoch's
// seconds, until go ends. Its parts are those of `mlc train`.
func epochs(dir string, threads int, in io.Reader, out io.Writer) error {
	var cols []tensor.Tensor
	for _, name := range []string{"x.npy", "y.npy"} {
		t, err := readNPY(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		cols = append(cols, t)
	}
	d, err := dataset.NewTable([]dataset.Field{
		{Name: "image", DType: dtype.F32, Dims: []int{1, 28, 28}},
		{Name: "label", DType: dtype.I64, Target: true},
	}, cols, nil)
	if err != nil {
		return err
	}
	m, err := nn.Named("lenet", nn.Input{Name: "image", Dims: []int{1, 28, 28}}, 10, nn.Options{Seed: 1})
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	start := time.Now()
	wait := func() error {
		if !lines.Scan() {
			return io.EOF
		}
		start = time.Now()
		return nil
	}
	if fmt.Fprintln(out, "ready"); wait() != nil {
		return lines.Err()
	}
	_, err = train.Fit(context.Background(), codegen.NewExecutor(codegen.Options{Level: "2", Target: "native"}, threads), m, d, nil, train.Config{
		LR: 0.01, Batch: epochBatch, Epochs: 1 << 20, Seed: 1,
		OnEpoch: func(e train.Epoch) error {
			fmt.Fprintf(out, "%.4f %.6f\n", time.Since(start).Seconds(), e.Loss)
			return wait()
		},
	})
	if err == io.EOF {
		return lines.Err()
	}
	return err
}
