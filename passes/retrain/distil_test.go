package retrain_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/build"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/grad"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/ir/verify"
	"github.com/mlc-go/mlc/passes/quant"
	"github.com/mlc-go/mlc/passes/retrain"
)

// lossOf builds the loss of d over student %s and teacher %q, labels %y, and
// its gradient by %s.
func lossOf(t *testing.T, d retrain.Distillation, dims ...shape.Dim) ir.Exec {
	t.Helper()
	b := build.New("loss", op.Builtin())
	s, q := b.Param("s", tensor.T(dtype.F64, dims...)), b.Param("q", tensor.T(dtype.F64, dims...))
	y := b.Param("y", tensor.T(dtype.I64, append([]shape.Dim{dims[0]}, dims[2:]...)...))
	e := b.Emitter.(*ir.Builder)
	hard := b.ReduceMean(e.Op("mlc.CrossEntropy", nil, s, y), nil, build.Keepdims(0))
	loss, err := retrain.DistillLoss(e, s, q, hard, d)
	if err != nil {
		t.Fatal(err)
	}
	gs, err := grad.Gradients(e, loss, []*ir.Value{s})
	if err != nil {
		t.Fatal(err)
	}
	b.Result("loss", loss)
	b.Result("ds", gs[0])
	m, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if err := verify.Module(m); err != nil {
		t.Fatal(err)
	}
	x, err := eval.New().Compile(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// Values by numpy from the formula, the gradient from its derivative
// ((1-alpha)*(softmax(s)-onehot) + alpha*T*(softmax(s/T)-softmax(q/T)))/N.
func TestLossByNumpy(t *testing.T) {
	s := tensor.MustOf([]float64{1.5, -0.25, 0.75, 0, 2, -1}, 2, 3)
	q := tensor.MustOf([]float64{2, 1, -3, -1, 0.5, 4}, 2, 3)
	y := tensor.MustOf([]int64{0, 2}, 2)
	for _, c := range []struct {
		temp, alpha, loss float64
		ds                []float64
	}{
		{1, 1, 1.6327202785954538, []float64{-0.059996797369203214, -0.08102934376845104, 0.1410261411376542, 0.053848628034466266, 0.40733648647193055, -0.46118511450639676}},
		{4, 0.7, 2.809235042638801, []float64{-0.17101330743352472, -0.14682483702910754, 0.3178381444626324, 0.19010886336268182, 0.4573835962133753, -0.6474924595760572}},
		{2.5, 0.25, 2.1066893788796914, []float64{-0.1805909469906984, -0.007065365481528717, 0.18765631247222714, 0.09243280827189321, 0.4391774599195643, -0.5316102681914575}},
	} {
		x := lossOf(t, retrain.Distillation{Temperature: c.temp, Alpha: c.alpha}, shape.Int(2), shape.Int(3))
		out, err := x.Run(ctx, tensor.Vs(s, q, y))
		if err != nil {
			t.Fatal(err)
		}
		if have := out[0].Tensor.Float(0); math.Abs(have-c.loss) > 1e-14*c.loss {
			t.Errorf("T %v alpha %v: loss %v, want %v", c.temp, c.alpha, have, c.loss)
		}
		for i, want := range c.ds {
			if have := out[1].Tensor.Float(i); math.Abs(have-want) > 1e-14 {
				t.Errorf("T %v alpha %v: gradient %d is %v, want %v", c.temp, c.alpha, i, have, want)
			}
		}
	}
}

// The gradient is that of central differences, over logits with and without
// places behind the classes.
func TestLossGradient(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 60 {
		dims := []int{1 + rng.IntN(4), 1 + rng.IntN(6)}
		if i%3 == 2 {
			dims = append(dims, 1+rng.IntN(3), 1+rng.IntN(2))
		}
		d := retrain.Distillation{Temperature: 0.5 + 8*rng.Float64(), Alpha: rng.Float64()}
		if i%5 == 4 {
			d.Alpha = 1
		}
		x := lossOf(t, d, shape.Ints(dims...)...)
		s, q := tensor.New(dtype.F64, dims...), tensor.New(dtype.F64, dims...)
		y := tensor.New(dtype.I64, append([]int{dims[0]}, dims[2:]...)...)
		for k := range s.Len() {
			s.SetFloat(k, 6*rng.NormFloat64())
			q.SetFloat(k, 6*rng.NormFloat64())
		}
		for k := range y.Len() {
			y.SetInt(k, rng.Int64N(int64(dims[1])))
		}
		run := func() []tensor.Value {
			out, err := x.Run(ctx, tensor.Vs(s, q, y))
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		ds := run()[1].Clone().Tensor
		for k := range s.Len() {
			const h = 1e-5
			v := s.Float(k)
			s.SetFloat(k, v+h)
			hi := run()[0].Tensor.Float(0)
			s.SetFloat(k, v-h)
			lo := run()[0].Tensor.Float(0)
			s.SetFloat(k, v)
			n, g := (hi-lo)/(2*h), ds.Float(k)
			if !(math.Abs(g-n) <= 1e-6*max(1, math.Abs(g), math.Abs(n))) {
				t.Fatalf("%v %v: gradient %d is %v, differences give %v", dims, d, k, g, n)
			}
		}
	}
}

// spots are pictures, u8[12,12], whose class is the place of a bright spot.
func spots(t testing.TB, n, classes int) data.Dataset {
	t.Helper()
	const size = 12
	r := rand.New(rand.NewPCG(7, uint64(n)))
	x, y := tensor.New(dtype.U8, n, size, size), tensor.New(dtype.I64, n)
	b := x.Bytes()
	for i := range n {
		c := r.IntN(classes)
		y.SetInt(i, int64(c))
		cy, cx := c/3*4+2, c%3*4+2
		for k := range size * size {
			v := r.IntN(140)
			if dy, dx := k/size-cy, k%size-cx; dy*dy+dx*dx <= 2 {
				v += 90
			}
			b[i*size*size+k] = byte(v)
		}
	}
	s, err := data.NewTable([]data.Field{{Name: "image", DType: dtype.U8, Dims: []int{size, size}}, {Name: "class", DType: dtype.I64, Target: true}}, []tensor.Tensor{x, y}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// net is layers behind a preprocessing of the pictures.
func net(t testing.TB, seed uint64, set data.Dataset, l ...nn.Layer) *ir.Module {
	t.Helper()
	p, err := data.Fit(set, data.FitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := nn.Sequential(nn.Input{Dims: p.Dims}, nn.Options{Seed: seed}, l...)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = p.Attach(m, op.Builtin()); err != nil {
		t.Fatal(err)
	}
	return m
}

func conv(t testing.TB, seed uint64, set data.Dataset, classes int) *ir.Module {
	return net(t, seed, set, nn.Conv2D(8, 3, nn.Pad(1), nn.NoBias()), nn.BatchNorm(), nn.Relu(), nn.MaxPool(2),
		nn.Residual(nn.Conv2D(8, 3, nn.Pad(1)), nn.BatchNorm(), nn.Relu()), nn.DepthwiseConv(3, nn.Pad(1)), nn.Dropout(0.3), nn.AvgPool(3),
		nn.Flatten(), nn.Dense(20), nn.Relu(), nn.Dense(classes), nn.Activation("softmax"))
}

func small(t testing.TB, seed uint64, set data.Dataset, classes int) *ir.Module {
	return net(t, seed, set, nn.Conv2D(4, 3, nn.Stride(2)), nn.BatchNorm(), nn.Relu(), nn.Flatten(), nn.Dropout(0.1), nn.Dense(classes))
}

func teacherOf(t testing.TB, exec ir.Executor, m *ir.Module) *retrain.Teacher {
	t.Helper()
	x, err := retrain.NewTeacher(ctx, exec, m, retrain.TeacherOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

// learn distills.
func learn(t testing.TB, exec ir.Executor, x *retrain.Teacher, student *ir.Module, tr, val data.Dataset, c train.Config, d retrain.Distillation) (*train.History, error) {
	t.Helper()
	c, tr, val, err := x.Distill(c, tr, val, d)
	if err != nil {
		return nil, err
	}
	return train.Fit(ctx, exec, student, tr, val, c)
}

func must(t testing.TB, h *train.History, err error) *train.History {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := verify.Module(h.Model); err != nil {
		t.Fatal(err)
	}
	return h
}

func same(t testing.TB, what string, have, want *train.History) {
	t.Helper()
	if text.String(have.Model) != text.String(want.Model) {
		t.Errorf("%s: other weights", what)
	}
	for i, e := range have.Epochs {
		w := want.Epochs[i]
		if e.Loss != w.Loss || e.Top1 != w.Top1 || *e.Val != *w.Val {
			t.Errorf("%s: epoch %d is %+v, want %+v", what, i+1, e, w)
		}
	}
}

// counting counts the runs of what it compiles.
type counting struct {
	ir.Executor
	runs, samples int
}

type counted struct {
	ir.Exec
	c *counting
}

func (c *counting) Compile(ctx context.Context, m *ir.Module) (ir.Exec, error) {
	x, err := c.Executor.Compile(ctx, m)
	return &counted{x, c}, err
}

func (x *counted) Run(ctx context.Context, in []tensor.Value) ([]tensor.Value, error) {
	x.c.runs++
	x.c.samples += in[0].Tensor.Dim(0)
	return x.Exec.Run(ctx, in)
}

// What a teacher says is kept without a change of bits: of a convolutional
// one, a recurrent one, a quantized one, and one that takes three samples at a
// time.
func TestKeptIsComputed(t *testing.T) {
	set, val := spots(t, 150, 9), spots(t, 40, 9)
	float := conv(t, 1, set, 9)
	q, err := codegen.Quantize(ctx, codegen.Graph(float), codegen.QuantizeOptions{Config: quant.Config{Method: "minmax"}, Threads: 1, Samples: calibration(set)})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for _, c := range []struct {
		name  string
		m     *ir.Module
		batch int
	}{
		{"convolutional", float, 0}, {"int8", q.Module, 0}, {"three at a time", fixed(t, float, 3), 3},
		{"recurrent", net(t, 2, set, func(b *nn.Builder, x *ir.Value) *ir.Value { return b.Squeeze(x, b.Ints(1)) }, nn.LSTM(8), nn.Dense(9)), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			student := small(t, 3, set, 9)
			cfg := train.Config{Optimizer: train.Adam, Batch: 16, Epochs: 3, Seed: 5}
			d := retrain.Distillation{Temperature: 3, Alpha: 0.8}
			count := &counting{Executor: cpu(2)}
			x := teacherOf(t, count, c.m)
			if have := x.Keeps(set, 0); have != 150*9*4 {
				t.Errorf("keeps %d bytes", have)
			}
			h, err := learn(t, cpu(2), x, student, set, val, cfg, d)
			want := must(t, h, err)
			all := 150 + 40
			if c.batch > 0 { // batches are filled up: nine of 16 and one of 6; two of 16 and one of 8
				all = 9*18 + 6 + 2*18 + 9
			}
			if count.samples != all {
				t.Errorf("the teacher answered %d times, want %d", count.samples, all)
			}
			d.Memory = -1
			if x.Keeps(set, -1) != 0 {
				t.Error("keeps though it must not")
			}
			h, err = learn(t, cpu(1), teacherOf(t, cpu(1), c.m), student, set, val, cfg, d)
			same(t, "computed", must(t, h, err), want)
			cfg.Batch, d.Memory = 7, 0
			odd, err := learn(t, cpu(1), x, student, set, val, cfg, d)
			if err != nil {
				t.Fatal(err)
			}
			d.Memory = -1
			h, err = learn(t, cpu(2), x, student, set, val, cfg, d)
			same(t, "in sevens", must(t, h, err), odd)
		})
	}
}

// A run that is stopped anywhere and resumed ends with the same bits; a
// checkpoint of another teacher, temperature or alpha is refused.
func TestResume(t *testing.T) {
	set, val := spots(t, 60, 9), spots(t, 20, 9)
	aug, err := data.ParseAugment("flip,crop=1")
	if err != nil {
		t.Fatal(err)
	}
	x := teacherOf(t, cpu(1), conv(t, 1, set, 9))
	student := small(t, 3, set, 9)
	d := retrain.Distillation{Temperature: 3, Alpha: 0.8}
	for _, a := range []*data.Augment{nil, aug} {
		base := train.Config{Optimizer: train.Adam, Batch: 16, Epochs: 3, Seed: 5, Augment: a, Schedule: train.Cosine, Patience: 2}
		h, err := learn(t, cpu(1), x, student, set, val, base, d)
		want := must(t, h, err)
		for stop := 1; stop <= 11; stop += 3 {
			c := base
			c.Checkpoint, c.Every, c.Resume = filepath.Join(t.TempDir(), "run.ckpt"), 2, true
			killed := errors.New("killed")
			c.OnStep = func(p train.Progress, _ ir.Exec) error {
				if p.Total == stop {
					return killed
				}
				return nil
			}
			if _, err := learn(t, cpu(2), x, student, set, val, c, d); !errors.Is(err, killed) {
				t.Fatal(err)
			}
			c.OnStep = nil
			h, err := learn(t, cpu(1), teacherOf(t, cpu(2), conv(t, 1, set, 9)), student, set, val, c, d)
			have := must(t, h, err)
			if have.Resumed != (stop > 2) {
				t.Errorf("stopped at %d: resumed %v", stop, have.Resumed)
			}
			same(t, fmt.Sprintf("stopped at %d", stop), have, want)
			if stop < 11 {
				continue
			}
			for _, o := range []struct {
				t *retrain.Teacher
				d retrain.Distillation
			}{
				{x, retrain.Distillation{Temperature: 3.5, Alpha: 0.8}}, {x, retrain.Distillation{Temperature: 3, Alpha: 0.7}},
				{x, retrain.Distillation{Temperature: 3}}, {teacherOf(t, cpu(1), conv(t, 2, set, 9)), d},
			} {
				if _, err := learn(t, cpu(1), o.t, student, set, val, c, o.d); err == nil || !strings.Contains(err.Error(), "another configuration") {
					t.Errorf("another distillation: %v", err)
				}
			}
		}
	}
}
