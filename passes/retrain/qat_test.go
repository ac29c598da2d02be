package retrain_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/ir/verify"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/quant"
	"github.com/mlc-go/mlc/passes/retrain"
)

// patches are n pictures of 12x12 with noise, whose class is where a spot is.
func patches(t testing.TB, n int, noise float64) data.Dataset {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	x, y := tensor.New(dtype.F32, n, 1, 12, 12), tensor.New(dtype.I64, n)
	for i := range n {
		c := i % 9
		tensor.Slice[int64](&y)[i] = int64(c)
		p := tensor.Slice[float32](&x)[i*144:][:144]
		for k := range p {
			p[k] = float32(r.NormFloat64() * noise)
			if k/12/4 == c/3 && k%12/4 == c%3 {
				p[k]++
			}
		}
	}
	d, err := data.NewTable([]data.Field{{Name: "x", DType: dtype.F32, Dims: []int{1, 12, 12}},
		{Name: "y", DType: dtype.I64, Dims: []int{}, Target: true, Classes: strings.Split("abcdefghi", "")}}, []tensor.Tensor{x, y}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// qcnn has what quantization treats apart: BatchNorm, a residual sum, pools
// that share a range, a depthwise convolution.
func qcnn(t testing.TB) *ir.Module {
	t.Helper()
	m, err := nn.Sequential(nn.Input{Dims: []int{1, 12, 12}}, nn.Options{Seed: 3},
		nn.Conv2D(8, 3, nn.Pad(1), nn.NoBias()), nn.BatchNorm(), nn.Relu(), nn.MaxPool(2),
		nn.Residual(nn.Conv2D(8, 3, nn.Pad(1), nn.NoBias()), nn.BatchNorm()), nn.Relu(),
		nn.DepthwiseConv(3, nn.Pad(1)), nn.Relu(), nn.AvgPool(3, nn.Stride(1)), nn.Flatten(), nn.Dense(9))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func fit(t testing.TB, m *ir.Module, set data.Dataset, c train.Config) *ir.Module {
	t.Helper()
	h, err := train.Fit(ctx, cpu(2), m, set, nil, c)
	if err != nil {
		t.Fatal(err)
	}
	return h.Model
}

func qat(t testing.TB, x ir.Executor, m *ir.Module, set, val data.Dataset, c retrain.QATConfig) *retrain.QATResult {
	t.Helper()
	r, err := retrain.QAT(ctx, x, m, set, val, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := verify.Module(r.Module); err != nil {
		t.Fatal(err)
	}
	return r
}

func count(m *ir.Module) map[string]int {
	out := map[string]int{}
	m.Walk(func(n *ir.Node) { out[n.OpName()]++ })
	return out
}

func run(t testing.TB, x ir.Executor, m *ir.Module, in tensor.Tensor) tensor.Tensor {
	t.Helper()
	e, err := x.Compile(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	out, err := e.Run(ctx, []tensor.Value{tensor.V(in)})
	if err != nil {
		t.Fatal(err)
	}
	return out[0].Tensor.Clone()
}

// The module that comes out has the pairs that static quantization writes, in
// the learnt ranges, and computes what fake quantization did, within a step of
// the output: in the interpreter and in the integer kernels.
func TestQAT(t *testing.T) {
	set := patches(t, 450, 0.6)
	m := fit(t, qcnn(t), set, train.Config{Optimizer: train.Adam, LR: 0.01, Epochs: 2, Batch: 30})
	before := print(t, m)
	r := qat(t, cpu(2), m, set, set, retrain.QATConfig{Train: train.Config{Optimizer: train.Adam, LR: 0.001, Epochs: 2, Batch: 30}})
	if print(t, m) != before {
		t.Error("the model given was changed")
	}
	fake, q := count(r.History.Model), count(r.Module)
	// Quantized: the input, both convolutions with their Relu, the sum with
	// its Relu, the depthwise convolution, two pools, the view, the product.
	if fake["BatchNormalization"] != 0 || q["mlc.FakeQuantize"] != 0 || q["QuantizeLinear"] != 9 {
		t.Errorf("fake %v, quantized %v", fake, q)
	}
	// The same less MaxPool and the view, and four weights.
	if fake["mlc.FakeQuantize"] != 9-2+4 {
		t.Errorf("fake %v", fake)
	}
	if r.History.Epochs[1].Val.Top1 < 0.9 {
		t.Errorf("accuracy %v", r.History.Epochs[1].Val)
	}
	x, err := data.Read(set, data.Permutation(set.Len(), 1, 1)[:100]...)
	if err != nil {
		t.Fatal(err)
	}
	want := run(t, eval.New(), r.History.Model, x[0])
	var step float64
	r.Module.Walk(func(n *ir.Node) {
		if n.Is("DequantizeLinear") && n.Out[0].Type.Rank() == 2 && len(n.In[1].Const().Dims) == 0 {
			s, err := n.In[1].Const().Tensor()
			if err != nil {
				t.Fatal(err)
			}
			step = s.Float(0) // the last is the output's
		}
	})
	for name, e := range map[string]ir.Executor{"interpreter": eval.New(), "cpu": cpu(1)} {
		have := run(t, e, r.Module, x[0])
		off := 0
		for i := range want.Len() {
			d := math.Abs(want.Float(i) - have.Float(i))
			if d > step/2 {
				off++
			}
			if d > 1.01*step {
				t.Errorf("%s: output %d is %v, want %v in steps of %v", name, i, have.Float(i), want.Float(i), step)
			}
		}
		if off > want.Len()/50 {
			t.Errorf("%s: %d of %d outputs are off by a step", name, off, want.Len())
		}
	}
}

func print(t testing.TB, m *ir.Module) string {
	t.Helper()
	var b bytes.Buffer
	if err := text.Print(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Ranges follow the data until they are frozen, and a run that is stopped
// before or after that and resumed ends with the same bits, on one thread and
// two.
func TestQATResumes(t *testing.T) {
	set := patches(t, 180, 0.6)
	m := fit(t, qcnn(t), set, train.Config{Optimizer: train.Adam, LR: 0.01, Batch: 30})
	conf := func() retrain.QATConfig {
		return retrain.QATConfig{Train: train.Config{Optimizer: train.Adam, LR: 0.002, Epochs: 3, Batch: 30, Seed: 4}, Calibrate: 30}
	}
	seen := map[int]float64{} // the input's upper bound after each step
	watch := conf()
	watch.Train.OnStep = func(p train.Progress, x ir.Exec) error {
		v, err := x.State("quant.0.hi")
		if err == nil {
			seen[p.Total] = v.Tensor.Float(0)
		}
		return err
	}
	want := print(t, qat(t, cpu(1), m, set, nil, watch).Module)
	for k := 1; k < 18; k++ {
		if moved := seen[k+1] != seen[k]; moved != (k < 12) {
			t.Errorf("the range after step %d is %v, then %v", k, seen[k], seen[k+1])
		}
	}
	for _, at := range []int{1, 9, 14} {
		for threads := 1; threads <= 2; threads++ {
			c := conf()
			c.Train.Checkpoint, c.Train.Every, c.Train.Resume = filepath.Join(t.TempDir(), "ck"), 1, true
			stop := diag.New(diag.Internal, "stopped")
			c.Train.OnStep = func(p train.Progress, x ir.Exec) error {
				if p.Total == at+1 {
					return stop
				}
				return nil
			}
			if _, err := retrain.QAT(ctx, cpu(threads), m, set, nil, c); err != stop {
				t.Fatal(err)
			}
			c.Train.OnStep = nil
			r := qat(t, cpu(threads), m, set, nil, c)
			if !r.History.Resumed || print(t, r.Module) != want {
				t.Errorf("stopped after step %d, %d threads: another model", at, threads)
			}
			c.Train.Epochs = 4 // ranges would be frozen later
			if _, err := retrain.QAT(ctx, cpu(threads), m, set, nil, c); err == nil || diag.KindOf(err) != diag.Usage {
				t.Errorf("resumed for more epochs: %v", err)
			}
		}
	}
}

// A model that computes the same in float32, but has one feature of two hundred
// times the others, loses by static quantization, and training brings most of
// it back.
func TestQATRecovers(t *testing.T) {
	set := patches(t, 2700, 0.9)
	rest, val, err := data.Split(set, 0.3, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := nn.Sequential(nn.Input{Dims: []int{1, 12, 12}}, nn.Options{Seed: 3}, nn.Flatten(), nn.Dense(24), nn.Relu(), nn.Dense(9))
	if err != nil {
		t.Fatal(err)
	}
	m = fit(t, m, rest, train.Config{Optimizer: train.Adam, LR: 0.01, Epochs: 4, Batch: 30})
	unbalance(t, m, 200)
	score := func(m *ir.Module) float64 {
		s, err := train.Evaluate(ctx, cpu(2), m, val, train.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Top1
	}
	float := score(m)
	static := m.Clone()
	if err := passes.FoldNorms(ctx, static, passes.Options{Ops: op.Builtin(), Exec: eval.New()}); err != nil {
		t.Fatal(err)
	}
	p, err := quant.NewPlan(static, quant.Config{})
	if err != nil {
		t.Fatal(err)
	}
	in, err := train.NewInputs(ctx, static, rest, train.Config{}, 600)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := p.Calibrate(ctx, cpu(1), in); err != nil {
		t.Fatal(err)
	}
	if err := p.Insert(op.Builtin()); err != nil {
		t.Fatal(err)
	}
	lost := score(static)
	r := qat(t, cpu(2), m, rest, nil, retrain.QATConfig{Train: train.Config{Optimizer: train.Adam, LR: 0.01, Epochs: 6, Batch: 30, Schedule: train.Cosine}})
	back := score(r.Module)
	t.Logf("float %.3f, static %.3f, trained %.3f", float, lost, back)
	if lost > float-0.08 || back < float-(float-lost)/3 {
		t.Error("want 8 points lost at least, and two thirds of them back")
	}
}

// unbalance multiplies the first feature of the hidden layer of a net of two
// dense layers by k, and what reads it by 1/k.
func unbalance(t *testing.T, m *ir.Module, k float32) {
	t.Helper()
	var dense []*ir.Node
	m.Walk(func(n *ir.Node) {
		if n.Is("Gemm") {
			dense = append(dense, n)
		}
	})
	edit := func(v *ir.Value, f func(s []float32)) {
		x, err := v.Const().Tensor()
		if err != nil {
			t.Fatal(err)
		}
		x = x.Clone()
		f(tensor.Slice[float32](&x))
		v.Node.Const = ir.NewConst(x)
	}
	if len(dense) != 2 || !dense[0].Attrs.Bool("transB") || !dense[1].Attrs.Bool("transB") {
		t.Fatalf("layers %v", dense)
	}
	edit(dense[0].In[1], func(s []float32) {
		for i := range s[:len(s)/24] {
			s[i] *= k
		}
	})
	edit(dense[0].In[2], func(s []float32) { s[0] *= k })
	edit(dense[1].In[1], func(s []float32) {
		for i := 0; i < len(s); i += 24 {
			s[i] /= k
		}
	})
}

// What cannot be done is said, and nothing comes out.
func TestQATRefuses(t *testing.T) {
	set := patches(t, 60, 0.5)
	good := qcnn(t)
	half := 2.0
	for name, c := range map[string]struct {
		m    *ir.Module
		set  data.Dataset
		c    retrain.QATConfig
		want string
	}{
		"share":     {good, set, retrain.QATConfig{Frozen: &half}, "ranges frozen for 2 of the run: want 0 to 1"},
		"samples":   {good, set, retrain.QATConfig{Calibrate: -1}, "calibration on -1 samples: want 1 or more"},
		"transform": {good, set, retrain.QATConfig{Train: train.Config{RangeSteps: 3}}, "sets the transformation and the steps of ranges itself"},
		"method":    {good, set, retrain.QATConfig{Quant: quant.Config{Method: "guess"}}, `calibration method "guess"`},
		"rate":      {good, set, retrain.QATConfig{Train: train.Config{RangeRate: 2}}, "rate of ranges 2: want more than 0, at most 1"},
		"nan":       {good, broken(t, set, 17, math.NaN()), retrain.QATConfig{}, `input "x", element `},
		"infinite":  {good, broken(t, set, 17, math.Inf(1)), retrain.QATConfig{}, `input "x", element `},
		"later nan": {good, broken(t, set, 17, math.NaN()), retrain.QATConfig{Calibrate: 1, Train: train.Config{Batch: 10, Seed: 5}}, "sample 17"},
		"diverging": {good, set, retrain.QATConfig{Train: train.Config{LR: 1e30, Epochs: 5, Batch: 10}}, "it is the first to give a value that is not finite"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := retrain.QAT(ctx, cpu(1), c.m, c.set, nil, c.c)
			if err == nil || !strings.Contains(err.Error(), c.want) || r != nil {
				t.Errorf("have %v, want %q", err, c.want)
			}
		})
	}
}

// broken is a data set of which one sample has a bad number.
func broken(t *testing.T, d data.Dataset, row int, v float64) data.Dataset {
	t.Helper()
	rows := make([]int, d.Len())
	for i := range rows {
		rows[i] = i
	}
	b, err := data.Read(d, rows...)
	if err != nil {
		t.Fatal(err)
	}
	b[0].SetFloat(row*144+5, v)
	out, err := data.NewTable(d.Fields(), b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
