package tflite_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/tflite"
	"github.com/mlc-go/mlc/passes/bindshape"
)

// A model whose extents are fixed becomes a TensorFlow Lite file; the report
// says what stands in it.
func Example() {
	o := codegen.Options{Stop: "optimized", Off: tflite.Unwanted()}
	o.Bind.Dims = []bindshape.Dim{{Name: "N", Lo: 1, Hi: 1}}
	a, err := codegen.Build(context.Background(), codegen.File("../../testdata/models/digits.onnx"), o)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()

	var file bytes.Buffer
	report, err := tflite.Export(&file, a.Module(), tflite.Options{IO: tflite.NHWC})
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range append(report.Inputs, report.Outputs...) {
		fmt.Println(p.Name, p.Dims)
	}
	for _, op := range report.Operators {
		fmt.Println(op.N, op.Name)
	}
	// Output:
	// image [1 28 28 1]
	// class [1 10]
	// 2 CONV_2D
	// 2 MAX_POOL_2D
	// 1 DEPTHWISE_CONV_2D
	// 1 RESHAPE
	// 2 FULLY_CONNECTED
	// 1 SOFTMAX
}
