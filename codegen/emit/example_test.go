package emit_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/emit"
	"github.com/mlc-go/mlc/codegen/gosrc"
	"github.com/mlc-go/mlc/codegen/tflite"
	"github.com/mlc-go/mlc/passes/bindshape"
)

const models = "../../testdata/models/"

// check ends an example at its first error.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// one binds the number of pictures.
var one = bindshape.Binding{Dims: []bindshape.Dim{{Name: "N", Lo: 1, Hi: 1}}}

// A build for TensorFlow Lite stops before the plan of a CPU, and leaves out
// rewrites that it has no operators for.
func ExampleFor() {
	for _, kind := range []string{emit.MLC, emit.TFLite, emit.ONNX, emit.MIR, emit.Go, emit.Exe} {
		o, err := emit.For(kind, codegen.Options{Target: "arm64"})
		check(err)
		fmt.Printf("%s: %q, %v\n", kind, o.Stop, len(o.Off) > 0)
	}
	_, err := emit.For(emit.Exe, codegen.Options{Target: "wasm"})
	fmt.Println(err)
	// Output:
	// mlc: "", false
	// tflite: "optimized", true
	// onnx: "optimized", false
	// mir: "optimized", false
	// go: "", false
	// exe: "", false
	// unsupported: executable for the target wasm: have linux/generic, want one of linux/amd64, linux/arm64
}

func ExampleKinds() {
	fmt.Println(emit.Kinds())
	// Output:
	// [mlc exe go onnx tflite mir ptx]
}

// What is built for a kind is exported as that.
func ExampleWrite() {
	ctx := context.Background()
	o, err := emit.For(emit.TFLite, codegen.Options{Bind: one})
	check(err)
	a, err := codegen.Build(ctx, codegen.File(models+"digits.onnx"), o)
	check(err)
	defer a.Close()
	rep, err := emit.Write(ctx, io.Discard, a, emit.TFLite, emit.Options{})
	check(err)
	fmt.Println(len(rep.Operators) > 3, len(rep.Transposes))
	// Output:
	// true 0
}

// How the kinds that have a choice are written.
func ExampleOptions() {
	ctx := context.Background()
	a, err := codegen.Build(ctx, codegen.File(models+"digits.onnx"), codegen.Options{})
	check(err)
	defer a.Close()
	var b bytes.Buffer
	_, err = emit.Write(ctx, &b, a, emit.ONNX, emit.Options{Opset: 13, TFLite: tflite.Options{IO: tflite.NHWC}})
	check(err)
	again, err := codegen.Build(ctx, codegen.Bytes(b.Bytes()), codegen.Options{Stop: codegen.StageImport})
	check(err)
	defer again.Close()
	fmt.Println(again.Module().Name)
	// Output:
	// digits
}

func ExampleGoPackage() {
	o := codegen.Options{Target: "arm64", Bind: one}
	a, files, err := emit.GoPackage(context.Background(), codegen.File(models+"digits.onnx"), o, gosrc.Options{Package: "digits"}, 1)
	check(err)
	defer a.Close()
	for _, f := range files {
		fmt.Println(f.Name)
	}
	// Output:
	// model.go
	// model_arm64.go
	// example_test.go
	// model_test.go
	// model_arm64.mlc
	// testdata/seed_1000/output_0.pb
}

// A target with a device has the kernels that were written for it.
func ExampleWrite_ptx() {
	ctx := context.Background()
	o, err := emit.For(emit.PTX, codegen.Options{Target: "cuda:sm_80"})
	check(err)
	a, err := codegen.Build(ctx, codegen.Bytes([]byte(small)), o)
	check(err)
	defer a.Close()
	var b bytes.Buffer
	_, err = emit.Write(ctx, &b, a, emit.PTX, emit.Options{})
	check(err)
	fmt.Println(bytes.Contains(b.Bytes(), []byte(".target sm_80")))
	// Output:
	// true
}

// small is a model in the text form.
const small = `module "small" opset {ai.onnx 28}
func main(%x: f32[3]) -> (%y: f32[3]) {
	%y = Relu %x : f32[3]
	return %y
}
`
