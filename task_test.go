package mlc_test

import (
	"context"
	"fmt"
	"image"
	"log"

	"github.com/mlc-go/mlc"
	"github.com/mlc-go/mlc/runtime/task"
)

func ExampleTask() {
	desc, err := task.Parse([]byte(`{"input": {"std": [255]}, "classify": {"top": 3}}`))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	m, err := mlc.Load(ctx, mlc.File(digits), mlc.Task(desc))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	t, err := task.Open(m)
	if err != nil {
		log.Fatal(err)
	}
	classes, err := t.Classify(ctx, image.NewGray(image.Rect(0, 0, 640, 480)))
	if err != nil {
		log.Fatal(err)
	}
	w, h := t.Size()
	fmt.Println(len(classes), "classes of a picture brought to", w, "x", h)
	// Output:
	// 3 classes of a picture brought to 28 x 28
}
