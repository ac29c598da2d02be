package runtime_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
)

// digits writes the artifact that `mlc build testdata/models/digits.onnx` would.
func digits() string {
	a, err := codegen.Build(context.Background(), codegen.File("../testdata/models/digits.onnx"), codegen.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	b, err := a.Bytes()
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "mlc")
	if err != nil {
		log.Fatal(err)
	}
	path := filepath.Join(dir, "digits.mlc")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		log.Fatal(err)
	}
	return path
}

func ExampleOpen() {
	path := digits()
	defer os.RemoveAll(filepath.Dir(path))

	m, err := runtime.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	for _, in := range m.Inputs() {
		fmt.Println("takes", in.Name, in.Type)
	}
	for _, out := range m.Outputs() {
		fmt.Println("gives", out.Name, out.Type)
	}
	// Output:
	// takes image f32[N,1,28,28]
	// gives class f32[N,10]
}

func ExampleModel_Run() {
	path := digits()
	defer os.RemoveAll(filepath.Dir(path))
	m, err := runtime.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	pictures := tensor.New(dtype.F32, 3, 1, 28, 28)
	out, err := m.Run(context.Background(), map[string]tensor.Tensor{"image": pictures})
	if err != nil {
		log.Fatal(err)
	}
	scores, err := tensor.Data[float32](out["class"])
	if err != nil {
		log.Fatal(err)
	}
	sum := float32(0)
	for _, p := range scores[:10] {
		sum += p
	}
	fmt.Printf("%d scores, those of a picture add up to %.3f\n", len(scores), sum)
	// Output:
	// 30 scores, those of a picture add up to 1.000
}

func ExampleSession() {
	path := digits()
	defer os.RemoveAll(filepath.Dir(path))
	m, err := runtime.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession(runtime.Threads(2), runtime.MemoryLimit(64<<20))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	// Inputs and outputs are bound once; each Run reads what the input holds
	// then, writes the output, and allocates nothing.
	picture, class := tensor.New(dtype.F32, 1, 1, 28, 28), tensor.New(dtype.F32, 1, 10)
	if err := s.Bind("image", picture); err != nil {
		log.Fatal(err)
	}
	if err := s.Bind("class", class); err != nil {
		log.Fatal(err)
	}
	for i := range 3 {
		pixels, _ := tensor.Data[float32](picture)
		pixels[i] = 1
		if err := s.Run(context.Background()); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(class.Dims())
	// Output:
	// [1 10]
}
