package codegen_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/bindshape"
	"github.com/mlc-go/mlc/passes/quant"
	"github.com/mlc-go/mlc/runtime"
)

const models = "../testdata/models/"

// check ends an example at its first error.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// built is the digits model, compiled for every machine.
func built() *codegen.Artifact {
	a, err := codegen.Build(context.Background(), codegen.File(models+"digits.onnx"), codegen.Options{Target: "generic"})
	check(err)
	return a
}

// small is a model in the text form.
const small = `module "small" opset {ai.onnx 28}
func main(%x: f32[3]) -> (%y: f32[3]) {
	%y = Relu %x : f32[3]
	return %y
}
`

func ExampleBuild() {
	a, err := codegen.Build(context.Background(), codegen.File(models+"digits.onnx"), codegen.Options{Level: "2", Target: "arm64"})
	check(err)
	defer a.Close()
	f, err := os.CreateTemp("", "*.mlc")
	check(err)
	defer os.Remove(f.Name())
	n, err := a.Write(f)
	check(err)
	check(f.Close())
	fmt.Println(n > 100<<10, a.Program().Target)
	// Output:
	// true arm64

}

// The fields are the command's flags.
func ExampleOptions() {
	o := codegen.Options{Level: "2", Target: "generic", Off: []string{"fuse-conv-bn"}, Check: true, OnProgress: func(stage string) { fmt.Println(stage) }}
	o.Bind.Dims = []bindshape.Dim{{Name: "N", Lo: 1, Hi: 4}}
	a, err := codegen.Build(context.Background(), codegen.File(models+"digits.onnx"), o)
	check(err)
	defer a.Close()
	// Output:
	// import
	// optimized
	// plan
}

// Builds may stop after any stage.
func ExampleStages() {
	for _, stage := range codegen.Stages() {
		a, err := codegen.Build(context.Background(), codegen.Bytes([]byte(small)), codegen.Options{Stop: stage})
		check(err)
		fmt.Println(stage, a.Program() != nil)
		a.Close()
	}
	fmt.Println(codegen.Stages()[0] == codegen.StageImport, codegen.StagePlan)
	// Output:
	// import false
	// canonical false
	// optimized false
	// plan true
	// true plan

}

// Artifacts name the compiler that made them.
func ExampleArtifact_Recipe() {
	a := built()
	defer a.Close()
	fmt.Println(a.Recipe().Get("compiler") == "mlc "+codegen.Version, a.Recipe().Get("target"))
	// Output:
	// true generic

}

// An artifact in memory runs without a file between.
func ExampleArtifact() {
	a := built()
	b, err := a.Bytes()
	check(err)
	check(a.Close())
	m, err := runtime.Decode(b)
	check(err)
	defer m.Close()
	fmt.Println(m.Inputs()[0].Type)
	// Output:
	// f32[N,1,28,28]
}

// Write streams: the artifact of a large model is never in memory as a whole.
func ExampleArtifact_Write() {
	a := built()
	defer a.Close()
	f, err := os.CreateTemp("", "*.mlc")
	check(err)
	defer os.Remove(f.Name())
	n, err := a.Write(f)
	check(err)
	check(f.Close())
	st, err := os.Stat(f.Name())
	check(err)
	fmt.Println(n == st.Size())
	// Output:
	// true
}

func ExampleArtifact_Module() {
	a := built()
	defer a.Close()
	fmt.Println(a.Module().Name, a.Module().Main().Results[0].Value.Type)
	// Output:
	// digits f32[N,10]
}

func ExampleArtifact_Digest() {
	a, b := built(), built()
	defer a.Close()
	defer b.Close()
	fmt.Println(len(a.Digest()), a.Digest() == b.Digest())
	// Output:
	// 64 true

}

// The plan: what is called, in which order, and where values live.
func ExampleArtifact_Program() {
	a := built()
	defer a.Close()
	p := a.Program()
	fmt.Println(p.Arch, p.Main().Body[0].Name)
	// Output:
	// generic conv.f32

}

func ExampleArtifact_Report() {
	a := built()
	defer a.Close()
	for _, p := range a.Report().Passes {
		if n := p.Counts["conv-bn"]; n > 0 {
			fmt.Println(p.Name, "folded", n)
		}
	}
	// Output:
	// fuse-conv-bn folded 1
}

// A model from a file, a file system, memory, or a module.
func ExampleSource() {
	a := built()
	defer a.Close()
	for _, s := range []codegen.Source{
		codegen.File(models + "digits.onnx"),
		codegen.FS(os.DirFS(models), "tagger.onnx"),
		codegen.Bytes([]byte(small)),
		codegen.Graph(a.Module()),
	} {
		fmt.Printf("%s: a file on disk: %v\n", filepath.Base(s.Name()), s.Path() != "")
	}
	// Output:
	// digits.onnx: a file on disk: true
	// tagger.onnx: a file on disk: false
	// model: a file on disk: false
	// digits: a file on disk: false

}

// Whoever takes models and artifacts asks which it is.
func ExampleSource_IsArtifact() {
	a := built()
	defer a.Close()
	b, err := a.Bytes()
	check(err)
	for _, s := range []codegen.Source{codegen.Bytes(b), codegen.Bytes([]byte(small))} {
		compiled, err := s.IsArtifact()
		check(err)
		fmt.Println(compiled)
	}
	// Output:
	// true
	// false
}

func ExampleSource_All() {
	b, err := codegen.FS(os.DirFS(models), "digits.onnx").All()
	check(err)
	fmt.Println(len(b) > 100<<10, bytes.Contains(b, []byte("softmax14")))
	// Output:
	// true true
}

// Two engines run the same inputs: the compiler's, and the interpreter, which is
// what the model means.
func ExampleReference() {
	ctx := context.Background()
	c := &conform.Case{FS: os.DirFS(models), Model: "digits.onnx"}
	x, err := tensor.Random(dtype.F32, 1, 1, 1, 28, 28)
	check(err)
	var scores []tensor.Tensor
	for _, e := range []conform.Engine{codegen.Reference(codegen.Options{}), codegen.CPU(codegen.Options{Level: "2"}, 1)} {
		r, err := e.Load(ctx, c)
		check(err)
		out, err := r.Run(ctx, []tensor.Value{tensor.V(x)})
		check(err)
		scores = append(scores, out[0].Tensor.Clone())
		check(r.Close())
	}
	d := scores[0].Float(0) - scores[1].Float(0)
	fmt.Println(-1e-5 < d && d < 1e-5)
	// Output:
	// true
}

func ExampleCPU() {
	ctx := context.Background()
	r, err := codegen.CPU(codegen.Options{}, 2).Load(ctx, &conform.Case{FS: os.DirFS(models), Model: "tagger.onnx"})
	check(err)
	defer r.Close()
	fmt.Println(r.Inputs()[0].Name, r.Outputs()[0].Name)
	// Output:
	// steps tags
}

// An artifact that is loaded already is compared with recorded vectors as one
// that is built for it.
func ExampleNewRunner() {
	a := built()
	defer a.Close()
	b, err := a.Bytes()
	check(err)
	m, err := runtime.Decode(b)
	check(err)
	r, err := codegen.NewRunner(m, 1)
	check(err)
	defer r.Close() // and m
	out, err := r.Run(context.Background(), []tensor.Value{tensor.V(tensor.New(dtype.F32, 1, 1, 28, 28))})
	check(err)
	fmt.Println(out[0].Tensor.Dims())
	// Output:
	// [1 10]
}

// Modules that were made or changed in memory run at once.
func ExampleNewExecutor() {
	ctx := context.Background()
	a, err := codegen.Build(ctx, codegen.Bytes([]byte(small)), codegen.Options{Stop: codegen.StageImport})
	check(err)
	defer a.Close()
	x, err := codegen.NewExecutor(codegen.Options{}, 1).Compile(ctx, a.Module())
	check(err)
	defer x.Close()
	out, err := x.Run(ctx, []tensor.Value{tensor.V(tensor.MustOf([]float32{-1, 0, 2}, 3))})
	check(err)
	y, err := tensor.Data[float32](out[0].Tensor)
	check(err)
	fmt.Println(y)
	// Output:
	// [0 0 2]
}

func ExampleProfiler() {
	ctx := context.Background()
	a, err := codegen.Build(ctx, codegen.Bytes([]byte(small)), codegen.Options{Stop: codegen.StageImport})
	check(err)
	defer a.Close()
	x, err := codegen.NewExecutor(codegen.Options{Target: "generic"}, 1).Compile(ctx, a.Module())
	check(err)
	defer x.Close()
	x.(codegen.Profiler).Profile(func(op, source string, took time.Duration) {
		fmt.Println(op, took > 0)
	})
	_, err = x.Run(ctx, []tensor.Value{tensor.V(tensor.New(dtype.F32, 3))})
	check(err)
	// Output:
	// eltwise.f32 true

}

// pictures are n random calibration samples.
type pictures struct{ n int }

// Next implements quant.Samples.
func (p *pictures) Next() ([]tensor.Value, string, error) {
	if p.n == 0 {
		return nil, "", io.EOF
	}
	p.n--
	x, err := tensor.Random(dtype.F32, uint64(p.n), 1, 1, 28, 28)
	return []tensor.Value{tensor.V(x)}, fmt.Sprint("picture ", p.n), err
}

func ExampleQuantize() {
	ctx := context.Background()
	q, err := codegen.Quantize(ctx, codegen.File(models+"digits.onnx"), codegen.QuantizeOptions{
		Config:  quant.Config{Method: "percentile:99.9"},
		Samples: func([]conform.Port) (quant.Samples, error) { return &pictures{8}, nil },
	})
	check(err)
	defer q.Close()
	pairs := 0
	for _, n := range q.Module.Main().Nodes {
		if n.Is("QuantizeLinear") {
			pairs++
		}
	}
	fmt.Println(pairs > 0)
	// Output:
	// true
}

// Compare asks for a report: what quantization costs at each value.
func ExampleQuantizeOptions() {
	open := func([]conform.Port) (quant.Samples, error) { return &pictures{4}, nil }
	q, err := codegen.Quantize(context.Background(), codegen.File(models+"digits.onnx"), codegen.QuantizeOptions{
		Samples: open, Compare: open, Config: quant.Config{Keep: []string{"dense13"}}, Threads: 2,
	})
	check(err)
	defer q.Close()
	fmt.Println(q.Report.Samples, q.Report.Layers[0].Node, q.Report.Layers[0].Cosine > 0.99)
	// Output:
	// 4 image true
}

// A quantized module is built like any other.
func ExampleQuantized() {
	ctx := context.Background()
	q, err := codegen.Quantize(ctx, codegen.File(models+"digits.onnx"), codegen.QuantizeOptions{
		Samples: func([]conform.Port) (quant.Samples, error) { return &pictures{4}, nil },
	})
	check(err)
	defer q.Close()
	a, err := codegen.Build(ctx, codegen.Graph(q.Module), codegen.Options{})
	check(err)
	defer a.Close()
	plain := built()
	defer plain.Close()
	small, err := a.Bytes()
	check(err)
	large, err := plain.Bytes()
	check(err)
	fmt.Println(len(small) < len(large)*2/3)
	// Output:
	// true
}
