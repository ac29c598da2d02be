package task_test

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"log"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/task"
)

// A model with its task inside says which side of a picture is brighter.
func Example() {
	const model = `module "sides" opset {ai.onnx 28}
func main(%x: f32[1,1,1,2]) -> (%y: f32[2]) {
	%s = const i64[1] [2]
	%y = Reshape %x, %s : f32[2]
	return %y
}`
	desc, err := task.Parse([]byte(`{"input": {"std": [255]}, "classify": {"top": 1}, "labels": ["left", "right"]}`))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	a, err := codegen.Build(ctx, codegen.Bytes([]byte(model)), codegen.Options{Task: &desc})
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	artifact, err := a.Bytes()
	if err != nil {
		log.Fatal(err)
	}

	// What an application does.
	m, err := runtime.Decode(artifact)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	t, err := task.Open(m)
	if err != nil {
		log.Fatal(err)
	}
	p := image.NewGray(image.Rect(0, 0, 2, 1))
	p.SetGray(1, 0, color.Gray{Y: 204})
	classes, err := t.Classify(ctx, p)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %.2f\n", classes[0].Label, classes[0].Score)
	// Output: right 0.80
}
