package calib_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/calib"
	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

const models = "../../testdata/models/"

// check ends an example at its first error.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// Samples of a data set calibrate a model that takes its fields.
func ExampleDataset() {
	d, err := data.Random(8, 1, []data.Field{{Name: "image", DType: dtype.F32, Dims: []int{1, 28, 28}}})
	check(err)
	q, err := codegen.Quantize(context.Background(), codegen.File(models+"digits.onnx"), codegen.QuantizeOptions{Samples: calib.Dataset(d, 4, 0)})
	check(err)
	defer q.Close()
	fmt.Println(q.Module.Name)
	// Output:
	// digits
}

func ExampleMatch() {
	d, err := data.Random(8, 1, []data.Field{{Name: "size", DType: dtype.F32, Dims: []int{}}, {Name: "age", DType: dtype.F32, Dims: []int{}}})
	check(err)
	one := tensor.T(dtype.F32, shape.Int(4))
	from, fixed, err := calib.Match([]conform.Port{{Name: "age", Type: one}, {Name: "size", Type: one}}, d)
	check(err)
	fmt.Println(from, fixed)
	// Output:
	// [1 0] 4
}
