package train_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
)

// A run whose context ends, between steps, in the middle of one or in a
// validation, keeps every complete step, and goes on to the same bits.
func TestInterrupted(t *testing.T) {
	set, m := blobs(t, 160, 9, 12, dtype.F32), cnn(t, dtype.F32)
	base := train.Config{Optimizer: train.Adam, Batch: 16, Epochs: 3, Seed: 5, Schedule: train.Linear, Patience: 2}
	t0 := time.Now()
	want := weights(t, fit(t, cpu(1), m, set, set, base).Model)
	took := time.Since(t0)
	for try := range 12 {
		c := base
		c.Checkpoint, c.Resume = filepath.Join(t.TempDir(), "run.ckpt"), true
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		last := 0
		c.OnStep = func(p train.Progress, _ ir.Exec) error {
			last = p.Total
			if try%2 == 0 && p.Total == 1+try*5/2 {
				cancel()
			}
			return nil
		}
		if try%2 == 1 {
			time.AfterFunc(took*time.Duration(try)/12, cancel)
		}
		_, err := train.Fit(ctx, cpu(1), m, set, set, c)
		if err == nil && try%2 == 1 {
			continue // it was done before
		}
		var i *train.Interrupted
		if !errors.As(err, &i) || !errors.Is(err, context.Canceled) {
			t.Fatalf("try %d: %v", try, err)
		}
		if done := i.Epoch*i.Steps + i.Step; done != last || i.Steps != 10 || (i.Kept == c.Checkpoint) != (last > 0) {
			t.Errorf("try %d: %+v after step %d", try, i, last)
		}
		c.OnStep = nil
		have := fit(t, cpu(2), m, set, set, c)
		if have.Resumed != (last > 0) || weights(t, have.Model) != want {
			t.Errorf("try %d, after step %d: other weights, resumed %v", try, last, have.Resumed)
		}
	}
}

// Who forgets Resume and stops at once does not lose the earlier run.
func TestInterruptedSpares(t *testing.T) {
	set, m := blobs(t, 40, 9, 12, dtype.F32), cnn(t, dtype.F32)
	c := train.Config{Batch: 16, Epochs: 2, Checkpoint: filepath.Join(t.TempDir(), "run.ckpt")}
	fit(t, cpu(1), m, set, nil, c)
	before, err := os.ReadFile(c.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.OnStep = func(p train.Progress, _ ir.Exec) error { cancel(); return nil }
	var i *train.Interrupted
	if _, err := train.Fit(ctx, cpu(1), m, set, nil, c); !errors.As(err, &i) || i.Kept != "" {
		t.Fatalf("%v", err)
	}
	after, err := os.ReadFile(c.Checkpoint)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the checkpoint of an earlier run has changed (%v)", err)
	}
}
