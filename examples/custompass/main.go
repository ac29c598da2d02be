// Command custompass compiles a model with a pass of its author: one that
// writes x*sigmoid(x), the swish of many vision models, as HardSwish, which
// needs no exponential. MobileNetV3 does the same by hand. The result differs a
// little, so no compiler may do it unasked; here somebody asks.
//
//	go run ./examples/custompass
//
// It prints the model before and after, what the pass says about each place,
// and how far the outputs lie apart.
package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/mlc-go/mlc"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// model has a swish, and a gate that only looks like one. Any .onnx file would
// do as well: mlc.File("model.onnx").
const model = `module "swish" opset {ai.onnx 28}
dim N 1..100
func main(%x: f32[N], %z: f32[N]) -> (%swish: f32[N], %gate: f32[N]) {
	%s = Sigmoid %x : f32[N] !"block1/sigmoid"
	%swish = Mul %s, %x : f32[N] !"block1/mul"
	%t = Sigmoid %z : f32[N] !"block2/sigmoid"
	%gate = Mul %t, %x : f32[N] !"block2/mul"
	return %swish, %gate
}
`

// hardenSwish is the pass. A rule is a pattern and what to write instead; it
// computes no numbers, and the driver remarks where it is applied. A name that
// stands twice must be the same value; operands match in the order in which
// they are written, so that a product has two forms.
func hardenSwish() pass.Pass {
	x := rewrite.Any("x")
	sigmoid := rewrite.Op("Sigmoid", x)
	tol := tensor.Custom(0, 0.1423) // at 3 and -3 it is off by most: 3*(1-sigmoid(3)) = 0.14228
	return pass.Pass{
		Name: "harden-swish", Doc: "write x*sigmoid(x) as HardSwish, which differs by up to 0.1423",
		Level: pass.Manual, Tol: tol,
		Run: remarkGates, // before the rules
		Rules: []rewrite.Rule{{
			Name: "swish-hard", Doc: "x*Sigmoid(x) is about HardSwish(x).", Tol: tol,
			Match: rewrite.Or(rewrite.Op("Mul", x, sigmoid), rewrite.Op("Mul", sigmoid, x)),
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
				return []*ir.Value{m.Emit().Op("HardSwish", nil, m.Value("x"))}
			},
		}},
	}
}

// remarkGates says why nothing is done to the products that only look alike.
func remarkGates(c *rewrite.Ctx, m *ir.Module) error {
	m.Walk(func(n *ir.Node) {
		if !n.Is("Mul") {
			return
		}
		for i, v := range n.In {
			if v.Node != nil && v.Node.Is("Sigmoid") && v.Node.In[0] != n.In[1-i] {
				c.Remark(rewrite.Missed, n, "a gate: the sigmoid is of another value")
			}
		}
	})
	return nil
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "custompass:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer) error {
	reg := mlc.NewRegistry()
	if err := reg.AddPass(hardenSwish()); err != nil {
		return err
	}
	// mlc.Passes is the whole pipeline, here the stages of the usual one by name
	// with ours between them: before elementwise operators are fused into groups,
	// after whatever hides one operator from another is gone.
	const before, after = "clean,canonical", "weights,quantized,constants,optimized"
	var outputs [2]map[string]tensor.Tensor
	for i, pipeline := range []string{before, before + ",harden-swish"} {
		told := mlc.OnRemark(func(r mlc.Remark) {
			if r.Pass == "harden-swish" {
				fmt.Fprintf(w, "%s: %s: %s\n", r.Kind, r.Node, r.Msg)
			}
		})
		a, err := mlc.Compile(ctx, mlc.Bytes([]byte(model)), mlc.With(reg), mlc.Passes(pipeline), told)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "after %s:\n", pipeline)
		if err := a.Export(ctx, w, "mir"); err != nil {
			return err
		}
		fmt.Fprintln(w)
		if err := a.Close(); err != nil {
			return err
		}
		if outputs[i], err = compute(ctx, mlc.With(reg), mlc.Passes(pipeline+","+after)); err != nil {
			return err
		}
	}
	for _, name := range []string{"swish", "gate"} {
		d, err := apart(outputs[0][name], outputs[1][name])
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s: at most %.4f apart\n", name, d)
	}
	return nil
}

// compute runs the model on x from -6 to 6 in steps of 1/8, and z = 1.
func compute(ctx context.Context, opts ...mlc.Option) (map[string]tensor.Tensor, error) {
	m, err := mlc.Load(ctx, mlc.Bytes([]byte(model)), opts...)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	var x, z []float32
	for v := float32(-6); v <= 6; v += 0.125 {
		x, z = append(x, v), append(z, 1)
	}
	return m.Run(ctx, map[string]tensor.Tensor{"x": tensor.MustOf(x, len(x)), "z": tensor.MustOf(z, len(z))})
}

// apart is the largest difference of two outputs.
func apart(a, b tensor.Tensor) (most float64, err error) {
	p, err := tensor.Data[float32](a)
	if err != nil {
		return 0, err
	}
	q, err := tensor.Data[float32](b)
	if err != nil {
		return 0, err
	}
	for i := range p {
		most = max(most, math.Abs(float64(p[i]-q[i])))
	}
	return most, nil
}
