package retrain_test

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/ir/verify"
	"github.com/mlc-go/mlc/passes/prune"
	"github.com/mlc-go/mlc/passes/retrain"
)

// blobs are images whose class is the place of a bright spot.
func blobs(t testing.TB, n int) data.Dataset {
	const size = 12
	r := rand.New(rand.NewPCG(7, 7))
	x, y := tensor.New(dtype.F32, n, 1, size, size), tensor.New(dtype.I64, n)
	for i := range n {
		c := r.IntN(9)
		y.SetInt(i, int64(c))
		cy, cx := (c/3)*size/4+2, (c%3)*size/4+2
		for k := range size * size {
			v := r.Float64() * 0.5
			if dy, dx := k/size-cy, k%size-cx; dy*dy+dx*dx <= 4 {
				v++
			}
			x.SetFloat(i*size*size+k, v)
		}
	}
	s, err := data.NewTable([]data.Field{{Name: "image", DType: dtype.F32, Dims: []int{1, size, size}}, {Name: "class", DType: dtype.I64, Target: true}}, []tensor.Tensor{x, y}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// cnn has what pruning treats apart: BatchNorm, a residual sum, a depthwise
// convolution, features behind Flatten.
func cnn(t testing.TB) *ir.Module {
	m, err := nn.Sequential(nn.Input{Dims: []int{1, 12, 12}}, nn.Options{Seed: 3},
		nn.Conv2D(8, 3, nn.Pad(1), nn.NoBias()), nn.BatchNorm(), nn.Relu(), nn.MaxPool(2),
		nn.Residual(nn.Conv2D(12, 3, nn.Stride(2), nn.Pad(1)), nn.BatchNorm(), nn.Activation("sigmoid")),
		nn.DepthwiseConv(3, nn.Pad(1)), nn.Relu(), nn.Dropout(0.1), nn.Flatten(), nn.Dense(9))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// pruned trains and prunes, and looks at what comes out.
func pruned(t *testing.T, x ir.Executor, m *ir.Module, tr, val data.Dataset, c train.Config, p retrain.Pruning) (*train.History, *prune.Report) {
	t.Helper()
	before := text.String(m)
	h, rep, err := retrain.Prune(ctx, x, m, tr, val, c, p)
	if err != nil {
		t.Fatal(err)
	}
	if err := verify.Module(h.Model); err != nil {
		t.Fatal(err)
	}
	if text.String(m) != before {
		t.Fatal("the model that was given changed")
	}
	return h, rep
}

// By hand: from 0 to 0.8 between steps 10 and 50, a quarter of the way is
// 0.8*(1-0.75^3) = 0.4625, half 0.8*(1-0.125) = 0.7, three quarters
// 0.8*(1-1/64) = 0.7875; from 0.4, half is 0.8-0.4/8 = 0.75.
func TestSchedule(t *testing.T) {
	s := retrain.Schedule{To: 0.8, Begin: 10, End: 50, Every: 15}
	for step, want := range map[int]float64{0: 0, 10: 0, 20: 0.4625, 30: 0.7, 40: 0.7875, 50: 0.8, 51: 0.8, 1000: 0.8} {
		if have := s.At(step); math.Abs(have-want) > 1e-15 {
			t.Errorf("step %d: %v, want %v", step, have, want)
		}
	}
	s.From = 0.4
	if have := s.At(30); math.Abs(have-0.75) > 1e-15 {
		t.Errorf("from 0.4: %v", have)
	}
	var due []int
	for i := range 100 {
		if s.Due(i) {
			due = append(due, i)
		}
	}
	if fmt.Sprint(due) != "[25 40 50]" {
		t.Errorf("due at %v", due)
	}
	at := retrain.Schedule{To: 0.5, Begin: 7, End: 7, Every: 3}
	if s := (retrain.Schedule{To: 0.5, End: 3}); !s.Due(1) || !s.Due(3) || s.Due(4) {
		t.Error("no steps between choices: not due in each")
	}
	if !at.Due(7) || at.Due(10) || at.At(7) != 0.5 || at.At(6) != 0 {
		t.Error("a rise of no steps is a step")
	}
}

// masked compares every weight with its mask, bit by bit, and its moments;
// it gives the number of elements left out.
func masked(t *testing.T, x ir.Exec, names []string) (gone int) {
	t.Helper()
	for _, name := range names {
		keep, err := train.Mask(x, name)
		if err != nil {
			continue // no mask
		}
		for _, suffix := range []string{"", ".m", ".v"} {
			v, err := x.State(name + suffix)
			if err != nil {
				continue // no such moment
			}
			b, size := v.Tensor.Bytes(), v.Tensor.DType().Size()
			for i, k := range keep {
				for _, c := range b[i*size : (i+1)*size] {
					if !k && c != 0 {
						t.Fatalf("%s%s: element %d is left out but %v, bits %x", name, suffix, i, v.Tensor.Float(i), b[i*size:(i+1)*size])
					}
				}
				if !k && suffix == "" {
					gone++
				}
			}
		}
	}
	return gone
}

// After every step what is left out is zero to the bit, and nothing comes
// back, whatever the optimizer does with moments and decay.
func TestMasksHold(t *testing.T) {
	set, m := blobs(t, 60), cnn(t)
	none := 0.0
	var names []string
	for _, w := range train.Weights(m) {
		names = append(names, w.Name)
	}
	for _, x := range []struct {
		name string
		exec ir.Executor
	}{{"interpreter", eval.New()}, {"compiled", cpu(2)}} {
		for _, c := range []train.Config{
			{Optimizer: train.SGD, LR: 0.02, Decay: 0.01},
			{Optimizer: train.SGD, LR: 0.02, Momentum: &none, Decay: 0.01},
			{Optimizer: train.Adam, LR: 0.01, Decay: 0.01, ClipNorm: 0.5},
			{Optimizer: train.AdamW, LR: 0.01, Decay: 0.1},
		} {
			for _, p := range []retrain.Pruning{
				{Config: prune.Config{Sparsity: 0.7}, End: 0.7, Every: 1},
				{Config: prune.Config{Sparsity: 0.8, Scope: prune.Global}, Begin: 0.2, End: 0.6, Every: 2},
				{Config: prune.Config{Sparsity: 0.5}},
				{Config: prune.Config{Sparsity: 0.5, Structure: prune.Channel}, End: 0.8},
				{Config: prune.Config{Sparsity: 0.4, Structure: prune.Channel, Scope: prune.Global, Criterion: prune.L1, Align: 2}, End: 1},
			} {
				if x.name == "interpreter" && (p.Begin > 0 || c.Optimizer == train.SGD) {
					continue
				}
				name := fmt.Sprintf("%s %s %v %+v", x.name, c.Optimizer, *orDefault(c.Momentum), p)
				c := c
				c.Batch, c.Epochs, c.Seed = 12, 3, 2
				gone, steps := 0, 0
				c.OnStep = func(at train.Progress, e ir.Exec) error {
					steps++
					n := masked(t, e, names)
					if n < gone {
						t.Fatalf("%s: step %d: %d elements left out, %d before", name, at.Total, n, gone)
					}
					gone = n
					return nil
				}
				h, rep := pruned(t, x.exec, m, set, nil, c, p)
				if gone == 0 || steps != 15 {
					t.Errorf("%s: %d elements left out in %d steps", name, gone, steps)
				}
				if math.Abs(rep.Sparsity-p.Sparsity) > 0.08 {
					t.Errorf("%s: sparsity %v", name, rep.Sparsity)
				}
				if p.Structure == prune.Channel {
					if rep.Params.After >= rep.Params.Before || rep.MACs.After >= rep.MACs.Before {
						t.Errorf("%s: nothing was removed: %+v", name, rep)
					}
					continue
				}
				zeros := 0
				for _, l := range rep.Layers {
					zeros += l.Total - l.Kept
				}
				if _, share, err := prune.Zeros(h.Model); err != nil || zeros != gone || math.Abs(share-rep.Sparsity) > 1e-9 {
					t.Errorf("%s: %d zeros, share %v, report %v (%v)", name, zeros, share, rep.Sparsity, err)
				}
			}
		}
	}
}

func orDefault(m *float64) *float64 {
	if m == nil {
		d := 0.9
		return &d
	}
	return m
}

// Channels that are masked in training and removed at the end leave a model
// that computes what the masked one did.
func TestRemovedEqualsMasked(t *testing.T) {
	set, m := blobs(t, 100), cnn(t)
	for _, scope := range []prune.Scope{prune.Layer, prune.Global} {
		for _, align := range []int{1, 4} {
			p := retrain.Pruning{Config: prune.Config{Sparsity: 0.5, Structure: prune.Channel, Scope: scope, Align: align}, End: 0.5}
			states := map[string]tensor.Tensor{}
			c := train.Config{Optimizer: train.Adam, LR: 0.01, Batch: 20, Epochs: 4, Decay: 1e-3}
			c.OnStep = func(at train.Progress, x ir.Exec) error {
				if at.Total < at.Steps*at.Epochs {
					return nil
				}
				for _, w := range train.Weights(m) {
					v, err := x.State(w.Name)
					if err != nil {
						return err
					}
					states[w.Name] = v.Tensor.Clone()
				}
				return nil
			}
			h, rep := pruned(t, cpu(1), m, set, nil, c, p)
			if rep.Sparsity < 0.3 {
				t.Errorf("%s, align %d: sparsity %v", scope, align, rep.Sparsity)
			}
			whole := m.Clone()
			for _, w := range train.Weights(whole) {
				w.Value.Node.Const = ir.NewConst(states[w.Name])
			}
			img, _ := tensor.Random(dtype.F32, 1, 5, 1, 12, 12)
			want, err := eval.Run(ctx, whole, tensor.Vs(img))
			if err != nil {
				t.Fatal(err)
			}
			have, err := eval.Run(ctx, h.Model, tensor.Vs(img))
			if err != nil {
				t.Fatal(err)
			}
			if err := tensor.Custom(1e-5, 1e-5).Compare(have[0], want[0]); err != nil {
				t.Errorf("%s, align %d: %v", scope, align, err)
			}
		}
	}
}

// A sparse model learns on: its zeros stay, and sparsity rises from there. All
// three ways of pruning learn the task; early stopping gives no model of an
// epoch before the last masks.
func TestLearns(t *testing.T) {
	set := blobs(t, 500)
	rest, val, err := data.Split(set, 0.4, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := train.Config{Optimizer: train.Adam, LR: 0.01, Batch: 30, Epochs: 8, Schedule: train.Cosine}
	h, rep := pruned(t, cpu(2), cnn(t), rest, val, c, retrain.Pruning{Config: prune.Config{Sparsity: 0.5, Scope: prune.Global}, Begin: 0.1, End: 0.6})
	half := h.Model
	if last := h.Epochs[7].Val.Top1; last < 0.85 || rep.Sparsity != 0.5 {
		t.Errorf("half: accuracy %v, sparsity %v", last, rep.Sparsity)
	}
	zero, _, err := prune.Zeros(half)
	if err != nil {
		t.Fatal(err)
	}
	c.Epochs, c.Patience, c.LR = 4, 1, 0.003
	first := math.Inf(1)
	c.OnStep = func(at train.Progress, x ir.Exec) error {
		gone, all := 0, 0
		for _, k := range zero {
			keep, err := train.Mask(x, k.Weight.Name)
			if err != nil {
				return err
			}
			for i, stays := range keep {
				if stays && !k.Keep[i] {
					return errors.New("a zero came back")
				}
				if all++; !stays {
					gone++
				}
			}
		}
		first = min(first, float64(gone)/float64(all))
		return nil
	}
	h, rep = pruned(t, cpu(2), half, rest, val, c, retrain.Pruning{Config: prune.Config{Sparsity: 0.8, Scope: prune.Global}, End: 0.7})
	if first < 0.499 || first > 0.56 {
		t.Errorf("sparsity began at %v", first)
	}
	if h.Best < 3 || math.Abs(rep.Sparsity-0.8) > 1e-3 {
		t.Errorf("best epoch %d, sparsity %v", h.Best, rep.Sparsity)
	}
	if top1 := h.Epochs[h.Best-1].Val.Top1; top1 < 0.8 {
		t.Errorf("four fifths: accuracy %v", top1)
	}
	c.OnStep, c.Patience = nil, 0
	for _, end := range []float64{0, 0.5} {
		h, rep = pruned(t, cpu(2), half, rest, val, c, retrain.Pruning{Config: prune.Config{Sparsity: 0.5, Structure: prune.Channel}, End: end})
		if top1 := h.Epochs[3].Val.Top1; top1 < 0.8 || rep.Params.After > rep.Params.Before*2/3 {
			t.Errorf("channels, end %v: accuracy %v, parameters %v", end, top1, rep.Params)
		}
	}
	// Sparser already than asked for: it stays so.
	_, rep = pruned(t, cpu(2), half, rest, nil, c, retrain.Pruning{Config: prune.Config{Sparsity: 0.3}, End: 0.5})
	if rep.Sparsity != 0.5 {
		t.Errorf("half again: %v", rep.Sparsity)
	}
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
		fmt.Fprintf(&b, "%s %v %x\n", w.Name, x.Dims(), x.Bytes())
	}
	return b.String()
}

// childFlag makes TestKilled the process that is killed: FILE,WAY.
var childFlag = flag.String("retrain-child", "", "checkpoint file of a run that is killed, and its way of pruning")

// A run that is killed at any moment ends, resumed, with the same bits; a
// checkpoint of another sparsity is refused.
func TestKilled(t *testing.T) {
	set, m := blobs(t, 120), cnn(t)
	ways := map[string]retrain.Pruning{
		"weights":  {Config: prune.Config{Sparsity: 0.7, Scope: prune.Global}, Begin: 0.1, End: 0.8, Every: 3},
		"channels": {Config: prune.Config{Sparsity: 0.5, Structure: prune.Channel}, End: 0.8, Every: 5},
	}
	c := train.Config{Optimizer: train.Adam, Batch: 8, Epochs: 12, Seed: 5, Every: 4, Resume: true, Patience: 2}
	if *childFlag != "" {
		file, way, _ := strings.Cut(*childFlag, ",")
		c.Checkpoint = file
		pruned(t, cpu(2), m, set, nil, c, ways[way])
		return
	}
	for way, p := range ways {
		whole := c
		whole.Resume = false
		h, _ := pruned(t, cpu(1), m, set, nil, whole, p)
		want := weights(t, h.Model)
		c := c
		c.Checkpoint = filepath.Join(t.TempDir(), "run.ckpt")
		killed := 0
		for i := range 5 {
			child := exec.Command(os.Args[0], "-test.run=^TestKilled$", "-retrain-child="+c.Checkpoint+","+way)
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			for range 1000 { // until it has written something, then a little longer
				if _, err := os.Stat(c.Checkpoint); err == nil {
					break
				}
				time.Sleep(2 * time.Millisecond)
			}
			time.Sleep(time.Duration(11+31*i) * time.Millisecond)
			if child.Process.Kill() == nil {
				killed++
			}
			child.Wait()
		}
		stop, last := errors.New("stop"), 0
		once := c
		once.OnStep = func(at train.Progress, _ ir.Exec) error { last = at.Total; return stop }
		if _, _, err := retrain.Prune(ctx, cpu(1), m, set, nil, once, p); !errors.Is(err, stop) && err != nil {
			t.Fatal(err)
		}
		h, _ = pruned(t, cpu(2), m, set, nil, c, p)
		if !h.Resumed || killed == 0 {
			t.Errorf("%s: resumed %v after %d kills", way, h.Resumed, killed)
		}
		if weights(t, h.Model) != want {
			t.Errorf("%s: other weights than those of a run that was not killed", way)
		}
		t.Logf("%s: %d kills, the last before step %d", way, killed, last)
		p.Sparsity = 0.6
		if _, _, err := retrain.Prune(ctx, cpu(2), m, set, nil, c, p); err == nil || !strings.Contains(err.Error(), "another configuration") {
			t.Errorf("%s: another sparsity: %v", way, err)
		}
	}
}

// What cannot be done is refused before anything is trained.
func TestPruneRefuses(t *testing.T) {
	set, m := blobs(t, 40), cnn(t)
	empty, err := data.Subset(set, nil)
	if err != nil {
		t.Fatal(err)
	}
	never := func(train.Progress, ir.Exec) error { return errors.New("it trained") }
	channel := prune.Config{Sparsity: 0.97, Structure: prune.Channel}
	for _, c := range []struct {
		set  data.Dataset
		c    train.Config
		p    retrain.Pruning
		kind diag.Kind
		want string
	}{
		{set, train.Config{}, retrain.Pruning{}, diag.Usage, "sparsity 0: want more than 0"},
		{set, train.Config{}, retrain.Pruning{Config: prune.Config{Sparsity: 0.5}, Begin: 0.5, End: 0.4}, diag.Usage, "begin 0.5, end 0.4: want shares of the steps"},
		{set, train.Config{}, retrain.Pruning{Config: prune.Config{Sparsity: 0.5}, End: math.NaN()}, diag.Usage, "end NaN"},
		{set, train.Config{}, retrain.Pruning{Config: prune.Config{Sparsity: 0.5}, Every: -1}, diag.Usage, "every -1 steps"},
		{set, train.Config{Masks: map[string][]bool{"a": nil}}, retrain.Pruning{Config: prune.Config{Sparsity: 0.5}}, diag.Usage, "makes its own masks"},
		{set, train.Config{}, retrain.Pruning{Config: channel}, diag.Budget, `node "conv1" (Conv-22): channels kept: have 0 of 8`},
		{set, train.Config{}, retrain.Pruning{Config: channel, End: 0.5}, diag.Budget, `node "conv1" (Conv-22): channels kept: have 0 of 8`},
		{set, train.Config{Freeze: func(n string) bool { return n == "conv1.weight" }}, retrain.Pruning{Config: prune.Config{Sparsity: 0.5}}, diag.Unsupported, `weight "conv1.weight" is to be pruned in training, but is not trained`},
		{empty, train.Config{}, retrain.Pruning{Config: prune.Config{Sparsity: 0.5}, End: 0.5}, diag.BadData, "the data set is empty"},
	} {
		c.c.OnStep = never
		if _, _, err := retrain.Prune(ctx, cpu(1), m, c.set, nil, c.c, c.p); err == nil || diag.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
			t.Errorf("have %v, want %s", err, c.want)
		}
	}
}
