package train_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/ir/verify"
)

var ctx = context.Background()

// cnn is a small net with all that training treats apart: BatchNorm, Dropout,
// a strided residual block, a depthwise convolution.
func cnn(t testing.TB, d dtype.DType) *ir.Module {
	m, err := nn.Sequential(nn.Input{Dims: []int{1, 12, 12}}, nn.Options{Seed: 3, DType: d},
		nn.Conv2D(8, 3, nn.Pad(1), nn.NoBias()), nn.BatchNorm(), nn.Relu(), nn.MaxPool(2),
		nn.Residual(nn.Conv2D(12, 3, nn.Stride(2), nn.Pad(1)), nn.BatchNorm(), nn.Activation("gelu")),
		nn.DepthwiseConv(3, nn.Pad(1)), nn.Relu(), nn.AvgPool(3, nn.Stride(1)),
		nn.Dropout(0.25), nn.Flatten(), nn.Dense(9))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// weights of a model, as bytes by name.
func weights(t *testing.T, m *ir.Module) string {
	t.Helper()
	var b strings.Builder
	for _, w := range train.Weights(m) {
		x, err := w.Value.Const().Tensor()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %x\n", w.Name, x.Bytes())
	}
	return b.String()
}

func fit(t *testing.T, x ir.Executor, m *ir.Module, tr, val data.Dataset, c train.Config) *train.History {
	t.Helper()
	h, err := train.Fit(ctx, x, m, tr, val, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := verify.Module(h.Model); err != nil {
		t.Fatal(err)
	}
	return h
}

func cpu(threads int) ir.Executor { return codegen.NewExecutor(codegen.Options{}, threads) }

// Models learn a task that they can learn, and what Fit gives scores as the
// last epoch did.
func TestModelsLearn(t *testing.T) {
	set := blobs(t, 700, 9, 28, dtype.F32)
	rest, val, err := data.Split(set, 0.3, 1)
	if err != nil {
		t.Fatal(err)
	}
	few, err := data.Subset(rest, data.Permutation(rest.Len(), 1, 1)[:160])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		model  string
		set    data.Dataset
		opt    train.Optimizer
		lr     float64
		epochs int
		want   float64
	}{
		{"mlp", rest, train.SGD, 0.05, 5, 0.9}, {"lenet", rest, train.AdamW, 0.002, 5, 0.9},
		{"resnet8", few, train.Adam, 0.005, 2, 0.2}, {"dscnn", few, train.Adam, 0.005, 1, 0},
	} {
		t.Run(c.model, func(t *testing.T) {
			m, err := nn.Named(c.model, nn.Input{Dims: []int{1, 28, 28}}, 9, nn.Options{Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			cfg := train.Config{Optimizer: c.opt, LR: c.lr, Decay: 1e-3, Batch: 32, Epochs: c.epochs, Schedule: train.Cosine, Warmup: 5, Seed: 2}
			h := fit(t, cpu(2), m, c.set, val, cfg)
			last := h.Epochs[len(h.Epochs)-1]
			if last.Val.Top1 < c.want || !(last.Loss < h.Epochs[0].Loss || len(h.Epochs) == 1) {
				t.Errorf("accuracy %v", last.Val)
			}
			s, err := train.Evaluate(ctx, cpu(1), h.Model, val, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if s.Top1 != last.Val.Top1 || math.Abs(s.Loss-last.Val.Loss) > 1e-4*(1+s.Loss) {
				t.Errorf("the model scores %v, its last epoch %v", s, *last.Val)
			}
		})
	}
}

// An LSTM learns which of two halves of a sequence is larger; squared error.
func TestSquaredErrorLSTM(t *testing.T) {
	const n, s = 160, 6
	x, y := tensor.New(dtype.F32, n, s, 1), tensor.New(dtype.F32, n, 1)
	raw, _ := tensor.Random(dtype.F32, 5, n, s, 1)
	for i := range n {
		sum := 0.0
		for k := range s {
			v := raw.Float(i*s + k)
			x.SetFloat(i*s+k, v)
			sum += v
		}
		y.SetFloat(i, sum/4)
	}
	set, err := data.NewTable([]data.Field{{Name: "x", DType: dtype.F32, Dims: []int{s, 1}}, {Name: "y", DType: dtype.F32, Dims: []int{1}, Target: true}}, []tensor.Tensor{x, y}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := nn.Sequential(nn.Input{Dims: []int{s, 1}}, nn.Options{Seed: 1}, nn.LSTM(8), nn.Dense(1))
	if err != nil {
		t.Fatal(err)
	}
	h := fit(t, cpu(2), m, set, nil, train.Config{Loss: train.SquaredError, Optimizer: train.Adam, LR: 0.01, Batch: 16, Epochs: 12, ClipNorm: 1})
	if first, last := h.Epochs[0].Loss, h.Epochs[11].Loss; last > first/5 {
		t.Errorf("loss %g, then %g", first, last)
	}
}

// Final weights do not depend on threads, nor on whether a run was one run.
func TestSameBits(t *testing.T) {
	set := blobs(t, 150, 9, 12, dtype.F32)
	aug, err := data.ParseAugment("flip")
	if err != nil {
		t.Fatal(err)
	}
	base := train.Config{Optimizer: train.Adam, Batch: 16, Epochs: 3, Seed: 5, Augment: aug, Schedule: train.Linear, Patience: 2}
	m := cnn(t, dtype.F32)
	before := text.String(m)
	want := fit(t, cpu(1), m, set, set, base)
	if text.String(m) != before {
		t.Error("Fit changed the model")
	}
	if weights(t, want.Model) == weights(t, m) {
		t.Error("nothing was learnt")
	}
	if have := fit(t, cpu(2), m, set, set, base); weights(t, have.Model) != weights(t, want.Model) {
		t.Error("two threads give other weights than one")
	}
	for stop := 1; stop <= 29; stop += 4 {
		c := base
		c.Checkpoint, c.Every, c.Resume = filepath.Join(t.TempDir(), "run.ckpt"), 3, true
		killed := errors.New("killed")
		c.OnStep = func(p train.Progress, _ ir.Exec) error {
			if p.Total == stop {
				return killed
			}
			return nil
		}
		if _, err := train.Fit(ctx, cpu(1+stop%2), m, set, set, c); !errors.Is(err, killed) {
			t.Fatalf("stopped at step %d: %v", stop, err)
		}
		c.OnStep = nil
		have := fit(t, cpu(2-stop%2), m, set, set, c)
		if have.Resumed != (stop > 3) {
			t.Errorf("stopped at step %d: resumed %v", stop, have.Resumed)
		}
		if weights(t, have.Model) != weights(t, want.Model) {
			t.Errorf("stopped at step %d: other weights", stop)
		}
		for i, e := range have.Epochs {
			w := want.Epochs[i]
			if e.Loss != w.Loss || e.Top1 != w.Top1 || *e.Val != *w.Val {
				t.Errorf("stopped at step %d: epoch %d is %+v, want %+v", stop, i+1, e, w)
			}
		}
		files, _ := os.ReadDir(filepath.Dir(c.Checkpoint))
		if len(files) != 1 {
			t.Errorf("stopped at step %d: left behind %v", stop, files)
		}
	}
}

// A checkpoint that is damaged, or of another run, is refused.
func TestCheckpointRefused(t *testing.T) {
	set := blobs(t, 40, 9, 12, dtype.F32)
	c := train.Config{Batch: 16, Checkpoint: filepath.Join(t.TempDir(), "run.ckpt")}
	m := cnn(t, dtype.F32)
	fit(t, cpu(1), m, set, nil, c)
	whole, err := os.ReadFile(c.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	c.Resume = true
	for at := 0; at < len(whole); at += len(whole)/7 + 1 {
		b := bytes.Clone(whole)
		b[at] ^= 1
		if err := os.WriteFile(c.Checkpoint, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := train.Fit(ctx, cpu(1), m, set, nil, c); diag.KindOf(err) != diag.BadData || !strings.Contains(err.Error(), "run.ckpt: not a checkpoint, or damaged") {
			t.Fatalf("byte %d changed: %v", at, err)
		}
	}
	if err := os.WriteFile(c.Checkpoint, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	lr := c
	lr.LR = 0.5
	if _, err := train.Fit(ctx, cpu(1), m, set, nil, lr); err == nil || !strings.Contains(err.Error(), "another configuration") {
		t.Errorf("another learning rate: %v", err)
	}
	for field, name := range []string{"picture", "label"} { // one element of one sample differs
		b, err := data.Read(set, data.Permutation(set.Len(), 0, 0)...)
		if err != nil {
			t.Fatal(err)
		}
		same, err := data.NewTable(set.Fields(), b, nil)
		if err != nil {
			t.Fatal(err)
		}
		other := b[field].Clone()
		if at := other.Len() - 1; other.DType().IsFloat() {
			other.SetFloat(at, 0.25)
		} else {
			other.SetInt(at, 8-other.Int(at))
		}
		cols := slices.Clone(b)
		cols[field] = other
		changed, err := data.NewTable(set.Fields(), cols, nil)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "run.ckpt")
		c := train.Config{Batch: 16, Checkpoint: file, Resume: true}
		fit(t, cpu(1), m, same, same, c)
		for _, x := range []struct {
			what    string
			tr, val data.Dataset
		}{{"training", changed, same}, {"validation", same, changed}} {
			if _, err := train.Fit(ctx, cpu(1), m, x.tr, x.val, c); diag.KindOf(err) != diag.Usage || !strings.Contains(err.Error(), "run.ckpt: it belongs to a run with another configuration, model or data") {
				t.Errorf("another %s in the %s data: %v", name, x.what, err)
			}
		}
		if h := fit(t, cpu(1), m, same, same, c); !h.Resumed {
			t.Error("not resumed with the same data")
		}
	}
}

// A checkpoint whose sum is right and whose header says what cannot be is
// refused, not followed.
func TestCheckpointHostile(t *testing.T) {
	set := blobs(t, 40, 9, 12, dtype.F32)
	c := train.Config{Batch: 16, Patience: 3, Checkpoint: filepath.Join(t.TempDir(), "run.ckpt")}
	m := cnn(t, dtype.F32)
	fit(t, cpu(1), m, set, nil, c)
	whole, err := os.ReadFile(c.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	magic, rest, _ := bytes.Cut(whole, []byte("\n"))
	n := binary.LittleEndian.Uint64(rest)
	head, body := string(rest[8:8+n]), rest[8+n:len(rest)-sha256.Size]
	c.Resume, c.Epochs = true, 2
	for _, x := range [][2]string{
		{`"step":0`, `"step":-1`}, {`"step":0`, `"step":4`}, {`"epoch":1`, `"epoch":-1`}, {`"epoch":1`, `"epoch":0`},
		{`"best":1`, `"best":2`}, {`"best":1`, `"best":-1`}, {`"samples":0`, `"samples":-16`},
		{`"conv1.weight"`, `"conv2.weight"`}, {`"states":[`, `"states":[{"name":"more","dtype":"i64","dims":[-1]},`},
	} {
		h := strings.Replace(head, x[0], x[1], 1)
		if h == head {
			t.Fatalf("no %s in %s", x[0], head)
		}
		b := append(bytes.Clone(magic), '\n')
		b = append(binary.LittleEndian.AppendUint64(b, uint64(len(h))), h...)
		b = append(b, body...)
		sum := sha256.Sum256(b)
		if err := os.WriteFile(c.Checkpoint, append(b, sum[:]...), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := train.Fit(ctx, cpu(1), m, set, nil, c); diag.KindOf(err) != diag.BadData || !strings.Contains(err.Error(), "run.ckpt: not a checkpoint, or damaged") {
			t.Errorf("%s: %v", x[1], err)
		}
	}
}

// Labels for each place of a picture: what counts is the share of the labels,
// not of the samples.
func TestDenseLabels(t *testing.T) {
	x, y := tensor.New(dtype.F32, 6, 1, 4, 4), tensor.New(dtype.I64, 6, 4, 4)
	for i := range x.Len() {
		x.SetFloat(i, float64(i%5)-2)
		if i%5 > 2 {
			y.SetInt(i, 1)
		}
	}
	set, err := data.NewTable([]data.Field{{Name: "image", DType: dtype.F32, Dims: []int{1, 4, 4}}, {Name: "y", DType: dtype.I64, Dims: []int{4, 4}, Target: true}},
		[]tensor.Tensor{x, y}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := nn.Sequential(nn.Input{Dims: []int{1, 4, 4}}, nn.Options{Seed: 1}, nn.Conv2D(2, 1))
	if err != nil {
		t.Fatal(err)
	}
	h := fit(t, cpu(1), m, set, set, train.Config{Optimizer: train.Adam, LR: 0.1, Batch: 2, Epochs: 40})
	if e := h.Epochs[39]; e.Top1 != 1 || e.Val.Top1 != 1 || e.Val.N != 6 {
		t.Errorf("after 40 epochs %+v, validation %+v: want all right, which a sign decides", e, e.Val)
	}
}

// A loss that is not finite stops the run and names who made the first such
// value.
func TestNotFinite(t *testing.T) {
	set := blobs(t, 64, 9, 12, dtype.F32)
	_, err := train.Fit(ctx, cpu(1), cnn(t, dtype.F32), set, nil, train.Config{LR: 1e30, Batch: 16, Epochs: 3})
	if err == nil || diag.KindOf(err) != diag.BadData || !strings.Contains(err.Error(), "loss at epoch 1 step") || !strings.Contains(err.Error(), "node \"") {
		t.Errorf("learning rate 1e30: %v", err)
	} else {
		t.Log(err)
	}
	x, _ := tensor.Random(dtype.F32, 1, 20, 4)
	x.SetFloat(4*13+2, math.NaN())
	rows, err := data.NewTable([]data.Field{{Name: "x", DType: dtype.F32, Dims: []int{4}}, {Name: "y", DType: dtype.I64, Target: true}},
		[]tensor.Tensor{x, tensor.New(dtype.I64, 20)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := nn.Named("mlp", nn.Input{Dims: []int{4}}, 2, nn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = train.Fit(ctx, cpu(1), m, rows, nil, train.Config{Batch: 7}); err == nil || !strings.Contains(err.Error(), `sample 13: field "x": have NaN, want a finite number`) {
		t.Errorf("NaN in the data: %v", err)
	}
	x = tensor.MustOf(make([]float32, 80), 20, 4)
	clean, err := data.NewTable(rows.Fields(), []tensor.Tensor{x, tensor.New(dtype.I64, 20)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = train.Fit(ctx, cpu(1), m, clean, rows, train.Config{Batch: 7}); err == nil || !strings.Contains(err.Error(), `sample 13: field "x": have NaN, want a finite number`) {
		t.Errorf("NaN in the validation data: %v", err)
	}
	if _, err := train.Evaluate(ctx, cpu(1), m, rows, train.Config{Batch: 7}); err == nil || !strings.Contains(err.Error(), `sample 13: field "x": have NaN`) {
		t.Errorf("NaN in the data to score on: %v", err)
	}
	// The last step of an epoch spoils what its own loss does not see.
	for i := range x.Len() {
		x.SetFloat(i, float64(1000*(i%7)))
	}
	n := 0
	for _, c := range []struct {
		lr  float64
		val data.Dataset
		err string
	}{
		{1e38, nil, `weight "dense1.weight" after epoch 1: in the step before it is the first`},
		{1e30, clean, `validation loss after epoch 1: in validation it is the first to give a value that is not finite: have `},
	} {
		file := filepath.Join(t.TempDir(), "ck")
		_, err = train.Fit(ctx, cpu(1), m, clean, c.val, train.Config{LR: c.lr, Batch: 20, Checkpoint: file, OnEpoch: func(train.Epoch) error { n++; return nil }})
		if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), `node "`) {
			t.Errorf("learning rate %v: %v", c.lr, err)
		}
		if _, err := os.Stat(file); err == nil || n > 0 {
			t.Errorf("learning rate %v: a checkpoint is written, or the epoch counts", c.lr)
		}
	}
}

// What a killed run left of a checkpoint does not stay.
func TestCheckpointLeftover(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ck.tmp"), make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := nn.Named("mlp:4", nn.Input{Dims: []int{1, 12, 12}}, 9, nn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := train.Config{Checkpoint: filepath.Join(dir, "ck"), Batch: 20}
	fit(t, eval.New(), m, blobs(t, 20, 9, 12, dtype.F32), nil, c)
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 || files[0].Name() != "ck" {
		t.Errorf("there are %v (%v)", files, err)
	}
	c.Resume = true
	fit(t, eval.New(), m, blobs(t, 20, 9, 12, dtype.F32), nil, c)
}

// What cannot be trained is refused before anything runs.
func TestRefused(t *testing.T) {
	set := blobs(t, 20, 9, 12, dtype.F32)
	few, err := nn.Sequential(nn.Input{Dims: []int{1, 12, 12}}, nn.Options{}, nn.Flatten(), nn.Dense(3))
	if err != nil {
		t.Fatal(err)
	}
	none, err := nn.Sequential(nn.Input{Dims: []int{1, 12, 12}}, nn.Options{}, nn.Flatten())
	if err != nil {
		t.Fatal(err)
	}
	other, err := nn.Sequential(nn.Input{Dims: []int{1, 10, 10}}, nn.Options{}, nn.Flatten(), nn.Dense(9))
	if err != nil {
		t.Fatal(err)
	}
	fixed := few.Clone()
	fixed.Main().Params[0].Type = tensor.T(dtype.F32, shape.Ints(6, 1, 12, 12)...)
	for _, c := range []struct {
		m    *ir.Module
		c    train.Config
		want string
	}{
		{fixed, train.Config{Batch: 6}, `input "x": have 20 samples in batches of 6, want full batches of 6, which the model takes at a time`},
		{fixed, train.Config{Batch: 5}, `have 20 samples in batches of 5, want full batches of 6`},
		{fixed, train.Config{}, `have 20 samples in batches of 64, want full batches of 6`},
		{few, train.Config{}, `label "class": have `},
		{none, train.Config{}, "has no float weights to train"},
		{other, train.Config{}, `field "image" for input "x": have f32[1 12 12] a sample, want f32[N,1,10,10]`},
		{few, train.Config{Loss: "hinge"}, "loss hinge: want [cross-entropy squared-error]"},
		{few, train.Config{Label: "x"}, `named "x" already`},
		{few, train.Config{Output: "z"}, `no output "z"`},
		{few, train.Config{Resume: true}, "resume without a checkpoint file"},
		{few, train.Config{LR: math.NaN()}, "want finite numbers"},
		{few, train.Config{Freeze: func(string) bool { return true }}, "has no float weights to train"},
	} {
		if _, err := train.Fit(ctx, eval.New(), c.m, set, nil, c.c); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("have %v, want %s", err, c.want)
		}
	}
}

// Frozen weights stay; a stopped run gives its best epoch; hooks are called.
func TestFreezeAndStop(t *testing.T) {
	set := blobs(t, 60, 9, 12, dtype.F32)
	m := cnn(t, dtype.F32)
	var epochs []int
	c := train.Config{Batch: 20, Epochs: 30, LR: 0.9, Patience: 2, MinDelta: 0.05,
		Freeze:  func(n string) bool { return strings.HasPrefix(n, "conv1") || strings.HasPrefix(n, "norm1") },
		OnEpoch: func(e train.Epoch) error { epochs = append(epochs, e.N); return nil }}
	h := fit(t, cpu(2), m, set, set, c)
	if h.Stopped == "" || len(h.Epochs) == 30 || len(epochs) != len(h.Epochs) {
		t.Fatalf("stopped %q after %d epochs", h.Stopped, len(h.Epochs))
	}
	best := h.Epochs[h.Best-1].Val.Loss
	s, err := train.Evaluate(ctx, cpu(1), h.Model, set, c)
	if err != nil || math.Abs(s.Loss-best) > 1e-4*(1+best) {
		t.Errorf("the model's loss is %v, that of the best epoch %v (%v)", s.Loss, best, err)
	}
	old, now := strings.Split(weights(t, m), "\n"), strings.Split(weights(t, h.Model), "\n")
	for i := range old {
		name, _, _ := strings.Cut(old[i], " ")
		if frozen := c.Freeze(name); old[i] != "" && frozen != (old[i] == now[i]) {
			t.Errorf("%s: frozen %v, changed %v", name, frozen, old[i] != now[i])
		}
	}
}

// The states of a step are those that the package promises; Export writes them
// back.
func TestStepAndExport(t *testing.T) {
	m := cnn(t, dtype.F32)
	s, err := train.Step(m, train.Config{Optimizer: train.Adam})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, st := range s.States {
		names = append(names, st.Name)
	}
	for _, n := range []string{"train.step", "conv1.weight", "conv1.weight.m", "conv1.weight.v", "norm1.mean", "dense1.bias.v"} {
		if !slices.Contains(names, n) {
			t.Errorf("no state %q in %q", n, names)
		}
	}
	if slices.Contains(names, "norm1.mean.m") {
		t.Error("a statistic has a moment")
	}
	x, err := eval.New().Compile(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	img, _ := tensor.Random(dtype.F32, 1, 4, 1, 12, 12)
	if _, err := x.Run(ctx, tensor.Vs(img, tensor.Int64s(0, 1, 2, 3), tensor.Scalar(dtype.F32, 0.1))); err != nil {
		t.Fatal(err)
	}
	out, err := train.Export(m, x)
	if err != nil {
		t.Fatal(err)
	}
	old, now := strings.Split(weights(t, m), "\n"), strings.Split(weights(t, out), "\n")
	for i := range old {
		if old[i] != "" && old[i] == now[i] {
			t.Errorf("unchanged: %.40s", old[i])
		}
	}
}
