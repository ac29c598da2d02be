package op

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// gradCase is one operator on operands of the extents given; nil is absent.
type gradCase struct {
	name string
	op   string
	nout int
	a    attr.Map
	in   [][]int
	lens []int32 // LSTM's sequence_lens
	fix  func(i int, t *tensor.Tensor)
}

func nums(v ...int64) attr.Value { return attr.Ints(v...) }

var rank0 = []int{}

func gradCases() []gradCase {
	positive := func(k int) func(int, *tensor.Tensor) {
		return func(i int, t *tensor.Tensor) {
			for j := range t.Len() {
				if i == k {
					t.SetFloat(j, 0.5+math.Abs(t.Float(j)))
				}
			}
		}
	}
	cs := []gradCase{
		{name: "conv 1-d", op: "Conv", a: attr.Map{"strides": nums(2), "pads": nums(1, 2)}, in: [][]int{{2, 2, 7}, {3, 2, 3}, {3}}},
		{name: "conv groups, dilated, same", op: "Conv", a: attr.Map{"group": attr.Int(2), "dilations": nums(2, 1), "auto_pad": attr.Str("SAME_LOWER")}, in: [][]int{{1, 4, 5, 4}, {2, 2, 2, 3}}},
		{name: "conv 3-d", op: "Conv", a: attr.Map{"strides": nums(1, 2, 1)}, in: [][]int{{1, 1, 3, 4, 3}, {2, 1, 2, 2, 2}, {2}}},
		{name: "transposed", op: "ConvTranspose", a: attr.Map{"strides": nums(2, 3), "pads": nums(1, 0, 0, 1), "output_padding": nums(1, 0)}, in: [][]int{{2, 2, 3, 2}, {2, 3, 3, 2}, {3}}},
		{name: "transposed, groups, same", op: "ConvTranspose", a: attr.Map{"strides": nums(2), "group": attr.Int(2), "auto_pad": attr.Str("SAME_UPPER")}, in: [][]int{{1, 4, 3}, {4, 1, 3}}},
		{name: "transposed, stride beyond the kernel", op: "ConvTranspose", a: attr.Map{"strides": nums(3), "auto_pad": attr.Str("SAME_LOWER")}, in: [][]int{{1, 1, 3}, {1, 2, 1}}},
		{name: "transposed, output_shape", op: "ConvTranspose", a: attr.Map{"strides": nums(2), "output_shape": nums(6)}, in: [][]int{{1, 1, 3}, {1, 1, 4}}},
		{name: "transposed, padding over a stride", op: "ConvTranspose", a: attr.Map{"dilations": nums(3), "output_padding": nums(2)}, in: [][]int{{1, 1, 3}, {1, 1, 2}}},
		{name: "max pool", op: "MaxPool", a: attr.Map{"kernel_shape": nums(3, 2), "strides": nums(2, 1), "pads": nums(1, 0, 1, 1), "ceil_mode": attr.Int(1)}, in: [][]int{{1, 2, 6, 4}}},
		{name: "average pool", op: "AveragePool", a: attr.Map{"kernel_shape": nums(3, 2), "strides": nums(2, 1), "pads": nums(1, 0, 1, 1), "ceil_mode": attr.Int(1)}, in: [][]int{{1, 2, 6, 4}}},
		{name: "average pool, padding counted", op: "AveragePool", a: attr.Map{"kernel_shape": nums(3), "pads": nums(1, 1), "dilations": nums(2), "count_include_pad": attr.Int(1)}, in: [][]int{{1, 2, 6}}},
		{name: "global average", op: "GlobalAveragePool", in: [][]int{{2, 2, 3, 2}}},
		{name: "global max", op: "GlobalMaxPool", in: [][]int{{2, 2, 3, 2}}},
		{name: "matmul", op: "MatMul", in: [][]int{{2, 3}, {3, 4}}},
		{name: "matmul, batches broadcast", op: "MatMul", in: [][]int{{2, 1, 2, 3}, {4, 3, 2}}},
		{name: "matmul, row by batch", op: "MatMul", in: [][]int{{3}, {2, 3, 2}}},
		{name: "matmul, batch by column", op: "MatMul", in: [][]int{{2, 2, 3}, {3}}},
		{name: "matmul, two vectors", op: "MatMul", in: [][]int{{3}, {3}}},
		{name: "gemm", op: "Gemm", in: [][]int{{2, 3}, {3, 4}, {4}}},
		{name: "gemm, A transposed", op: "Gemm", a: attr.Map{"transA": attr.Int(1), "alpha": attr.Float(0.5), "beta": attr.Float(2)}, in: [][]int{{3, 2}, {3, 4}, {2, 1}}},
		{name: "gemm, B transposed", op: "Gemm", a: attr.Map{"transB": attr.Int(1)}, in: [][]int{{2, 3}, {4, 3}, rank0}},
		{name: "gemm, both transposed", op: "Gemm", a: attr.Map{"transA": attr.Int(1), "transB": attr.Int(1), "alpha": attr.Float(2)}, in: [][]int{{3, 2}, {4, 3}}},
		{name: "batch norm", op: "BatchNormalization", a: attr.Map{"epsilon": attr.Float(0.1)}, in: [][]int{{2, 3, 2}, {3}, {3}, {3}, {3}}, fix: positive(4)},
		{name: "batch norm in training", op: "BatchNormalization", nout: 3, a: attr.Map{"epsilon": attr.Float(0.1), "training_mode": attr.Int(1), "momentum": attr.Float(0.75)},
			in: [][]int{{2, 3, 2, 2}, {3}, {3}, {3}, {3}}, fix: positive(4)},
		{name: "layer norm", op: "LayerNormalization", a: attr.Map{"axis": attr.Int(1), "epsilon": attr.Float(0.1)}, in: [][]int{{2, 3, 2}, {3, 2}, {2}}},
		{name: "layer norm, one scale", op: "LayerNormalization", a: attr.Map{"axis": attr.Int(-1)}, in: [][]int{{2, 4}, {1}}},
	}
	lstm := func(name string, a attr.Map, d, s, n, i, h int, lens []int32, optional ...int) {
		all := [][]int{{s, n, i}, {d, 4 * h, i}, {d, 4 * h, h}, nil, nil, nil, nil, nil}
		opt := map[int][]int{3: {d, 8 * h}, 5: {d, n, h}, 6: {d, n, h}, 7: {d, 3 * h}}
		if a["layout"].Int == 1 {
			all[0], opt[5], opt[6] = []int{n, s, i}, []int{n, d, h}, []int{n, d, h}
		}
		for _, k := range optional {
			all[k] = opt[k]
		}
		a["hidden_size"] = attr.Int(h)
		cs = append(cs, gradCase{name: name, op: "LSTM", nout: 3, a: a, in: all, lens: lens})
	}
	lstm("lstm", attr.Map{}, 1, 3, 2, 2, 2, nil)
	lstm("lstm, everything", attr.Map{"direction": attr.Str("bidirectional"), "layout": attr.Int(1)}, 2, 3, 2, 2, 2, []int32{2, 3}, 3, 5, 6, 7)
	lstm("lstm, coupled, backwards, clipped", attr.Map{"direction": attr.Str("reverse"), "input_forget": attr.Int(1), "clip": attr.Float(0.6),
		"activations": attr.Strs("Softsign", "Elu", "Softplus")}, 1, 3, 1, 2, 3, nil, 3, 6, 7)
	lstm("lstm, other activations", attr.Map{"direction": attr.Str("bidirectional"), "activations": attr.Strs("Affine", "ScaledTanh", "LeakyRelu", "HardSigmoid", "Relu", "ThresholdedRelu"),
		"activation_alpha": attr.Floats(0.5, 0.7, 0.3, 0.2, 0.1), "activation_beta": attr.Floats(0.2, 0.8, 0.5)}, 2, 2, 1, 2, 2, nil, 3, 5)
	return cs
}

// TestLinearGrad compares each gradient with central differences of
// sum(out * weight) in float64.
func TestLinearGrad(t *testing.T) {
	for _, c := range gradCases() {
		t.Run(c.name, func(t *testing.T) { checkGrad(t, c) })
	}
}

func checkGrad(t *testing.T, c gradCase) {
	r := rand.New(rand.NewPCG(3, 4))
	nout := max(1, c.nout)
	in := make([]tensor.Value, len(c.in))
	for i, d := range c.in {
		if d != nil {
			in[i] = noise(r, d...)
			if c.fix != nil {
				c.fix(i, &in[i].Tensor)
			}
		}
	}
	if c.lens != nil {
		in[4] = tensor.V(tensor.MustOf(c.lens, len(c.lens)))
	}
	out, err := apply(t, c.op, nout, c.a, in...)
	if err != nil {
		t.Fatal(err)
	}
	weights := make([]tensor.Value, nout)
	for i := range out {
		weights[i] = noise(r, out[i].Tensor.Dims()...)
	}
	loss := func() float64 {
		out, err := apply(t, c.op, nout, c.a, in...)
		if err != nil {
			t.Fatal(err)
		}
		s := 0.0
		for i := range out {
			for j := range out[i].Tensor.Len() {
				s += out[i].Tensor.Float(j) * weights[i].Tensor.Float(j)
			}
		}
		return s
	}

	g := newGraph(t)
	outs := g.b.OpN(c.op, nout, c.a, nil, g.params(in)...)
	if err := g.b.Err(); err != nil {
		t.Fatal(err)
	}
	n := outs[0].Node
	dx := n.Def.Grad(g.b, n, g.params(weights))
	if err := g.run(); err != nil {
		t.Fatal(err)
	}
	for i := range in {
		if !in[i].Present() || in[i].Tensor.DType() != dtype.F64 {
			continue
		}
		x := &in[i].Tensor
		var have tensor.Tensor
		if i < len(dx) && dx[i] != nil {
			have = g.env[dx[i]].Tensor
			if !have.Type().Equal(x.Type()) {
				t.Errorf("input %d: gradient %v, want %v", i, have.Type(), x.Type())
				continue
			}
		}
		const h = 1e-5
		for j := range x.Len() {
			v := x.Float(j)
			x.SetFloat(j, v+h)
			up := loss()
			x.SetFloat(j, v-h)
			down := loss()
			x.SetFloat(j, v)
			want, got := (up-down)/(2*h), 0.0
			if have.Valid() {
				got = have.Float(j)
			}
			if math.Abs(got-want) > 1e-6*(1+math.Abs(want)) {
				t.Errorf("input %d element %d: gradient %g, central difference %g", i, j, got, want)
				break
			}
		}
	}
}

// A gradient operator knows symbolic extents: dX has X's.
func TestLinearGradSymbolic(t *testing.T) {
	for _, c := range gradCases() {
		g := newGraph(t)
		nsym := g.f.Module.DeclareDim("N", 1, 64)
		in := make([]*ir.Value, len(c.in))
		for i, d := range c.in {
			if d == nil {
				continue
			}
			v := tensor.New(dtype.F64, d...)
			typ := v.Type()
			if i == 0 && len(d) > 1 && c.op != "Gemm" && c.op != "MatMul" {
				typ.Dims[0] = nsym
			}
			if c.op == "LSTM" && i > 3 {
				continue
			}
			in[i] = g.f.AddParam(string(rune('a'+i)), typ)
		}
		outs := g.b.OpN(c.op, max(1, c.nout), c.a, nil, in...)
		if err := g.b.Err(); err != nil {
			t.Fatal(c.name, err)
		}
		dy := make([]*ir.Value, len(outs))
		dy[0] = g.f.AddParam("dy", outs[0].Type)
		dx := outs[0].Node.Def.Grad(g.b, outs[0].Node, dy)
		if err := g.b.Err(); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i := range in {
			if in[i] != nil && dx[i] != nil && !dx[i].Type.Equal(in[i].Type) {
				t.Errorf("%s: gradient %v of input %d, want %v", c.name, dx[i].Type, i, in[i].Type)
			}
		}
	}
}

// output_shape over an open extent leaves pads that only the run knows.
func TestConvTransposeGradUnsupported(t *testing.T) {
	g := newGraph(t)
	in := g.typed("f32[1,1,L]", "f32[1,1,4]")
	y := g.b.Op("ConvTranspose", attr.Map{"strides": nums(2), "output_shape": nums(6)}, in...)
	y.Node.Def.Grad(g.b, y.Node, []*ir.Value{y})
	if err := g.b.Err(); err == nil || !strings.Contains(err.Error(), "output_shape over an open extent L (supported: known extents, or pads instead of output_shape)") {
		t.Errorf("%v", err)
	}
}
