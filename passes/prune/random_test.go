package prune_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/prune"
)

// gen grows a random net of pictures: every step takes values that are there
// and makes one more.
type gen struct {
	*ir.Builder
	r    *rand.Rand
	m    *ir.Module
	seed uint64
	vals []*ir.Value // [N, C, H, W]
}

func (g *gen) weight(dims ...int) *ir.Value {
	g.seed++
	t, err := tensor.Random(dtype.F32, g.seed, dims...)
	if err != nil {
		g.Fail(err)
	}
	return g.Const(t)
}

func (g *gen) pick() *ir.Value { return g.vals[g.r.IntN(len(g.vals))] }

func (g *gen) node(kind string) { g.Source = []string{fmt.Sprint(kind, len(g.vals))} }

func dim(v *ir.Value, a int) int { n, _ := v.Type.Dims[a].Const(); return int(n) }

func (g *gen) conv(x *ir.Value, out, group int) *ir.Value {
	k := int64(1 + 2*g.r.IntN(2))
	in := []*ir.Value{x, g.weight(out, dim(x, 1)/group, int(k), int(k))}
	if g.r.IntN(2) == 0 {
		in = append(in, g.weight(out))
	}
	g.node("conv")
	return g.Op("Conv", attr.Map{"group": attr.Int(group), "pads": attr.Ints(k/2, k/2, k/2, k/2)}, in...)
}

// step adds one value, nil if what it drew does not fit.
func (g *gen) step() *ir.Value {
	x := g.pick()
	c := dim(x, 1)
	g.node("n")
	switch g.r.IntN(20) {
	case 0, 1, 2:
		return g.conv(x, 2+g.r.IntN(8), 1)
	case 3:
		return g.conv(x, c*(1+g.r.IntN(2)), c)
	case 4:
		if c%2 == 0 {
			return g.conv(x, 2*(1+g.r.IntN(4)), 2)
		}
	case 5:
		ops := []string{"Relu", "Sigmoid", "Tanh", "HardSwish", "Abs", "Identity", "LeakyRelu", "Softplus"}
		return g.Op(ops[g.r.IntN(len(ops))], nil, x)
	case 6:
		return g.Op("Clip", nil, x, g.Scalar(dtype.F32, 0.25), g.Scalar(dtype.F32, 6))
	case 7:
		one := g.weight(c)
		pos := tensor.New(dtype.F32, c)
		for i := range c {
			pos.SetFloat(i, 0.5+float64(i%3))
		}
		v := g.Const(pos)
		return g.Op("BatchNormalization", nil, x, one, one, one, v)
	case 8, 9:
		y := g.pick()
		if y != x && y.Type.Equal(x.Type) {
			return g.Op([]string{"Add", "Mul", "Sub", "Max"}[g.r.IntN(4)], nil, x, y)
		}
		if dim(y, 2) == dim(x, 2) { // a convolution that fits
			return g.Op("Add", nil, x, g.conv(y, c, 1))
		}
	case 10, 11:
		y := g.pick()
		if dim(y, 2) == dim(x, 2) && dim(y, 1)+c < 24 {
			return g.Op("Concat", attr.Map{"axis": attr.Int(1 - 4*g.r.IntN(2))}, x, y)
		}
	case 12:
		if h := dim(x, 2); h >= 4 && h%2 == 0 {
			return g.Op([]string{"MaxPool", "AveragePool"}[g.r.IntN(2)], attr.Map{"kernel_shape": attr.Ints(2, 2), "strides": attr.Ints(2, 2)}, x)
		}
	case 13:
		if dim(x, 2) <= 4 {
			g.node("up")
			return g.Op("ConvTranspose", attr.Map{"strides": attr.Ints(2, 2)}, x, g.weight(c, 1+g.r.IntN(6), 2, 2))
		}
	case 14:
		if c%2 == 0 { // channel shuffle
			h := int64(dim(x, 2))
			y := g.Op("Reshape", nil, x, g.Ints(0, 2, int64(c/2), h, h))
			y = g.Op("Transpose", attr.Map{"perm": attr.Ints(0, 2, 1, 3, 4)}, y)
			return g.Op("Reshape", nil, y, g.Ints(-1, int64(c), h, h))
		}
	case 15:
		if c >= 4 {
			p := g.OpN("Split", 2, attr.Map{"axis": attr.Int(1)}, nil, x, g.Ints(1, int64(c-1)))
			return g.Op("Concat", attr.Map{"axis": attr.Int(1)}, p[1], p[0])
		}
	case 16: // a gate
		y := g.Op("GlobalAveragePool", nil, x)
		y = g.conv(y, 1+g.r.IntN(4), 1)
		y = g.Op("Sigmoid", nil, g.conv(g.Op("Relu", nil, y), c, 1))
		return g.Op("Mul", nil, x, y)
	case 17:
		return g.Op("Mul", nil, x, g.weight(c, 1, 1))
	case 18:
		return g.Op("Softmax", attr.Map{"axis": attr.Int(1 + 2*g.r.IntN(2))}, x)
	case 19:
		if dim(x, 2) <= 4 {
			h := int64(2 * dim(x, 2))
			return g.Op("Resize", attr.Map{"mode": attr.Str("nearest"), "axes": attr.Ints(1, 2, 3)}, x, nil, nil, g.Ints(int64(c), h, h))
		}
	}
	return nil
}

// head turns pictures into what a model gives.
func (g *gen) head(x *ir.Value) *ir.Value {
	c, h := dim(x, 1), dim(x, 2)
	g.node("head")
	switch g.r.IntN(4) {
	case 0:
		x = g.Op("Flatten", nil, g.Op("GlobalAveragePool", nil, x))
		return g.Op("Gemm", attr.Map{"transB": attr.Int(1)}, x, g.weight(3, c), g.weight(3))
	case 1:
		x = g.Op("Flatten", nil, x)
		x = g.Op("Gemm", nil, x, g.weight(c*h*h, 8), g.weight(1, 8))
		return g.Op("Gemm", nil, g.Op("Tanh", nil, x), g.weight(8, 3))
	case 2:
		x = g.Op("Transpose", attr.Map{"perm": attr.Ints(0, 2, 3, 1)}, x)
		x = g.Op("Reshape", nil, x, g.Ints(0, -1, int64(c)))
		x = g.Op("Add", nil, g.Op("MatMul", nil, x, g.weight(c, 6)), g.weight(6))
		x = g.Op("MatMul", nil, x, g.weight(6, 2))
		return x
	}
	return g.conv(x, 2, 1)
}

func randomNet(seed uint64) (*ir.Module, error) {
	m := ir.NewModule("random")
	f := m.AddFunc("main")
	g := &gen{Builder: ir.NewBuilder(f, -1, op.Builtin()), r: rand.New(rand.NewPCG(seed, 7)), m: m, seed: seed * 1000}
	n := m.DeclareDim("N", 1, shape.Unbounded)
	g.vals = []*ir.Value{f.AddParam("x", tensor.T(dtype.F32, n, shape.Int(3), shape.Int(4), shape.Int(4)))}
	g.vals = append(g.vals, g.conv(g.vals[0], 6, 1))
	for tries := 0; len(g.vals) < 4+g.r.IntN(10) && tries < 60; tries++ {
		if v := g.step(); v != nil {
			g.vals = append(g.vals, v)
		}
	}
	for i := range 1 + g.r.IntN(2) {
		v := g.vals[len(g.vals)-1-g.r.IntN(2)]
		f.AddResult(fmt.Sprint("y", i), g.head(v))
	}
	return m, g.Err()
}

// A random net with channels removed computes what it does with zeros.
func TestRandomNets(t *testing.T) {
	count := 300
	if testing.Short() {
		count = 60
	}
	pruned := 0
	for seed := range uint64(count) {
		m, err := randomNet(seed)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		r := rand.New(rand.NewPCG(seed, 8))
		c := prune.Config{Structure: prune.Channel, Sparsity: 0.1 + 0.8*r.Float64(), MinChannels: 1 + r.IntN(2),
			Align: 1 + r.IntN(3), Scope: []prune.Scope{prune.Layer, prune.Global}[r.IntN(2)],
			Criterion: []prune.Criterion{prune.L1, prune.Magnitude}[r.IntN(2)]}
		if _, err := prune.Apply(m.Clone(), c); diag.KindOf(err) == diag.Budget && err != nil {
			continue // nothing in it can go
		}
		ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rep, _ := both(t, m, c)
			if rep.Params.After < rep.Params.Before {
				pruned++
			}
			for _, l := range rep.Layers {
				if l.Kept < min(c.MinChannels, l.Total) {
					t.Errorf("%s keeps %d of %d", l.Node, l.Kept, l.Total)
				}
			}
		})
		if !ok {
			break
		}
	}
	if pruned < count/2 {
		t.Errorf("only %d of %d nets lost channels", pruned, count)
	}
}
