package train_test

import (
	"strings"
	"testing"

	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
)

// all is a mask that keeps n elements, but those at the places given.
func all(n int, but ...int) []bool {
	keep := make([]bool, n)
	for i := range keep {
		keep[i] = true
	}
	for _, i := range but {
		keep[i] = false
	}
	return keep
}

// A mask holds from before the first step, can change in OnStep, and can give
// elements back, which begin at zero; both element types, scores of the
// validation see it.
func TestMasks(t *testing.T) {
	for _, d := range []dtype.DType{dtype.F32, dtype.F64} {
		set, m := blobs(t, 40, 9, 12, d), cnn(t, d)
		at := func(x ir.Exec, name string, i int) float64 {
			v, err := x.State(name)
			if err != nil {
				t.Fatal(err)
			}
			return v.Tensor.Float(i)
		}
		c := train.Config{Optimizer: train.Adam, Batch: 10, Epochs: 2, Decay: 0.1,
			Masks: map[string][]bool{"conv1.weight": all(72, 5, 6), "norm1.bias": all(8)}}
		c.OnStep = func(p train.Progress, x ir.Exec) error {
			five, six, bias := at(x, "conv1.weight", 5), at(x, "conv1.weight", 6), at(x, "norm1.bias", 3)
			switch {
			case six != 0 || at(x, "conv1.weight.m", 6) != 0 || at(x, "conv1.weight.v", 6) != 0:
				t.Errorf("step %d: element 6 is %v", p.Total, six)
			case (five == 0) != (p.Total <= 4):
				t.Errorf("step %d: element 5 is %v", p.Total, five)
			case (bias == 0) != (p.Total > 4):
				t.Errorf("step %d: bias 3 is %v", p.Total, bias)
			}
			if p.Total != 4 {
				return nil
			}
			if err := train.SetMask(x, "conv1.weight", all(72, 6)); err != nil {
				return err
			}
			if err := train.SetMask(x, "norm1.bias", all(8, 3)); err != nil {
				return err
			}
			if at(x, "norm1.bias", 3) != 0 || at(x, "norm1.bias.m", 3) != 0 {
				t.Error("what a mask leaves out is not zero at once")
			}
			for _, bad := range []error{train.SetMask(x, "conv1.weight", all(71)), train.SetMask(x, "dense1.weight", nil)} {
				if diag.KindOf(bad) != diag.Usage {
					t.Errorf("a wrong mask: %v", bad)
				}
			}
			return nil
		}
		h := fit(t, cpu(1), m, set, set, c)
		if len(h.Masks) != 2 || h.Masks["conv1.weight"][6] || !h.Masks["conv1.weight"][5] || h.Masks["norm1.bias"][3] {
			t.Errorf("masks at the end: %v", h.Masks)
		}
		for _, w := range train.Weights(h.Model) {
			if v, err := w.Value.Const().Tensor(); w.Name == "conv1.weight" && (err != nil || v.Float(6) != 0 || v.Float(5) == 0) {
				t.Errorf("the model has %v and %v (%v)", v.Float(6), v.Float(5), err)
			}
		}
	}
}

// Masks that fit nothing are refused; so is a checkpoint of another recipe.
func TestMasksRefused(t *testing.T) {
	set, m := blobs(t, 20, 9, 12, dtype.F32), cnn(t, dtype.F32)
	for want, masks := range map[string]map[string][]bool{
		`mask of "conv9.weight": the model has no such weight to train`: {"conv9.weight": nil},
		`mask of "norm1.mean": a statistic is not trained`:              {"norm1.mean": all(8)},
		`mask of weight "conv1.weight": have 71 elements, want 72`:      {"conv1.weight": all(71)},
	} {
		if _, err := train.Fit(ctx, cpu(1), m, set, nil, train.Config{Masks: masks}); diag.KindOf(err) != diag.Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("have %v, want %s", err, want)
		}
	}
	c := train.Config{Batch: 10, Checkpoint: t.TempDir() + "/run.ckpt", Recipe: "one"}
	fit(t, cpu(1), m, set, nil, c)
	c.Recipe, c.Resume = "another", true
	if _, err := train.Fit(ctx, cpu(1), m, set, nil, c); err == nil || !strings.Contains(err.Error(), "another configuration") {
		t.Errorf("another recipe: %v", err)
	}
}

// No epoch before BestFrom is the best, nor does it count for patience.
func TestBestFrom(t *testing.T) {
	set, m := blobs(t, 40, 9, 12, dtype.F32), cnn(t, dtype.F32)
	h := fit(t, cpu(1), m, set, nil, train.Config{Batch: 20, Epochs: 9, LR: 1e-30, Patience: 2, MinDelta: 1, BestFrom: 4})
	if h.Best != 4 || len(h.Epochs) != 6 || h.Stopped == "" {
		t.Errorf("best %d of %d epochs, %q", h.Best, len(h.Epochs), h.Stopped)
	}
}
