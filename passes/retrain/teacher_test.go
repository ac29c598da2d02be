package retrain_test

import (
	"io"
	"math"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/passes/bindshape"
	"github.com/mlc-go/mlc/passes/quant"
	"github.com/mlc-go/mlc/passes/retrain"
)

// someSamples calibrates on the first samples of a data set.
type someSamples struct {
	d    data.Dataset
	left int
}

func (s *someSamples) Next() ([]tensor.Value, string, error) {
	if s.left == 0 {
		return nil, "", io.EOF
	}
	s.left--
	b, err := data.Read(s.d, s.left)
	return tensor.Vs(b[0]), "", err
}

func calibration(d data.Dataset) func([]conform.Port) (quant.Samples, error) {
	return func([]conform.Port) (quant.Samples, error) { return &someSamples{d, 20}, nil }
}

// fixed is m for n samples at a time.
func fixed(t testing.TB, m *ir.Module, n int64) *ir.Module {
	t.Helper()
	m = m.Clone()
	s, _ := m.Main().Params[0].Type.Dims[0].Symbol()
	if err := bindshape.Bind(m, bindshape.Binding{Dims: []bindshape.Dim{{Name: s, Lo: n, Hi: n}}}); err != nil {
		t.Fatal(err)
	}
	return m
}

// mir parses a model.
func mir(t testing.TB, s string) *ir.Module {
	t.Helper()
	m, err := text.Parse([]byte(s), "test.mir", op.Builtin(), text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// rows are two numbers each and the class.
func rows(t testing.TB, n, classes int) data.Dataset {
	t.Helper()
	x, err := tensor.Random(dtype.F32, 4, n, 2)
	if err != nil {
		t.Fatal(err)
	}
	for i := range x.Len() { // sample 17 alone has no logarithm
		x.SetFloat(i, math.Abs(x.Float(i))+0.01)
	}
	if n > 17 {
		x.SetFloat(2*17+1, -1)
	}
	y := tensor.New(dtype.I64, n)
	for i := range n {
		y.SetInt(i, int64(i%classes))
	}
	d, err := data.NewTable([]data.Field{{Name: "x", DType: dtype.F32, Dims: []int{2}}, {Name: "class", DType: dtype.I64, Target: true}}, []tensor.Tensor{x, y}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const head = `module "t" opset {ai.onnx 28}
dim N 1..64
func main(%in: f32[N,2]) -> (%y: f32[N,3]) {
	%w = const f32[2,3] [0.4, -0.2, 0.3, 0.05, 0.1, -0.7]
	%z = const u8[] [128]
	%s = const f32[] [0.01]
`

// Whatever stands behind the logits, a teacher gives the logits.
func TestLogits(t *testing.T) {
	set := rows(t, 100, 3)
	d := retrain.Distillation{Temperature: 2, Alpha: 1}
	var want *train.History
	for _, tail := range []string{
		"\t%y = MatMul %in, %w : f32[N,3]\n",
		"\t%a = MatMul %in, %w : f32[N,3]\n\t%y = Softmax %a : f32[N,3]\n",
		"\t%a = MatMul %in, %w : f32[N,3]\n\t%y = LogSoftmax %a {axis=1} : f32[N,3]\n",
		"\t%a = MatMul %in, %w : f32[N,3]\n\t%b = Softmax %a : f32[N,3]\n\t%y = Identity %b : f32[N,3]\n",
		"\t%a = MatMul %in, %w : f32[N,3]\n\t%b = Softmax %a : f32[N,3]\n\t%q = QuantizeLinear %b, %s, %z : u8[N,3]\n\t%y = DequantizeLinear %q, %s, %z : f32[N,3]\n",
		"\t%a = MatMul %in, %w : f32[N,3]\n\t%i = Identity %in : f32[N,2]\n\t%y = Softmax %a : f32[N,3]\n",
	} {
		h, err := learn(t, cpu(1), teacherOf(t, cpu(1), mir(t, head+tail+"\treturn %y\n}\n")), mlp(t, 3), set, set, train.Config{Batch: 20}, d)
		if want == nil {
			want = must(t, h, err)
		}
		same(t, tail, must(t, h, err), want)
	}
	// These are no softmax over classes at the end.
	for _, tail := range []string{
		"\t%a = MatMul %in, %w : f32[N,3]\n\t%y = Softmax %a {axis=0} : f32[N,3]\n",
		"\t%a = MatMul %in, %w : f32[N,3]\n\t%q = QuantizeLinear %a, %s, %z : u8[N,3]\n\t%y = DequantizeLinear %q, %s, %z : f32[N,3]\n",
	} {
		h, err := learn(t, cpu(1), teacherOf(t, cpu(1), mir(t, head+tail+"\treturn %y\n}\n")), mlp(t, 3), set, nil, train.Config{Batch: 20}, d)
		if have := must(t, h, err); text.String(have.Model) == text.String(want.Model) {
			t.Errorf("%s is looked through", tail)
		}
	}
}

func mlp(t testing.TB, classes int) *ir.Module {
	t.Helper()
	m, err := nn.Named("mlp", nn.Input{Dims: []int{2}}, classes, nn.Options{Seed: 2})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// With labels that say nothing, a student learns what the teacher knows; with
// alpha 0 it is trained as if there were no teacher.
func TestStudentLearns(t *testing.T) {
	set, val := spots(t, 500, 9), spots(t, 200, 9)
	cfg := train.Config{Optimizer: train.Adam, LR: 0.005, Batch: 32, Epochs: 5, Seed: 1}
	h, err := train.Fit(ctx, cpu(2), conv(t, 1, set, 9), set, nil, cfg)
	x := teacherOf(t, cpu(2), must(t, h, err).Model)
	know, err := x.Top1(ctx, val)
	if err != nil || know < 0.9 {
		t.Fatalf("the teacher knows %v: %v", know, err)
	}
	if s, err := train.Evaluate(ctx, cpu(1), h.Model, val, cfg); err != nil || s.Top1 != know {
		t.Errorf("the teacher is said to know %v, it knows %v: %v", know, s.Top1, err)
	}
	b, err := data.Read(set, data.Permutation(500, 1, 1)...)
	if err != nil {
		t.Fatal(err)
	}
	right, err := data.Read(set, data.Permutation(500, 2, 2)...)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := data.NewTable(set.Fields(), []tensor.Tensor{b[0], right[1]}, nil)
	if err != nil {
		t.Fatal(err)
	}
	student := small(t, 3, set, 9)
	cfg.Epochs = 8
	lost, err := learn(t, cpu(2), x, student, wrong, val, cfg, retrain.Distillation{Temperature: 4})
	must(t, lost, err)
	taught, err := learn(t, cpu(2), x, student, wrong, val, cfg, retrain.Distillation{Temperature: 4, Alpha: 1})
	must(t, taught, err)
	if a, b := lost.Epochs[7].Val.Top1, taught.Epochs[7].Val.Top1; a > 0.4 || b < 0.8 {
		t.Errorf("accuracy %v without a teacher, %v with one", a, b)
	}
	plain, err := train.Fit(ctx, cpu(1), student, wrong, val, cfg)
	same(t, "alpha 0", lost, must(t, plain, err))
}

// The teacher sees what the student sees: the augmented batch.
func TestAugmented(t *testing.T) {
	set := spots(t, 40, 9)
	aug, err := data.ParseAugment("flip,crop=2")
	if err != nil {
		t.Fatal(err)
	}
	m := conv(t, 1, set, 9)
	x := teacherOf(t, cpu(1), m)
	_, tr, _, err := x.Distill(train.Config{Augment: aug}, set, nil, retrain.Distillation{Temperature: 1, Alpha: 1})
	if err != nil {
		t.Fatal(err)
	}
	l, err := data.NewLoader(tr, data.LoaderOptions{Batch: 16, Shuffle: true, Seed: 3, Augment: aug})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := cpu(1).Compile(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	changed := 0
	for epoch := range 2 {
		for b, err := range l.Epoch(ctx, epoch, 0) {
			if err != nil {
				t.Fatal(err)
			}
			raw, err := data.Read(set, b.Rows...)
			if err != nil {
				t.Fatal(err)
			}
			if string(raw[0].Bytes()) != string(b.Tensors[0].Bytes()) {
				changed++
			}
			out, err := plain.Run(ctx, tensor.Vs(b.Tensors[0])) // probabilities
			if err != nil {
				t.Fatal(err)
			}
			have := b.Tensors[2]
			for i := range len(b.Rows) {
				sum := 0.0
				for c := range 9 {
					sum += math.Exp(have.Float(i*9 + c))
				}
				for c := range 9 {
					if p, want := math.Exp(have.Float(i*9+c))/sum, out[0].Tensor.Float(i*9+c); math.Abs(p-want) > 1e-5 {
						t.Fatalf("epoch %d sample %d class %d: %v, want %v", epoch, b.Rows[i], c, p, want)
					}
				}
			}
		}
	}
	if changed < 4 {
		t.Errorf("%d of 6 batches are augmented", changed)
	}
}

// What cannot be is said, with what is there and what is wanted.
func TestRefused(t *testing.T) {
	set := rows(t, 40, 3)
	plain := head + "\t%y = MatMul %in, %w : f32[N,3]\n\treturn %y\n}\n"
	ok := retrain.Distillation{Temperature: 4, Alpha: 0.5}
	nan := mir(t, strings.Replace(plain, "%y = MatMul %in, %w", "%l = Log %in : f32[N,2]\n\t%y = MatMul %l, %w", 1))
	for _, c := range []struct {
		name    string
		teacher *ir.Module
		student *ir.Module
		o       retrain.TeacherOptions
		c       train.Config
		d       retrain.Distillation
		kind    diag.Kind
		text    string
	}{
		{name: "temperature 0", d: retrain.Distillation{Alpha: 0.5}, kind: diag.Usage, text: "temperature 0: want more than 0"},
		{name: "temperature NaN", d: retrain.Distillation{Temperature: math.NaN(), Alpha: 0.5}, kind: diag.Usage, text: "temperature NaN: want more than 0"},
		{name: "alpha 1.5", d: retrain.Distillation{Temperature: 1, Alpha: 1.5}, kind: diag.Usage, text: "alpha 1.5: want 0 to 1"},
		{name: "alpha NaN", d: retrain.Distillation{Temperature: 1, Alpha: math.NaN()}, kind: diag.Usage, text: "alpha NaN: want 0 to 1"},
		{name: "squared error", c: train.Config{Loss: train.SquaredError}, kind: diag.Usage, text: "distillation with loss squared-error: want cross-entropy"},
		{name: "classes", student: mlp(t, 4), kind: diag.Shape, text: "logits of the student: have [N,4], want [N,3] as the teacher's"},
		{name: "no output", o: retrain.TeacherOptions{Output: "z"}, kind: diag.Usage, text: `teacher: no output "z"`},
		{name: "input", teacher: mir(t, strings.ReplaceAll(strings.Replace(plain, "f32[2,3] [0.4, -0.2, 0.3, 0.05, 0.1, -0.7]", "f32[5,3] random(seed=1)", 1), "N,2", "N,5")), o: retrain.TeacherOptions{Name: "big.onnx"},
			kind: diag.BadData, text: `big.onnx: field "x" for input "in": have f32[2] a sample, want f32[N,5]`},
		{name: "random", teacher: mir(t, strings.Replace(plain, "%y = MatMul %in, %w", "%h = const f32[] [0.5]\n\t%t = const bool[] [true]\n\t%r = Dropout %in, %h, %t : f32[N,2] !\"noise\"\n\t%y = MatMul %r, %w", 1)),
			kind: diag.Unsupported, text: `teacher: node "noise" (Dropout-22): unsupported: a teacher whose answers are not always the same`},
		{name: "NaN", teacher: nan, kind: diag.BadData, text: `sample 17: output "y" of the teacher: have NaN, want a finite number`},
		{name: "rank", teacher: mir(t, strings.Replace(strings.Replace(plain, "%y = MatMul %in, %w : f32[N,3]", "%m = MatMul %in, %w : f32[N,3]\n\t%y = ReduceSum %m {keepdims=0} : f32[]", 1), "-> (%y: f32[N,3])", "-> (%y: f32[])", 1)),
			kind: diag.Unsupported, text: `teacher: unsupported: output "y": have f32[], want a score per class`},
	} {
		if c.teacher == nil {
			c.teacher = mir(t, plain)
		}
		if c.student == nil {
			c.student = mlp(t, 3)
		}
		if c.d == (retrain.Distillation{}) {
			c.d = ok
		}
		x, err := retrain.NewTeacher(ctx, cpu(1), c.teacher, c.o)
		if err == nil {
			_, err = learn(t, cpu(1), x, c.student, set, nil, c.c, c.d)
			x.Close()
		}
		if diag.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v (%v), want %q", c.name, err, diag.KindOf(err), c.text)
		}
	}
}

// Student and teacher take the one field whatever its name.
func TestByPlace(t *testing.T) {
	set := rows(t, 40, 3)
	cols, err := data.Read(set, data.Permutation(40, 1, 1)...)
	if err != nil {
		t.Fatal(err)
	}
	fs := []data.Field{set.Fields()[0], set.Fields()[1]}
	fs[0].Name = "features"
	other, err := data.NewTable(fs, cols, nil)
	if err != nil {
		t.Fatal(err)
	}
	x := teacherOf(t, cpu(1), mir(t, head+"\t%y = MatMul %in, %w : f32[N,3]\n\treturn %y\n}\n"))
	h, err := learn(t, cpu(1), x, mlp(t, 3), other, other, train.Config{Batch: 100}, retrain.Distillation{Temperature: 2, Alpha: 0.5})
	must(t, h, err)
}
