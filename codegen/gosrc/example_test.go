package gosrc_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/gosrc"
	"github.com/mlc-go/mlc/passes/bindshape"
)

// A compiled model becomes a Go package with a typed Predict, and a test with a
// recorded run of the reference interpreter.
func Example() {
	ctx := context.Background()
	source := codegen.File("../../testdata/models/digits.onnx")
	o := codegen.Options{Target: "amd64"}
	o.Bind.Dims = []bindshape.Dim{{Name: "N", Lo: 1, Hi: 1}}
	a, err := codegen.Build(ctx, source, o)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	art, err := a.Bytes()
	if err != nil {
		log.Fatal(err)
	}
	vectors, err := gosrc.Record(ctx, a.Module(), 1)
	if err != nil {
		log.Fatal(err)
	}
	files, err := gosrc.Files(a.Program(), art, gosrc.Options{Package: gosrc.PackageName("digits"), Vectors: vectors})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range files {
		fmt.Println(f.Name)
	}
	// Output:
	// model.go
	// model_amd64.go
	// example_test.go
	// model_test.go
	// model_amd64.mlc
	// testdata/seed_1000/output_0.pb
}
