// Command customop compiles a model that uses an operator of its author: one
// that ONNX does not have, in a domain of his own. It says what acme.Distance
// means, how fast it can be, makes an ONNX file that uses it, and runs that.
//
//	go run ./examples/customop
//
// Nothing is registered globally: the operator belongs to one mlc.Registry,
// which mlc.With hands to a Load or Compile. distance.go has the operator.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/mlc-go/mlc"
	"github.com/mlc-go/mlc/codegen/onnx"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/build"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "customop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer) error {
	module, err := nearest()
	if err != nil {
		return err
	}
	var file bytes.Buffer // as it could come from another program: nodes of domain "acme"
	if err := onnx.Export(&file, module, onnx.Options{}); err != nil {
		return err
	}
	model := mlc.Bytes(file.Bytes())

	// A compiler that has not heard of the operator refuses the model by name.
	if _, err := mlc.Load(ctx, model); err != nil {
		fmt.Fprintln(w, "without the registry:", err)
	} else {
		return fmt.Errorf("the model was compiled without its operator")
	}

	// The entry alone is enough: the model runs, by the reference function.
	slow := mlc.NewRegistry()
	if err := slow.AddOp(distance()); err != nil {
		return err
	}
	// With a kernel beside it, the kernel is preferred.
	fast := mlc.NewRegistry()
	if err := fast.AddOp(distance()); err != nil {
		return err
	}
	if err := fast.AddKernel(distanceF32()); err != nil {
		return err
	}

	points, err := tensor.Of([]float32{0, 0, 3, 4, 10, 11, -1, 0}, 4, 2)
	if err != nil {
		return err
	}
	for _, r := range []*mlc.Registry{slow, fast} {
		m, err := mlc.Load(ctx, model, mlc.With(r))
		if err != nil {
			return err
		}
		out, err := m.Run(ctx, map[string]tensor.Tensor{"points": points})
		if err != nil {
			return err
		}
		fmt.Fprintln(w, "\nkernels:", m.Kernels()[0])
		if err := show(w, out["distance"], out["nearest"]); err != nil {
			return err
		}
		// The interpreter runs every node by its reference function: the meaning
		// that kernels and passes are held to.
		want, err := eval.Run(ctx, module, tensor.Vs(points))
		if err != nil {
			return err
		}
		if err := tensor.Close.Compare(tensor.V(out["distance"]), want[0]); err != nil {
			return fmt.Errorf("the kernel and the reference differ: %w", err)
		}
		if err := m.Close(); err != nil {
			return err
		}
	}
	fmt.Fprintln(w, "\nboth agree with the reference")
	return nil
}

// nearest is a model in Go: the distances of points to three places, and which
// place is nearest. A model written by another program would come as a file.
func nearest() (*ir.Module, error) {
	ops, def := op.Builtin(), distance()
	if err := ops.Add(&def); err != nil {
		return nil, err
	}
	b := build.New("nearest", ops)
	points := b.Param("points", tensor.T(dtype.F32, b.Dim("N", 1, 1000), shape.Int(2)))
	places := b.F32([]float32{0, 0, 3, 0, 10, 10}, 3, 2)
	d := b.Op("acme.Distance", nil, points, places) // built-in operators have typed methods, own ones a name
	b.Result("distance", d)
	b.Result("nearest", b.ArgMin(d, build.Axis(1), build.Keepdims(0)))
	return b.Finish()
}

func show(w io.Writer, distance, nearest tensor.Tensor) error {
	d, err := tensor.Data[float32](distance)
	if err != nil {
		return err
	}
	at, err := tensor.Data[int64](nearest)
	if err != nil {
		return err
	}
	for i, a := range at {
		fmt.Fprintf(w, "point %d: %6.3f, nearest is %d\n", i, d[3*i:3*i+3], a)
	}
	return nil
}
