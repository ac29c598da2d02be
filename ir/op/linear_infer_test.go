package op

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// typed builds parameters of the types given in .mir form, "f32[N,3,H,W]";
// "" is absent.
func (g *graph) typed(types ...string) []*ir.Value {
	out := make([]*ir.Value, len(types))
	for i, s := range types {
		if s == "" {
			continue
		}
		d, dims, _ := strings.Cut(strings.TrimSuffix(s, "]"), "[")
		dt, ok := dtype.Parse(d)
		if !ok {
			g.t.Fatalf("type %q", s)
		}
		typ := tensor.T(dt)
		for _, e := range strings.Split(dims, ",") {
			if e == "?" {
				typ = tensor.TUnranked(dt)
			} else if e != "" {
				dim, err := shape.Parse(e)
				if err != nil {
					g.t.Fatal(err)
				}
				for _, name := range dim.Symbols(nil) {
					g.f.Module.DeclareDim(name, 0, shape.Unbounded)
				}
				typ.Dims = append(typ.Dims, dim)
			}
		}
		out[i] = g.f.AddParam("p"+string(rune('a'+i)), typ)
	}
	return out
}

func TestLinearInfer(t *testing.T) {
	for _, c := range []struct {
		name, op string
		a        attr.Map
		in, want string
	}{
		{"conv", "Conv", attr.Map{"strides": nums(2, 1), "pads": nums(1, 1, 1, 1)}, "f32[N,3,H,W] f32[8,3,3,3]", "f32[N,8,((H+1)/2),W]"},
		{"conv same", "Conv", attr.Map{"strides": nums(2), "auto_pad": attr.Str("SAME_UPPER")}, "f32[N,3,L] f32[8,3,5]", "f32[N,8,((L+1)/2)]"},
		{"conv unknown filters", "Conv", attr.Map{"kernel_shape": nums(3)}, "f32[N,3,L] f32[?]", "f32[N,u2,(L-2)]"},
		{"conv unknown input", "Conv", nil, "f32[?] f32[8,3,5]", "f32[?]"},
		{"transposed", "ConvTranspose", attr.Map{"strides": nums(2), "pads": nums(1, 1), "group": attr.Int(2)}, "f32[N,4,L] f32[4,3,4]", "f32[N,6,(2*L)]"},
		{"transposed same", "ConvTranspose", attr.Map{"strides": nums(3), "auto_pad": attr.Str("SAME_LOWER")}, "f32[N,4,L] f32[4,3,4]", "f32[N,3,(3*L)]"},
		{"pool ceil", "MaxPool", attr.Map{"kernel_shape": nums(3), "strides": nums(2), "ceil_mode": attr.Int(1)}, "f32[N,4,L]", "f32[N,4,(L/2)]"},
		{"pool ceil, start bound", "AveragePool", attr.Map{"kernel_shape": nums(1), "strides": nums(2), "ceil_mode": attr.Int(1)}, "f32[N,4,L]", "f32[N,4,((L+1)/2)]"},
		{"global", "GlobalAveragePool", nil, "f32[N,C,H,W]", "f32[N,C,1,1]"},
		{"matmul", "MatMul", nil, "f32[A,1,m,k] f32[B,k,n]", "f32[A,B,m,n]"},
		{"matmul row", "MatMul", nil, "f32[k] f32[B,k,n]", "f32[B,n]"},
		{"gemm", "Gemm", attr.Map{"transA": attr.Int(1), "transB": attr.Int(1)}, "f32[k,m] f32[n,k] f32[n]", "f32[m,n]"},
		{"gemm unknown", "Gemm", nil, "f32[?] f32[k,n]", "f32[u2,n]"},
		{"layer norm", "LayerNormalization", nil, "f16[N,T,64] f16[64]", "f16[N,T,64]"},
		{"lstm", "LSTM", attr.Map{"direction": attr.Str("bidirectional"), "hidden_size": attr.Int(8)}, "f32[S,N,5] f32[2,32,5] f32[2,32,8]", "f32[S,2,N,8]"},
		{"lstm batch first", "LSTM", attr.Map{"layout": attr.Int(1)}, "f32[N,S,5] f32[1,32,5] f32[1,32,8]", "f32[N,S,1,8]"},
	} {
		g := newGraph(t)
		out := g.b.Op(c.op, c.a, g.typed(strings.Fields(c.in)...)...)
		if err := g.b.Err(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if out.Type.String() != c.want {
			t.Errorf("%s: %v, want %s", c.name, out.Type, c.want)
		}
	}
}

func TestLinearConstraints(t *testing.T) {
	for _, c := range []struct {
		op       string
		nout     int
		a        attr.Map
		in, want string
	}{
		{"Conv", 1, nil, "f32[1,3,8] f32[4,3,3,3]", "C1: rank of W: have 4, want 3 (rank of X)"},
		{"Conv", 1, nil, "f32[1,3] f32[4,3]", "C2: rank of X: have 2, want 3 or more"},
		{"Conv", 1, attr.Map{"kernel_shape": nums(5)}, "f32[1,3,8] f32[4,3,3]", "C3: attribute kernel_shape: have [5], want [3] (of W)"},
		{"Conv", 1, attr.Map{"pads": nums(1)}, "f32[1,3,8] f32[4,3,3]", "C3: attribute pads: have 1 numbers, want 2 for 1 spatial axes"},
		{"Conv", 1, attr.Map{"group": attr.Int(3)}, "f32[1,3,8] f32[4,1,3]", "C4: W channels: have 4, want a multiple of group 3"},
		{"Conv", 1, nil, "f32[1,3,8,8] f32[4,16,3,3]", "C5: W input channels: have 16, want 3 (X channels / group 1)"},
		{"Conv", 1, nil, "f32[1,3,8] f32[4,3,3] f32[3]", "C6: B: have 3, want 4 (output channels of W)"},
		{"Conv", 1, attr.Map{"pads": nums(1, 1), "auto_pad": attr.Str("VALID")}, "f32[1,3,8] f32[4,3,3]", "C7: attribute pads: have [1 1], want none beside auto_pad VALID"},
		{"Conv", 1, nil, "f32[1,3,2] f32[4,3,3]", "C8: spatial axis 0 of X: have 2 with pads 0 and 0, want at least the window's 3"},
		{"Conv", 1, attr.Map{"strides": nums(0)}, "f32[1,3,8] f32[4,3,3]", "attribute strides: have [0], want numbers in 1..2^30"},
		{"Conv", 1, attr.Map{"auto_pad": attr.Str("SAME")}, "f32[1,3,8] f32[4,3,3]", `attribute auto_pad: unsupported: have "SAME", want one of ["NOTSET" "SAME_UPPER" "SAME_LOWER" "VALID"]`},
		{"ConvTranspose", 1, attr.Map{"group": attr.Int(2)}, "f32[1,3,8] f32[3,2,3]", "C4: W channels: have 3, want a multiple of group 2"},
		{"ConvTranspose", 1, nil, "f32[1,3,8] f32[4,3,3]", "C5: W input channels: have 4, want 3 (X channels)"},
		{"ConvTranspose", 1, nil, "f32[1,3,8] f32[3,4,3] f32[1,4]", "C6: rank of B: have 2, want 1"},
		{"ConvTranspose", 1, attr.Map{"output_padding": nums(1)}, "f32[1,3,8] f32[3,4,3]", "C8: attribute output_padding: have 1, want less than 1"},
		{"ConvTranspose", 1, attr.Map{"output_shape": nums(11)}, "f32[1,3,8] f32[3,4,3]", "C9: attribute output_shape: have 11, want at most 10"},
		{"MaxPool", 1, attr.Map{"kernel_shape": nums(2)}, "f32[1,3,8,8]", "C1: rank of X: have 4, want 3 (2 + 1 of kernel_shape)"},
		{"MaxPool", 1, nil, "f32[1,3,8]", "attribute kernel_shape: have none, want one"},
		{"MaxPool", 1, attr.Map{"kernel_shape": nums(2), "strides": nums(2, 2)}, "f32[1,3,8]", "C2: attribute strides: have 2 numbers, want 1 for 1 spatial axes"},
		{"AveragePool", 1, attr.Map{"kernel_shape": nums(2), "pads": nums(0, 1), "auto_pad": attr.Str("SAME_LOWER")}, "f32[1,3,8]", "C3: attribute pads: have [0 1], want none beside auto_pad SAME_LOWER"},
		{"AveragePool", 1, attr.Map{"kernel_shape": nums(9)}, "f32[1,3,8]", "C4: spatial axis 0 of X: have 8 with pads 0 and 0, want at least the window's 9"},
		{"MatMul", 1, nil, "f32[] f32[3,4]", "C1: rank of A: have 0, want 1 or more"},
		{"MatMul", 1, nil, "f32[2,3] f32[4,3]", "C2: rows of B: have 4, want 3 (columns of A)"},
		{"MatMul", 1, nil, "f32[2,2,3] f32[3,3,4]", "C3: batch of B: have [3], want broadcastable to [2] (batch of A)"},
		{"Gemm", 1, nil, "f32[1,2,3] f32[3,4]", "C1: rank of A: have 3, want 2"},
		{"Gemm", 1, attr.Map{"transB": attr.Int(1)}, "f32[2,3] f32[3,4]", "C2: rows of B: have 4, want 3 (columns of A)"},
		{"Gemm", 1, nil, "f32[2,3] f32[3,4] f32[3]", "C3: C: have [3], want broadcastable to [2,4]"},
		{"Gemm", 1, attr.Map{"alpha": attr.Float(0.5)}, "i32[2,3] i32[3,4]", "C4: attribute alpha: have 0.5, want a whole number for i32"},
		{"BatchNormalization", 1, nil, "f32[] f32[1] f32[1] f32[1] f32[1]", "C1: rank of X: have 0, want 1 or more"},
		{"BatchNormalization", 1, nil, "f32[1,3] f32[3] f32[3] f32[2] f32[3]", "C2: input_mean: have 2, want 3 (X channels)"},
		{"BatchNormalization", 3, nil, "f32[1,3] f32[3] f32[3] f32[3] f32[3]", "C3: outputs: have 3, want 1 unless training_mode is 1"},
		{"LayerNormalization", 1, attr.Map{"axis": attr.Int(2)}, "f32[2,3] f32[3]", "C1: axis: have 2, want -2..1"},
		{"LayerNormalization", 1, nil, "f32[2,3] f32[2]", "C2: Scale: have [2], want broadcastable to [2,3]"},
		{"LayerNormalization", 1, attr.Map{"stash_type": attr.Int(10)}, "f32[2,3] f32[3]", "attribute stash_type: unsupported: have 10, want 1 (f32) or 16 (bf16)"},
		{"LSTM", 1, nil, "f32[3,2] f32[1,8,2] f32[1,8,2]", "C1: rank of X: have 2, want 3"},
		{"LSTM", 1, nil, "f32[3,1,2] f32[1,8,2] f32[1,6,2]", "C2: R: have [1,6,2], want [1,8,2]"},
		{"LSTM", 1, attr.Map{"direction": attr.Str("bidirectional")}, "f32[3,1,2] f32[1,8,2] f32[2,8,2]", "C3: W: have [1,8,2], want [2,8,2]"},
		{"LSTM", 1, nil, "f32[3,1,2] f32[1,8,2] f32[1,8,2] f32[1,8]", "C4: B: have [1,8], want [1,16]"},
		{"LSTM", 1, nil, "f32[3,1,2] f32[1,8,2] f32[1,8,2] f32[1,16] i32[3]", "C5: sequence_lens: have [3], want [1]"},
		{"LSTM", 1, nil, "f32[3,1,2] f32[1,8,2] f32[1,8,2] f32[1,16] i32[1] f32[3,1,2]", "C6: initial_h: have [3,1,2], want [1,1,2]"},
		{"LSTM", 1, nil, "f32[3,1,2] f32[1,8,2] f32[1,8,2] f32[1,16] i32[1] f32[1,1,2] f32[1,2]", "C7: rank of initial_c: have 2, want 3"},
		{"LSTM", 1, nil, "f32[3,1,2] f32[1,8,2] f32[1,8,2] f32[1,16] i32[1] f32[1,1,2] f32[1,1,2] f32[1,8]", "C8: P: have [1,8], want [1,6]"},
		{"LSTM", 1, attr.Map{"activations": attr.Strs("Tanh")}, "f32[3,1,2] f32[1,8,2] f32[1,8,2]", "C9: attribute activations: have 1 names, want 3"},
		{"mlc.ConvGradX", 1, nil, "f32[1,3,8] f32[3,2,3] i64[2]", "C1: shape: have 2 extents, want 3"},
		{"mlc.MaxPoolGrad", 1, attr.Map{"kernel_shape": nums(2)}, "f32[1,3,8] f32[1,3,8]", "C5: dY: have [1,3,8], want [1,3,7]"},
	} {
		g := newGraph(t)
		g.b.OpN(c.op, c.nout, c.a, nil, g.typed(strings.Fields(c.in)...)...)
		if err := g.b.Err(); err == nil || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want ... %s", c.op, c.in, err, c.want)
		}
	}
}

// What inference says with open extents is what evaluation finds for any
// extent, padding modes and ceil_mode included.
func TestWindowExtents(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 400 {
		k, s, d := 1+r.IntN(4), 1+r.IntN(4), 1+r.IntN(3)
		a := attr.Map{"strides": nums(int64(s)), "dilations": nums(int64(d)), "kernel_shape": nums(int64(k))}
		if mode := []string{"", "SAME_UPPER", "SAME_LOWER", "VALID"}[r.IntN(4)]; mode != "" {
			a["auto_pad"] = attr.Str(mode)
		} else {
			a["pads"] = nums(r.Int64N(int64(k)), r.Int64N(int64(k)))
		}
		op := []string{"Conv", "MaxPool", "AveragePool", "ConvTranspose"}[r.IntN(4)]
		if strings.HasSuffix(op, "Pool") {
			a["ceil_mode"] = attr.Int(r.IntN(2))
		}
		n := d*(k-1) + 1 + r.IntN(12)
		in := []tensor.Value{noise(r, 1, 1, n)}
		types := []string{"f64[1,1,L]"}
		if strings.HasPrefix(op, "Conv") {
			in = append(in, noise(r, 1, 1, k))
			types = append(types, in[1].Tensor.Type().String())
		}
		out, err := apply(t, op, 1, a, in...)
		if err != nil {
			t.Fatal(op, a, n, err)
		}
		g := newGraph(t)
		y := g.b.Op(op, a, g.typed(types...)...)
		if err := g.b.Err(); err != nil {
			t.Fatal(err)
		}
		want, err := y.Type.Dims[2].Eval(func(string) (int64, bool) { return int64(n), true })
		if err != nil || want != int64(out[0].Tensor.Dim(2)) {
			t.Fatalf("%s %v over %d: inferred %v = %d, evaluated %v", op, a, n, y.Type, want, out[0].Tensor.Dims())
		}
	}
}

func TestLinearUpgrade(t *testing.T) {
	val := func(dims []int, v ...float32) tensor.Value { return tensor.V(tensor.MustOf(v, dims...)) }
	row := []int{2}
	x := val([]int{1, 2}, 1, 5)
	stats := []tensor.Value{x, val(row, 2, 2), val(row, 10, 10), val(row, 0, 1), val(row, 4, 16)}
	for _, c := range []struct {
		name, op string
		version  int
		nout     int
		a        attr.Map
		in       []tensor.Value
		want     []tensor.Value
	}{
		{"no output but Y is inference", "BatchNormalization", 9, 1, attr.Map{"epsilon": attr.Float(0)}, stats, []tensor.Value{val([]int{1, 2}, 11, 12)}},
		{"outputs mean training", "BatchNormalization", 9, 3, attr.Map{"epsilon": attr.Float(1), "momentum": attr.Float(0.5)}, stats,
			[]tensor.Value{val([]int{1, 2}, 10, 10), val(row, 0.5, 3), val(row, 2, 8)}},
		{"saved mean and variance", "BatchNormalization", 7, 5, attr.Map{"epsilon": attr.Float(1)},
			append([]tensor.Value{val([]int{2, 2}, 1, 5, 3, 9)}, stats[1:]...),
			[]tensor.Value{val([]int{2, 2}, 8.585786, 8.211146, 11.414213, 11.788854), val(row, 0.2, 1.6), val(row, 3.7, 14.8), val(row, 2, 7), val(row, 1, 4)}},
		{"is_test wins over outputs", "BatchNormalization", 6, 5, attr.Map{"epsilon": attr.Float(0), "is_test": attr.Int(1)}, stats, []tensor.Value{val([]int{1, 2}, 11, 12)}},
		{"statistics per element", "BatchNormalization", 7, 1, attr.Map{"epsilon": attr.Float(0), "spatial": attr.Int(0)},
			[]tensor.Value{val([]int{2, 1, 2}, 1, 5, 2, 9), val([]int{1, 2}, 2, 2), val([]int{1, 2}, 10, 10), val([]int{1, 2}, 0, 1), val([]int{1, 2}, 4, 16)},
			[]tensor.Value{val([]int{2, 1, 2}, 11, 12, 12, 14)}},
		{"broadcast is taken for granted", "Gemm", 6, 1, attr.Map{"broadcast": attr.Int(1)},
			[]tensor.Value{val([]int{1, 2}, 1, 2), val([]int{2, 1}, 3, 4), val([]int{1}, 1)}, []tensor.Value{val([]int{1, 1}, 12)}},
		{"output_sequence", "LSTM", 1, 1, attr.Map{"output_sequence": attr.Int(1), "hidden_size": attr.Int(1)},
			[]tensor.Value{val([]int{1, 1, 1}, 0), val([]int{1, 4, 1}, 0, 0, 0, 0), val([]int{1, 4, 1}, 0, 0, 0, 0)}, []tensor.Value{val([]int{1, 1, 1, 1}, 0)}},
	} {
		g := newGraph(t)
		up := g.b.Ops().Lookup(c.op).Upgrade[c.version]
		out, err := up(g.b, ir.Raw{Op: c.op, Version: c.version, Attrs: c.a, In: g.params(c.in), NOut: c.nout})
		if err == nil {
			err = g.run()
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i, w := range c.want {
			if err := tensor.Custom(1e-6, 1e-7).Compare(g.env[out[i]], w); err != nil {
				t.Errorf("%s: output %d: %v (hand calculation)", c.name, i, err)
			}
		}
	}
}

func TestLinearDowngrade(t *testing.T) {
	for _, c := range []struct {
		op      string
		version int
		nout    int
		a       attr.Map
		in      string
		want    string // error, or "" and the attributes that are gone
		gone    string
	}{
		{"Conv", 11, 1, nil, "bf16[1,1,4] bf16[1,1,2]", "bf16 in Conv-11 (supported: f32, f64, f16)", ""},
		{"Conv", 11, 1, nil, "f32[1,1,4] f32[1,1,2]", "", ""},
		{"AveragePool", 11, 1, attr.Map{"kernel_shape": nums(2), "dilations": nums(2)}, "f32[1,1,4]", "attribute dilations = [2] (supported: its default)", ""},
		{"AveragePool", 11, 1, attr.Map{"kernel_shape": nums(2), "dilations": nums(1)}, "f32[1,1,4]", "", "dilations"},
		{"BatchNormalization", 9, 1, attr.Map{"training_mode": attr.Int(1)}, "f32[1,3] f32[3] f32[3] f32[3] f32[3]", "training mode without running outputs in BatchNormalization-9 (supported: with them)", ""},
		{"BatchNormalization", 9, 1, nil, "f32[1,3] f32[3] f32[3] f32[3] f32[3]", "", "training_mode"},
		{"BatchNormalization", 14, 1, nil, "f16[1,3] f32[3] f32[3] f32[3] f32[3]", "scale of another type than X in BatchNormalization-14 (supported: one type)", ""},
		{"LSTM", 7, 1, attr.Map{"layout": attr.Int(1)}, "f32[3,1,2] f32[1,8,2] f32[1,8,2]", "attribute layout = 1 (supported: its default)", ""},
		{"LSTM", 7, 1, nil, "f32[3,1,2] f32[1,8,2] f32[1,8,2]", "", "layout"},
		{"MatMul", 1, 1, nil, "i32[2,2] i32[2,2]", "i32 in MatMul-1 (supported: f32, f64, f16)", ""},
	} {
		g := newGraph(t)
		out := g.b.OpN(c.op, c.nout, c.a, nil, g.typed(strings.Fields(c.in)...)...)
		if err := g.b.Err(); err != nil {
			t.Fatal(err)
		}
		in, a, err := out[0].Node.Def.Downgrade[c.version](g.b, out[0].Node)
		switch {
		case err == nil && c.want != "", err != nil && !strings.HasSuffix(err.Error(), c.want) || err != nil && c.want == "":
			t.Errorf("%s-%d: %v, want %q", c.op, c.version, err, c.want)
		case err == nil && (len(in) != len(out[0].Node.In) || c.gone != "" && a.Has(c.gone)):
			t.Errorf("%s-%d: %d inputs, attributes %v", c.op, c.version, len(in), a.Names())
		}
	}
}
