package runtime_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/mlc-go/mlc/backend/cuda/ptxsim"
	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/kernel/all"
)

// check ends an example at its first error.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// built compiles a model into memory, as `mlc build` does into a file.
func built(src codegen.Source) []byte {
	a, err := codegen.Build(context.Background(), src, codegen.Options{Target: "generic"})
	check(err)
	defer a.Close()
	b, err := a.Bytes()
	check(err)
	return b
}

// picture is an artifact of the digits model.
func picture() []byte { return built(codegen.File("../testdata/models/digits.onnx")) }

// counter is a model with a state: the sum of all that it was given.
const counter = `module "counter" opset {ai.onnx 28}
state %sum: f32[2] = zeros
func main(%before: f32[2] -> %sum, %x: f32[2]) -> (%after: f32[2] -> %sum, %y: f32[2]) {
	%after = Add %before, %x : f32[2]
	%y = Identity %after : f32[2]
	return %after, %y
}
`

// An artifact that is in memory already, as go:embed puts it there, is not
// copied.
func ExampleDecode() {
	m, err := runtime.Decode(picture())
	check(err)
	defer m.Close()
	fmt.Println(len(m.Inputs()), len(m.Outputs()))
	// Output:
	// 1 1
}

func ExampleInfo() {
	m, err := runtime.Decode(picture())
	check(err)
	defer m.Close()
	var in runtime.Info = m.Inputs()[0]
	fmt.Println(in.Name, in.Type.DType, len(in.Type.Dims))
	// Output:
	// image f32 4
}

// Options say what the artifact runs on.
func ExampleOption() {
	path := digits()
	defer os.RemoveAll(filepath.Dir(path))
	options := []runtime.Option{runtime.WithKernels(all.Set())}
	m, err := runtime.Open(path, options...)
	check(err)
	fmt.Println(m.Close())
	// Output:
	// <nil>
}

// A Model is for all goroutines.
func ExampleModel() {
	m, err := runtime.Decode(picture())
	check(err)
	defer m.Close()
	done := make(chan bool)
	for n := 1; n <= 3; n++ {
		go func() {
			out, err := m.Run(context.Background(), map[string]tensor.Tensor{"image": tensor.New(dtype.F32, n, 1, 28, 28)})
			y := out["class"]
			done <- err == nil && y.Dims()[0] == n
		}()
	}
	fmt.Println(<-done, <-done, <-done)
	// Output:
	// true true true
}

// What is asked for by name need not be known when a program is written.
func ExampleModel_Inputs() {
	m, err := runtime.Decode(picture())
	check(err)
	defer m.Close()
	in := map[string]tensor.Tensor{}
	for _, p := range m.Inputs() {
		var dims []int
		for _, d := range p.Type.Dims {
			n, known := d.Const()
			if !known {
				n = 1
			}
			dims = append(dims, int(n))
		}
		in[p.Name], err = tensor.Random(p.Type.DType, 7, dims...)
		check(err)
	}
	out, err := m.Run(context.Background(), in)
	check(err)
	for _, p := range m.Outputs() {
		y := out[p.Name]
		fmt.Println(p.Name, y.Type())
	}
	// Output:
	// class f32[1,10]
}

func ExampleModel_Outputs() {
	m, err := runtime.Decode(built(codegen.File("../testdata/models/tagger.onnx")))
	check(err)
	defer m.Close()
	for _, p := range m.Outputs() {
		fmt.Println(p.Name, p.Type)
	}
	// Output:
	// tags f32[T,N,5]
}

// The recipe inside says how the artifact was made.
// A program without a GPU runs what is compiled for one in an interpreter, slowly;
// runtime/cuda opens the real one.
func ExampleWithDevice() {
	ctx := context.Background()
	a, err := codegen.Build(ctx, codegen.File("../testdata/models/digits.onnx"), codegen.Options{Target: "cuda"})
	check(err)
	defer a.Close()
	b, err := a.Bytes()
	check(err)
	_, err = runtime.Decode(b)
	fmt.Println(err != nil)

	m, err := runtime.Decode(b, runtime.WithDevice(ptxsim.NewDevice(ptxsim.Checks{})))
	check(err)
	defer m.Close()
	out, err := m.Run(ctx, map[string]tensor.Tensor{"image": tensor.New(dtype.F32, 1, 1, 28, 28)})
	check(err)
	y := out["class"]
	fmt.Println(y.Dims())
	// Output:
	// true
	// [1 10]
}

func ExampleModel_Meta() {
	m, err := runtime.Decode(picture())
	check(err)
	defer m.Close()
	_, ok := m.Meta("mlc.classes")
	fmt.Println(ok)
	// Output:
	// false
}

func ExampleModel_Artifact() {
	m, err := runtime.Decode(picture())
	check(err)
	defer m.Close()
	for _, e := range m.Artifact().Recipe {
		if e.Key == "level" || e.Key == "target" {
			fmt.Println(e.Key, e.Value)
		}
	}
	// Output:
	// target generic
	// level 2
}

// The kernels that a model runs here: those of a generic artifact are plain Go.
func ExampleModel_Kernels() {
	m, err := runtime.Decode(built(codegen.Bytes([]byte(counter))))
	check(err)
	defer m.Close()
	for _, k := range m.Kernels()[0] {
		fmt.Println(k)
	}
	// Output:
	// eltwise.f32.generic
}

// Each goroutine has a session of its own.
func ExampleModel_NewSession() {
	m, err := runtime.Decode(picture())
	check(err)
	defer m.Close()
	s, err := m.NewSession()
	check(err)
	defer s.Close()
	check(s.Bind("image", tensor.New(dtype.F32, 2, 1, 28, 28)))
	check(s.Run(context.Background()))
	y, err := s.Output("class")
	check(err)
	fmt.Println(y.Dims())
	// Output:
	// [2 10]
}

// Close waits for what runs.
func ExampleModel_Close() {
	m, err := runtime.Decode(picture())
	check(err)
	s, err := m.NewSession()
	check(err)
	check(s.Close())
	check(m.Close())
	_, err = m.NewSession()
	fmt.Println(err)
	// Output:
	// the model is closed
}

func ExampleSessionOption() {
	m, err := runtime.Decode(picture())
	check(err)
	defer m.Close()
	options := []runtime.SessionOption{runtime.Threads(2), runtime.MemoryLimit(1 << 20)}
	s, err := m.NewSession(options...)
	check(err)
	fmt.Println(s.Close())
	// Output:
	// <nil>
}

// Results do not depend on the number of threads: not one bit.
func ExampleThreads() {
	m, err := runtime.Decode(picture())
	check(err)
	defer m.Close()
	x, err := tensor.Random(dtype.F32, 1, 8, 1, 28, 28)
	check(err)
	var sums []float32
	for _, n := range []int{1, 2, 4} {
		s, err := m.NewSession(runtime.Threads(n))
		check(err)
		check(s.Bind("image", x))
		check(s.Run(context.Background()))
		y, err := s.Output("class")
		check(err)
		scores, err := tensor.Data[float32](y)
		check(err)
		sums = append(sums, scores[0])
		s.Close()
	}
	fmt.Println(sums[0] == sums[1], sums[0] == sums[2])
	// Output:
	// true true
}

// Whoever sends many pictures at once cannot take all memory.
func ExampleMemoryLimit() {
	m, err := runtime.Decode(picture())
	check(err)
	defer m.Close()
	s, err := m.NewSession(runtime.MemoryLimit(1 << 20))
	check(err)
	defer s.Close()
	for _, n := range []int{1, 1000} {
		check(s.Bind("image", tensor.New(dtype.F32, n, 1, 28, 28)))
		fmt.Println(n, s.Run(context.Background()) == nil)
	}
	// Output:
	// 1 true
	// 1000 false
}

// A Set of one's own; this one is what Decode takes without the option.
func ExampleWithKernels() {
	m, err := runtime.Decode(picture(), runtime.WithKernels(all.Set()))
	check(err)
	defer m.Close()
	fmt.Println(len(m.Kernels()))
	// Output:
	// 1
}

func ExampleSession_Bind() {
	m, err := runtime.Decode(picture())
	check(err)
	defer m.Close()
	s, err := m.NewSession()
	check(err)
	defer s.Close()

	fmt.Println(s.Bind("picture", tensor.New(dtype.F32, 1, 1, 28, 28)))
	pixels := make([]float32, 28*28)
	x, err := tensor.Of(pixels, 1, 1, 28, 28)
	check(err)
	check(s.Bind("image", x))
	pixels[0] = 1 // seen by the next Run: the memory is shared
	check(s.Run(context.Background()))
	// Output:
	// input "picture": have no such input or output, want inputs image; outputs class
}

// Values are tensors, sequences of them, and maps; BindValue takes any.
func ExampleSession_BindValue() {
	s := counting()
	defer s.Close()
	check(s.BindValue("x", tensor.V(tensor.MustOf([]float32{1, 2}, 2))))
	check(s.Run(context.Background()))
	v, err := s.OutputValue("y")
	check(err)
	fmt.Println(v.Tensor.Float(0), v.Tensor.Float(1))
	// Output:
	// 1 2
}

// counting is a session of counter that is given 1 and 10.
func counting() *runtime.Session {
	m, err := runtime.Decode(built(codegen.Bytes([]byte(counter))))
	check(err)
	s, err := m.NewSession()
	check(err)
	check(s.Bind("x", tensor.MustOf([]float32{1, 10}, 2)))
	return s
}

// A state is kept from run to run, until Reset.
func ExampleSession_Reset() {
	s := counting()
	defer s.Close()
	for i := range 4 {
		if i == 3 {
			s.Reset()
		}
		check(s.Run(context.Background()))
		y, err := s.Output("y")
		check(err)
		fmt.Println(y.Float(0), y.Float(1))
	}
	// Output:
	// 1 10
	// 2 20
	// 3 30
	// 1 10
}

// What Output gives is a view: the next Run writes over it.
func ExampleSession_Output() {
	s := counting()
	defer s.Close()
	check(s.Run(context.Background()))
	view, err := s.Output("y")
	check(err)
	kept := view.Clone()
	check(s.Run(context.Background()))
	view, err = s.Output("y")
	check(err)
	fmt.Println(kept.Float(0), view.Float(0))
	// Output:
	// 1 2
}

func ExampleSession_OutputValue() {
	s := counting()
	defer s.Close()
	check(s.Run(context.Background()))
	v, err := s.OutputValue("y")
	check(err)
	fmt.Println(v.Kind == tensor.KindTensor, v.Tensor.Type())
	// Output:
	// true f32[2]
}

// A cancelled context ends a run between two kernels.
func ExampleSession_Run() {
	s := counting()
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	fmt.Println(s.Run(ctx))
	cancel()
	fmt.Println(s.Run(ctx))
	// Output:
	// <nil>
	// context canceled
}

// Where the time goes, call by call.
func ExampleSession_OnProfile() {
	m, err := runtime.Decode(picture())
	check(err)
	defer m.Close()
	s, err := m.NewSession()
	check(err)
	defer s.Close()
	check(s.Bind("image", tensor.New(dtype.F32, 1, 1, 28, 28)))

	names, total := m.Kernels(), time.Duration(0)
	s.OnProfile(func(fn, instr int, took time.Duration) {
		total += took
		if instr == 0 {
			fmt.Println("first is", names[fn][instr])
		}
	})
	check(s.Run(context.Background()))
	fmt.Println("some time:", total > 0)
	// Output:
	// first is conv.f32.generic
	// some time: true
}

func ExampleSession_Close() {
	s := counting()
	fmt.Println(s.Close())
	// Output:
	// <nil>
}
