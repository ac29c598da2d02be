package mlc_test

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	mlc "github.com/mlc-go/mlc"
	"github.com/mlc-go/mlc/codegen/tflite"
	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// check ends an example at its first error.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

//go:embed testdata/models/tagger.onnx
var models embed.FS

func ExampleCall() {
	ctx := context.Background()
	m, err := mlc.Load(ctx, mlc.File(digits))
	check(err)
	defer m.Close()

	pictures := make([]float32, 2*28*28)
	scores, shape, err := mlc.Call[float32, float32](ctx, m, pictures, 2, 1, 28, 28)
	check(err)
	fmt.Println(len(scores), shape)
	// Output:
	// 20 [2 10]
}

// A model comes from a file, a file system, memory, or a module made in Go.
func ExampleSource() {
	ctx := context.Background()
	made := ir.NewModule("made")
	f := made.AddFunc("main")
	x := f.AddParam("x", tensor.T(dtype.F32, shape.Ints(2)...))
	b := ir.NewBuilder(f, 0, op.Builtin())
	f.AddResult("y", b.Op("Relu", nil, x))
	check(b.Err())

	for _, s := range []mlc.Source{
		mlc.File(digits),
		mlc.FS(models, "testdata/models/tagger.onnx"),
		mlc.Bytes([]byte(own)),
		mlc.Graph(made),
	} {
		a, err := mlc.Compile(ctx, s, mlc.With(acme()))
		check(err)
		fmt.Println(a.Module().Name, a.Module().Main().Params[0].Type)
		a.Close()
	}
	// Output:
	// digits f32[N,1,28,28]
	// tagger f32[T,N,12]
	// own f32[N]
	// made f32[2]
}

// Every export is of the same model; TensorFlow Lite wants its extents fixed.
func ExampleArtifact_Export() {
	ctx := context.Background()
	a, err := mlc.Compile(ctx, mlc.File(digits), mlc.Dim("N", 1, 1))
	check(err)
	defer a.Close()

	for _, format := range []string{"mlc", "onnx", "mir", "tflite"} {
		var b bytes.Buffer
		check(a.Export(ctx, &b, format))
		fmt.Println(format, b.Len() > 1000)
	}
	fmt.Println(a.Export(ctx, io.Discard, "gguf"))
	// Output:
	// mlc true
	// onnx true
	// mir true
	// tflite true
	// unknown kind "gguf" of output (have mlc, exe, go, onnx, tflite, mir, ptx)
}

// Channels last, as cameras and most TensorFlow Lite programs have pictures.
func ExampleTFLite() {
	ctx := context.Background()
	a, err := mlc.Compile(ctx, mlc.File(digits), mlc.Dim("N", 1, 1), mlc.TFLite(tflite.Options{IO: tflite.NHWC}))
	check(err)
	defer a.Close()
	var b bytes.Buffer
	check(a.Export(ctx, &b, "tflite"))
	fmt.Println(b.Len() > 100<<10)
	// Output:
	// true
}

// A Go package has its weights in it and links no compiler.
func ExampleArtifact_GoPackage() {
	ctx := context.Background()
	a, err := mlc.Compile(ctx, mlc.File(digits), mlc.Dim("N", 1, 1))
	check(err)
	defer a.Close()
	files, err := a.GoPackage(ctx, "digits")
	check(err)
	for _, f := range files {
		if f.Name == "model.go" {
			fmt.Println(strings.Contains(string(f.Data), ") Predict("))
		}
	}
	// Output:
	// true
}

// GoFile is a file below the package's folder.
func ExampleGoFile() {
	ctx := context.Background()
	a, err := mlc.Compile(ctx, mlc.File(digits), mlc.Dim("N", 1, 1), mlc.Target("arm64"))
	check(err)
	defer a.Close()
	files, err := a.GoPackage(ctx, "digits")
	check(err)
	dir, err := os.MkdirTemp("", "digits")
	check(err)
	defer os.RemoveAll(dir)
	for _, f := range files {
		to := filepath.Join(dir, filepath.FromSlash(f.Name))
		check(os.MkdirAll(filepath.Dir(to), 0o755))
		check(os.WriteFile(to, f.Data, 0o644))
		if strings.HasSuffix(f.Name, ".mlc") {
			fmt.Println(f.Name, len(f.Data) > 100<<10)
		}
	}
	// Output:
	// model_arm64.mlc true
}

// Weights and activations of 8 bits: the ranges come from samples.
func ExampleQuantize() {
	ctx := context.Background()
	samples, err := data.Random(32, 1, []data.Field{{Name: "image", DType: dtype.F32, Dims: []int{1, 28, 28}}})
	check(err)
	a, err := mlc.Compile(ctx, mlc.File(digits), mlc.Quantize("int8", samples))
	check(err)
	defer a.Close()
	var float, int8 bytes.Buffer
	check(a.Export(ctx, &int8, "mlc"))
	b, err := mlc.Compile(ctx, mlc.File(digits))
	check(err)
	defer b.Close()
	check(b.Export(ctx, &float, "mlc"))
	fmt.Println(int8.Len() < float.Len()/2)
	// Output:
	// true
}

// The digest names what was built: it changes with the options, and with nothing
// else.
func ExampleArtifact_Digest() {
	digest := func(opts ...mlc.Option) string {
		a, err := mlc.Compile(context.Background(), mlc.File(digits), opts...)
		check(err)
		defer a.Close()
		return a.Digest()
	}
	one := digest(mlc.Target("generic"))
	fmt.Println(one == digest(mlc.Target("generic")), one == digest(mlc.Target("generic"), mlc.Opt("0")))
	// Output:
	// true false
}

// What each pass changed.
func ExampleArtifact_Report() {
	a, err := mlc.Compile(context.Background(), mlc.File(digits), mlc.Target("generic"))
	check(err)
	defer a.Close()
	for _, p := range a.Report().Passes {
		if p.Name == "fuse-conv-bn" {
			fmt.Println(p.Changed, p.Counts)
		}
	}
	// Output:
	// true map[conv-bn:1]
	// false map[]
}

// Optimized modules are data: this one says what is left to compute.
func ExampleArtifact_Module() {
	a, err := mlc.Compile(context.Background(), mlc.File(digits), mlc.Passes("canon,fuse-conv-bn,dce"))
	check(err)
	defer a.Close()
	count := map[string]int{}
	for _, n := range a.Module().Main().Nodes {
		count[n.OpName()]++
	}
	fmt.Println("Conv:", count["Conv"], "BatchNormalization:", count["BatchNormalization"])
	// Output:
	// Conv: 3 BatchNormalization: 0
}

func ExampleArtifact_Close() {
	a, err := mlc.Compile(context.Background(), mlc.File(digits))
	check(err)
	// Constants may be read from the model's file until here.
	fmt.Println(a.Close())
	// Output:
	// <nil>
}

// A model says what it takes and gives, whatever it was loaded from.
func ExampleInfo() {
	m, err := mlc.Load(context.Background(), mlc.FS(models, "testdata/models/tagger.onnx"))
	check(err)
	defer m.Close()
	for _, ports := range [][]mlc.Info{m.Inputs(), m.Outputs()} {
		fmt.Println(ports[0].Name, ports[0].Type)
	}
	// Output:
	// steps f32[T,N,12]
	// tags f32[T,N,5]
}

// An artifact is loaded as a model is: nothing is compiled then.
func ExampleModel() {
	ctx := context.Background()
	a, err := mlc.Compile(ctx, mlc.File(digits))
	check(err)
	defer a.Close()
	var b bytes.Buffer
	check(a.Export(context.Background(), &b, "mlc"))

	var m *mlc.Model
	m, err = mlc.Load(ctx, mlc.Bytes(b.Bytes()))
	check(err)
	defer m.Close()
	out, err := m.Run(ctx, map[string]mlc.Tensor{"image": tensor.New(dtype.F32, 1, 1, 28, 28)})
	check(err)
	y := out["class"]
	fmt.Println(y.Dims())
	// Output:
	// [1 10]
}

// A session reuses its memory from run to run.
func ExampleSession() {
	ctx := context.Background()
	m, err := mlc.Load(ctx, mlc.File(digits))
	check(err)
	defer m.Close()

	options := []mlc.SessionOption{mlc.Threads(2), mlc.MemoryLimit(64 << 20)}
	var s *mlc.Session
	s, err = m.NewSession(options...)
	check(err)
	defer s.Close()
	check(s.Bind("image", tensor.New(dtype.F32, 1, 1, 28, 28)))
	check(s.Run(ctx))
	y, err := s.Output("class")
	check(err)
	fmt.Println(y.Dims())
	// Output:
	// [1 10]
}

// Runs that need more than the limit are refused.
func ExampleSessionOption() {
	ctx := context.Background()
	m, err := mlc.Load(ctx, mlc.File(digits))
	check(err)
	defer m.Close()
	for _, o := range []mlc.SessionOption{mlc.Threads(2), mlc.MemoryLimit(1000)} {
		s, err := m.NewSession(o)
		check(err)
		check(s.Bind("image", tensor.New(dtype.F32, 1, 1, 28, 28)))
		fmt.Println(s.Run(ctx) == nil)
		s.Close()
	}
	// Output:
	// true
	// false
}

func ExampleTensor() {
	var t mlc.Tensor
	t, err := tensor.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	check(err)
	fmt.Println(t.Type(), t.Float(4))
	// Output:
	// f32[2,3] 5
}

// Options are for Compile and Load alike.
func ExampleOption() {
	options := []mlc.Option{mlc.Opt("1"), mlc.Target("arm64"), mlc.Shape("image", 4, 1, 28, 28)}
	a, err := mlc.Compile(context.Background(), mlc.File(digits), options...)
	check(err)
	defer a.Close()
	fmt.Println(a.Module().Main().Results[0].Value.Type)
	// Output:
	// f32[4,10]
}

// Levels trade time to build for time to run; -O0 computes node by node.
func ExampleOpt() {
	for _, level := range []string{"0", "2"} {
		m, err := mlc.Load(context.Background(), mlc.File(digits), mlc.Opt(level), mlc.Target("generic"))
		check(err)
		fmt.Println("level", level, "fewer than 12 calls:", len(m.Kernels()[0]) < 12)
		m.Close()
	}
	// Output:
	// level 0 fewer than 12 calls: false
	// level 2 fewer than 12 calls: true
}

// One machine builds for all.
func ExampleTarget() {
	for _, target := range []string{"amd64+avx2", "arm64", "generic", "vax"} {
		a, err := mlc.Compile(context.Background(), mlc.File(digits), mlc.Target(target))
		if err != nil {
			fmt.Println(target, "is refused")
			continue
		}
		fmt.Println(target, "is built")
		a.Close()
	}
	// Output:
	// amd64+avx2 is built
	// arm64 is built
	// generic is built
	// vax is refused
}

func ExamplePasses() {
	var ran []string
	a, err := mlc.Compile(context.Background(), mlc.File(digits), mlc.Passes("repeat(fold,canon,cse,dce)"))
	check(err)
	defer a.Close()
	for _, p := range a.Report().Passes {
		if !slices.Contains(ran, p.Name) {
			ran = append(ran, p.Name)
		}
	}
	fmt.Println(ran)
	// Output:
	// [fold canon cse dce]
}

// A pass that is in doubt can be left out.
func ExampleDisable() {
	for _, off := range []string{"", "fuse-conv-bn"} {
		var opts []mlc.Option
		if off != "" {
			opts = append(opts, mlc.Disable(off))
		}
		a, err := mlc.Compile(context.Background(), mlc.File(digits), opts...)
		check(err)
		fired := 0
		for _, p := range a.Report().Passes {
			fired += p.Counts["conv-bn"]
		}
		fmt.Printf("off: %q, normalizations folded: %d\n", off, fired)
		a.Close()
	}
	// Output:
	// off: "", normalizations folded: 1
	// off: "fuse-conv-bn", normalizations folded: 0
}

// Extents of -1 stay open.
func ExampleShape() {
	a, err := mlc.Compile(context.Background(), mlc.FS(models, "testdata/models/tagger.onnx"), mlc.Shape("steps", -1, 1, 12))
	check(err)
	defer a.Close()
	fmt.Println(a.Module().Main().Params[0].Type, a.Module().Main().Results[0].Value.Type)
	// Output:
	// f32[T,1,12] f32[T,1,5]
}

// Dim fixes a symbol, or bounds it.
func ExampleDim() {
	ctx := context.Background()
	m, err := mlc.Load(ctx, mlc.File(digits), mlc.Dim("N", 1, 2))
	check(err)
	defer m.Close()
	for _, n := range []int{1, 2, 3} {
		_, _, err := mlc.Call[float32, float32](ctx, m, make([]float32, n*28*28), n, 1, 28, 28)
		fmt.Println(n, err == nil)
	}
	// Output:
	// 1 true
	// 2 true
	// 3 false
}

func ExampleLog() {
	var b bytes.Buffer
	l := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a, err := mlc.Compile(context.Background(), mlc.File(digits), mlc.Log(l))
	check(err)
	defer a.Close()
	fmt.Println(strings.Contains(b.String(), "level="), b.Len() > 0)
	// Output:
	// true true
}

// Remarks say what passes did, and what they could not do and why.
func ExampleOnRemark() {
	said := map[string]bool{}
	a, err := mlc.Compile(context.Background(), mlc.File(digits), mlc.Target("generic"), mlc.OnRemark(func(r mlc.Remark) {
		if r.Pass == "fuse-conv-bn" {
			said[string(r.Kind)+" at "+r.Node] = true
		}
	}))
	check(err)
	defer a.Close()
	fmt.Println(said)
	// Output:
	// map[applied at norm2:true]
}

func ExampleRemark() {
	r := mlc.Remark{Kind: rewrite.Missed, Pass: "fuse", Node: "conv1", Msg: "its result has two readers"}
	fmt.Printf("%s: %s at %s: %s\n", r.Pass, r.Kind, r.Node, r.Msg)
	// Output:
	// fuse: missed at conv1: its result has two readers
}

func ExampleOnProgress() {
	a, err := mlc.Compile(context.Background(), mlc.File(digits), mlc.OnProgress(func(stage string) { fmt.Println(stage) }))
	check(err)
	defer a.Close()
	// Output:
	// import
	// optimized
	// plan
}

// An operator of one's own is known to the builds that With gives it to.
func ExampleWith() {
	ctx := context.Background()
	for _, opts := range [][]mlc.Option{nil, {mlc.With(acme())}} {
		_, err := mlc.Compile(ctx, mlc.Bytes([]byte(own)), opts...)
		fmt.Println(err == nil)
	}
	// Output:
	// false
	// true
}

// acme is a Registry with acme.Twice.
func acme() *mlc.Registry {
	r := mlc.NewRegistry()
	check(r.AddOp(twiceDef()))
	return r
}

// twiceDef is the table's entry for acme.Twice.
func twiceDef() ir.OpDef {
	floats := []ir.Port{{Name: "x", DTypes: []dtype.DType{dtype.F32}}}
	return ir.OpDef{
		Name: "Twice", Domain: "acme", Since: []int{1}, Doc: "Twice is x+x.", In: floats, Out: floats, NoGrad: "an example",
		Infer: func(q *ir.Query) ([]ir.Fact, error) { return []ir.Fact{{Type: q.In[0].Type}}, nil },
		Eval:  twice,
	}
}

// A Registry starts with what is built in, and refuses names that are taken.
func ExampleNewRegistry() {
	r := mlc.NewRegistry()
	fmt.Println(r.AddOp(twiceDef()) == nil, r.AddOp(twiceDef()) == nil)
	// Output:
	// true false
}

// A module with an operator of one's own is parsed by the table that has it.
func ExampleRegistry_Ops() {
	fmt.Println(acme().Ops().Lookup("acme.Twice") != nil)
	// Output:
	// true
}

func ExampleRegistry_AddOp() {
	ctx := context.Background()
	r := mlc.NewRegistry()
	check(r.AddOp(ir.OpDef{
		Name: "Twice", Domain: "acme", Since: []int{1}, Doc: "Twice is x+x.", NoGrad: "an example",
		In:    []ir.Port{{Name: "x", DTypes: []dtype.DType{dtype.F32}}},
		Out:   []ir.Port{{Name: "y", DTypes: []dtype.DType{dtype.F32}}},
		Infer: func(q *ir.Query) ([]ir.Fact, error) { return []ir.Fact{{Type: q.In[0].Type}}, nil },
		Eval:  twice, // its meaning, in plain Go
	}))
	m, err := mlc.Load(ctx, mlc.Bytes([]byte(own)), mlc.With(r))
	check(err)
	defer m.Close()
	y, _, err := mlc.Call[float32, float32](ctx, m, []float32{1, 2.5}, 2)
	check(err)
	fmt.Println(y)
	// Output:
	// [4 10]
}

// A kernel is picked before the operator's reference function.
func ExampleRegistry_AddKernel() {
	r := acme()
	check(r.AddKernel(&kernel.Desc{ID: "acme.twice.f32", Op: "ref.acme.Twice", Fast: true, Prepare: fastTwiceFits, Run: fastTwice}))
	m, err := mlc.Load(context.Background(), mlc.Bytes([]byte(own)), mlc.With(r))
	check(err)
	defer m.Close()
	fmt.Println(m.Kernels()[0])
	// Output:
	// [acme.twice.f32 acme.twice.f32]
}

// A pass is rules, or a function over the module.
func ExampleRegistry_AddPass() {
	r := acme()
	check(r.AddPass(pass.Pass{
		Name: "twice-add", Doc: "write acme.Twice as a sum", Tol: tensor.Exact,
		Rules: []rewrite.Rule{{
			Name: "twice-add", Doc: "Twice is x+x.",
			Match: rewrite.Op("acme.Twice", rewrite.Any("x")),
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
				return []*ir.Value{m.Emit().Op("Add", nil, m.Value("x"), m.Value("x"))}
			},
		}},
	}))
	a, err := mlc.Compile(context.Background(), mlc.Bytes([]byte(own)), mlc.With(r), mlc.Passes("twice-add"))
	check(err)
	defer a.Close()
	check(a.Export(context.Background(), os.Stdout, "mir"))
	// Output:
	// module "own" opset {acme 1 ai.onnx 28}
	// dim N 1..100
	// func main(%x: f32[N]) -> (%y: f32[N]) {
	// 	%0 = Add %x, %x : f32[N]
	// 	%1 = Add %0, %0 : f32[N]
	// 	return %1
	// }
}

// An artifact on disk is mapped, not read.
func ExampleLoad_artifact() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "mlc")
	check(err)
	defer os.RemoveAll(dir)
	a, err := mlc.Compile(ctx, mlc.File(digits))
	check(err)
	defer a.Close()
	path := filepath.Join(dir, "digits.mlc")
	f, err := os.Create(path)
	check(err)
	check(a.Export(context.Background(), f, "mlc"))
	check(f.Close())

	m, err := mlc.Load(ctx, mlc.File(path))
	check(err)
	defer m.Close()
	fmt.Println(m.Outputs()[0].Name)
	// Output:
	// class
}
