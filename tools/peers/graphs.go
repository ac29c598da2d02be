package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mlc-go/mlc/codegen/tflite"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/passes/quant"
)

// litertExamples writes the examples of the operator table that TensorFlow Lite
// can express, for litert.py --folders.
func litertExamples(out string) error {
	ops := op.Builtin()
	for _, d := range ops.All() {
		if d.Domain == "mlc" {
			continue
		}
		for i := range d.Examples {
			ex := &d.Examples[i]
			m, args, err := exampleModule(ops, d, ex)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", d.FullName(), ex.Name, err)
			}
			if len(args) == 0 {
				continue
			}
			name := d.FullName() + "_" + strings.Map(plain, ex.Name)
			if err := litertFolder(out, name, m, args, ex.Out, tflite.NCHW); err != nil && diag.KindOf(err) != diag.Unsupported {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

//go:embed corners.txtar
var corners []byte

// litertCorners writes the models of corners.txtar in both layouts, with what
// the reference interpreter gives for random inputs.
func litertCorners(out string) error {
	for i, c := range txtar.Parse(corners).Files {
		src := append([]byte("module \"corner\" opset {ai.onnx 28}\n"), c.Data...)
		m, err := text.Parse(src, c.Name, op.Builtin(), text.Options{})
		if err != nil {
			return err
		}
		var args []tensor.Value
		for k, p := range m.Main().Params {
			d, _ := shape.Consts(p.Type.Dims)
			t, err := tensor.Random(p.Type.DType, uint64(100*i+k), d...)
			if err != nil {
				return fmt.Errorf("%s: %w", c.Name, err)
			}
			args = append(args, tensor.V(t))
		}
		want, err := interpreted(m, args)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		for _, io := range []string{tflite.NCHW, tflite.NHWC} {
			if err := litertFolder(out, c.Name+"-"+io, m, args, want, io); err != nil {
				return fmt.Errorf("%s: %w", c.Name, err)
			}
		}
	}
	return nil
}

// interpreted is what the reference interpreter gives.
func interpreted(m *ir.Module, args []tensor.Value) ([]tensor.Value, error) {
	x, err := eval.New().Compile(context.Background(), m)
	if err != nil {
		return nil, err
	}
	return x.Run(context.Background(), args)
}

// graphForm is what graphs are written as.
type graphForm struct {
	seed int  // of the first
	open bool // for any batch, with data for three
	int8 bool // quantized, where something in them is to quantize
}

// litertGraphs writes n random graphs whose extents are equal, permuted or 1,
// so that a wrong order of axes does not show in a shape.
func litertGraphs(out string, n int, form graphForm) error {
	refused := map[string]int{}
	for seed := form.seed; seed < form.seed+n; seed++ {
		g := &graph{r: rand.New(rand.NewPCG(uint64(seed), 17)), form: form}
		m, sets, err := g.build(seed)
		if err != nil {
			return fmt.Errorf("graph %d: %w", seed, err)
		}
		if form.int8 {
			if err := quantized(m, seed, sets[0]); diag.KindOf(err) == diag.Unsupported {
				refused["nothing to quantize"]++
				continue
			} else if err != nil {
				return fmt.Errorf("graph %d: %w", seed, err)
			}
		}
		io := []string{tflite.NCHW, tflite.NHWC}[seed%2]
		name := fmt.Sprintf("graph%03d-%s", seed, io)
		for k, args := range sets {
			want, err := interpreted(m, args)
			if err != nil {
				return fmt.Errorf("graph %d: %w", seed, err)
			}
			if k == 0 {
				err = litertFolder(out, name, m, args, want, io)
			} else if err = dataSet(filepath.Join(out, name), k, "input", args); err == nil {
				err = dataSet(filepath.Join(out, name), k, "output", want)
			}
			if form.open && diag.KindOf(err) == diag.Unsupported {
				refused["not for every batch"]++
				break
			}
			if err != nil {
				return fmt.Errorf("graph %d: %w", seed, err)
			}
		}
	}
	for why, k := range refused {
		fmt.Printf("%d of %d graphs left out: %s\n", k, n, why)
	}
	return nil
}

// once gives one sample.
type once struct{ args []tensor.Value }

func (s *once) Next() ([]tensor.Value, string, error) {
	if s.args == nil {
		return nil, "", io.EOF
	}
	a := s.args
	s.args = nil
	return a, "the sample", nil
}

// quantized makes m int8, calibrated with args.
func quantized(m *ir.Module, seed int, args []tensor.Value) error {
	p, err := quant.NewPlan(m, quant.Config{Signed: seed%2 == 0})
	if err != nil {
		return err
	}
	if err := p.Calibrate(context.Background(), eval.New(), &once{args}); err != nil {
		return err
	}
	return p.Insert(op.Builtin())
}

// litertFolder writes one export with its data.
func litertFolder(out, name string, m *ir.Module, args, want []tensor.Value, io string) error {
	var buf bytes.Buffer
	rep, err := tflite.Export(&buf, m, tflite.Options{IO: io})
	if err != nil {
		return err
	}
	dir := filepath.Join(out, name)
	if err := put(filepath.Join(dir, "model.tflite"), buf.Bytes()); err != nil {
		return err
	}
	steps := slices.ContainsFunc(m.Main().Nodes, func(n *ir.Node) bool { return n.Is("QuantizeLinear") })
	ports, err := json.Marshal(map[string]any{"inputs": rep.Inputs, "outputs": rep.Outputs, "transposes": len(rep.Transposes), "quantized": steps})
	if err != nil {
		return err
	}
	if err := put(filepath.Join(dir, "ports.json"), ports); err != nil {
		return err
	}
	if err := data(dir, "input", args); err != nil {
		return err
	}
	return data(dir, "output", want)
}

// graph is a random graph being built.
type graph struct {
	r    *rand.Rand
	b    *ir.Builder
	vals []*ir.Value
	form graphForm
}

// build makes a graph and its inputs, in one set or in one for each batch.
func (g *graph) build(seed int) (*ir.Module, [][]tensor.Value, error) {
	m := ir.NewModule(fmt.Sprintf("graph%d", seed))
	f := m.AddFunc("main")
	g.b = ir.NewBuilder(f, -1, op.Builtin(), "n")
	d := []int{2, 3, 4}[g.r.IntN(3)]
	dims := []int{d, d, d, d}
	if g.r.IntN(2) == 0 {
		dims[g.r.IntN(4)] = 1
	}
	if g.r.IntN(3) == 0 {
		dims[g.r.IntN(4)] = 2 * d
	}
	batches := dims[:1]
	if g.form.open {
		batches = []int{1, 3, 8}
	}
	sets := make([][]tensor.Value, len(batches))
	for i := range 1 + g.r.IntN(2) {
		t := tensor.Type{}
		for k, n := range batches {
			dims[0] = n
			x, err := tensor.Random(dtype.F32, uint64(seed*10+i), dims...)
			if err != nil {
				return nil, nil, err
			}
			t = x.Type()
			sets[k] = append(sets[k], tensor.V(x))
		}
		if g.form.open {
			t.Dims = slices.Clone(t.Dims)
			t.Dims[0] = m.DeclareDim("N", 1, 64)
		}
		g.vals = append(g.vals, f.AddParam(fmt.Sprintf("x%d", i), t))
	}
	for range 6 + g.r.IntN(8) {
		g.grow()
	}
	for i, v := range g.vals {
		if len(v.Uses()) == 0 && v.Node != nil {
			f.AddResult(fmt.Sprintf("y%d", i), v)
		}
	}
	return m, sets, g.b.Err()
}

// extents of v; those that are k for each of the batch are -k.
func (g *graph) extents(v *ir.Value) []int {
	at := func(n int64) func(string) (int64, bool) { return func(string) (int64, bool) { return n, true } }
	out := make([]int, len(v.Type.Dims))
	for i, d := range v.Type.Dims {
		one, err1 := d.Eval(at(1))
		two, err2 := d.Eval(at(2))
		if err1 != nil || err2 != nil {
			g.b.Fail(fmt.Errorf("extents of %s: %v, %v", v.Type, err1, err2))
		}
		if out[i] = int(one); two != one {
			out[i] = -int(one)
		}
	}
	return out
}

func (g *graph) random(dims ...int) *ir.Value {
	t, err := tensor.Random(dtype.F32, g.r.Uint64(), dims...)
	if err != nil {
		g.b.Fail(err)
	}
	return g.b.Const(t)
}

// grow adds one operator on values that exist.
func (g *graph) grow() {
	x := g.vals[len(g.vals)-1-g.r.IntN(min(3, len(g.vals)))]
	d := g.extents(x)
	r := len(d)
	kinds := 14
	if g.form.int8 {
		kinds = 17
	}
	var y *ir.Value
	switch k := g.r.IntN(kinds); {
	case k == 0 && r == 4 && d[1] > 0: // convolution
		m := max(1, []int{d[1], d[2], 3}[g.r.IntN(3)])
		y = g.b.Op("Conv", attr.Map{"auto_pad": attr.Str("SAME_UPPER")}, x, g.random(m, d[1], 1+g.r.IntN(2), 3), g.random(m))
	case k == 1 && r == 4 && d[1] > 0: // depthwise, odd pads
		y = g.b.Op("Conv", attr.Map{"group": attr.Int(d[1]), "pads": attr.Ints(1, 0, 1, 2)}, x, g.random(d[1], 1, 3, 3))
	case k == 2 && r == 4:
		name := []string{"MaxPool", "AveragePool"}[g.r.IntN(2)]
		y = g.b.Op(name, attr.Map{"kernel_shape": attr.Ints(2, 2), "pads": attr.Ints(1, 1, 0, 0)}, x)
	case k == 3 && r > 1:
		p := make([]int64, r)
		for i, a := range g.r.Perm(r) {
			p[i] = int64(a)
		}
		y = g.b.Op("Transpose", attr.Map{"perm": attr.Ints(p...)}, x)
	case k == 4: // reshape: extents in another order, or two of them joined
		to := make([]int64, r)
		for i, a := range g.r.Perm(r) {
			to[i] = int64(d[a])
		}
		if i := g.r.IntN(r); i+1 < r && r > 2 && g.r.IntN(2) == 0 {
			to = append(append(to[:i:i], to[i]*to[i+1]), to[i+2:]...)
		} else if r < 4 {
			to = append(to, 1)
		}
		for i := range to {
			to[i] = max(to[i], -1)
		}
		y = g.b.Op("Reshape", nil, x, g.b.Ints(to...))
	case k == 5: // a constant along one axis
		c := make([]int, r)
		for i := range c {
			c[i] = 1
		}
		a := g.r.IntN(r)
		c[a] = max(1, d[a])
		y = g.b.Op([]string{"Add", "Mul"}[g.r.IntN(2)], nil, x, g.random(c[g.r.IntN(a+1):]...))
	case k == 6: // a value of the same extents
		for _, v := range g.vals {
			if v != x && slices.Equal(g.extents(v), d) {
				y = g.b.Op("Sub", nil, x, v)
			}
		}
	case k == 7:
		y = g.b.Op("Concat", attr.Map{"axis": attr.Int(g.r.IntN(r))}, x, x)
	case k == 8 && r > 1:
		y = g.b.Op("Softmax", attr.Map{"axis": attr.Int(g.r.IntN(r))}, x)
	case k == 9 && r > 1:
		y = g.b.Op("ReduceMean", attr.Map{"keepdims": attr.Int(g.r.IntN(2))}, x, g.b.Ints(int64(g.r.IntN(r))))
	case k == 10 && r == 4:
		p := make([]int64, 8)
		p[g.r.IntN(8)], p[g.r.IntN(8)] = 1, 2
		for i := range p {
			if d[i%4] < 0 {
				p[i] = 0
			}
		}
		y = g.b.Op("Pad", nil, x, g.b.Ints(p...), g.b.Scalar(dtype.F32, 0.5))
	case k == 11:
		a := int64(g.r.IntN(r))
		if d[a] < 0 {
			break
		}
		y = g.b.Op("Slice", nil, x, g.b.Ints(0), g.b.Ints(int64(max(1, d[a]-1))), g.b.Ints(a))
	case k == 12 && r > 1: // flatten into a product
		at := 1 + g.r.IntN(r-1)
		n := 1
		for _, e := range d[at:] {
			n *= e
		}
		if n < 0 {
			break
		}
		y = g.b.Op("Gemm", nil, g.b.Op("Flatten", attr.Map{"axis": attr.Int(at)}, x), g.random(n, 5), g.random(5))
	case k == 13 && r == 4 && d[1] > 1:
		y = g.b.Op("PRelu", nil, x, g.random(d[1], 1, 1))
	case k == 14:
		y = g.b.Op([]string{"Elu", "Gelu", "HardSwish", "LeakyRelu", "HardSigmoid", "Sigmoid", "Relu"}[g.r.IntN(7)], nil, x)
	case k == 15:
		y = g.b.Op("Add", nil, x, x)
	case k == 16 && r == 4:
		y = g.b.Op("GlobalAveragePool", nil, x)
	}
	if y == nil {
		y = g.b.Op("Tanh", nil, x)
	}
	g.vals = append(g.vals, y)
}
