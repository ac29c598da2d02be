package mlc_test

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"

	mlc "github.com/mlc-go/mlc"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/tools/need"
)

const digits = "testdata/models/digits.onnx"

func ExampleLoad() {
	ctx := context.Background()
	m, err := mlc.Load(ctx, mlc.File(digits))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	y, shape, err := mlc.Call[float32, float32](ctx, m, make([]float32, 28*28), 1, 1, 28, 28)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(y), shape)
	// Output:
	// 10 [1 10]
}

func ExampleCompile() {
	ctx := context.Background()
	a, err := mlc.Compile(ctx, mlc.File(digits), mlc.Target("arm64"), mlc.Dim("N", 1, 1))
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	var b bytes.Buffer
	if err := a.Export(context.Background(), &b, "mlc"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(a.Module().Main().Params[0].Type, b.Len() > 100<<10)
	// Output:
	// f32[1,1,28,28] true
}

// own is a model that uses an operator of its author.
const own = `module "own" opset {ai.onnx 28 acme 1}
dim N 1..100
func main(%x: f32[N]) -> (%y: f32[N]) {
	%a = acme.Twice %x : f32[N]
	%y = acme.Twice %a : f32[N]
	return %y
}
`

// twice is the meaning of acme.Twice: what the interpreter and folding use, and
// what every kernel of it is compared with.
func twice(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	x := &in[0].Tensor
	y := c.New(0, dtype.F32, x.Dims()...)
	for i := range x.Len() {
		y.SetFloat(i, 2*x.Float(i))
	}
	out[0] = tensor.V(*y)
	return nil
}

// fastTwice computes the same from buffers that are planned already.
func fastTwice(c *kernel.Call) {
	x, y := tensor.Slice[float32](&c.In[0].Tensor), tensor.Slice[float32](&c.Out[0].Tensor)
	for i := range y {
		y[i] = x[i] + x[i]
	}
}

// fastTwiceFits checks what fastTwice trusts.
func fastTwiceFits(c *kernel.Call) (any, error) {
	if x, y := &c.In[0].Tensor, &c.Out[0].Tensor; x.DType() != dtype.F32 || y.DType() != dtype.F32 || x.Len() != y.Len() {
		return nil, fmt.Errorf("acme.Twice of %v to %v", x.Type(), y.Type())
	}
	return nil, nil
}

func registry() (*mlc.Registry, error) {
	r := mlc.NewRegistry()
	if err := r.AddOp(twiceDef()); err != nil {
		return nil, err
	}
	if err := r.AddKernel(&kernel.Desc{ID: "acme.twice.f32", Op: "ref.acme.Twice", Fast: true, Prepare: fastTwiceFits, Run: fastTwice}); err != nil {
		return nil, err
	}
	return r, r.AddPass(pass.Pass{
		Name: "twice-twice", Doc: "merge acme.Twice of acme.Twice", Tol: tensor.Exact,
		Rules: []rewrite.Rule{{
			Name: "twice-mul", Doc: "Twice of Twice is a product with 4.",
			Match: rewrite.Op("acme.Twice", rewrite.Op("acme.Twice", rewrite.Any("x"))),
			Make: func(_ *rewrite.Ctx, m *rewrite.Match) []*ir.Value {
				e := m.Emit()
				return []*ir.Value{e.Op("Mul", nil, m.Value("x"), e.Const(tensor.MustOf([]float32{4})))}
			},
		}},
	})
}

func ExampleRegistry() {
	ctx := context.Background()
	r, err := registry()
	if err != nil {
		log.Fatal(err)
	}
	for _, passes := range []string{"fold", "twice-twice"} {
		m, err := mlc.Load(ctx, mlc.Bytes([]byte(own)), mlc.With(r), mlc.Passes(passes))
		if err != nil {
			log.Fatal(err)
		}
		y, _, err := mlc.Call[float32, float32](ctx, m, []float32{1, 2.5}, 2)
		if err != nil {
			log.Fatal(err)
		}
		family := strings.Join(strings.Split(m.Kernels()[0][0], ".")[:2], ".")
		fmt.Println(family, y)
		m.Close()
	}
	// Output:
	// acme.twice [4 10]
	// eltwise.f32 [4 10]
}

// exported lists the names that a package gives to its importers.
func exported(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	seen := map[string]bool{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				seen[d.Name.Name] = seen[d.Name.Name] || d.Recv == nil
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						seen[s.Name.Name] = true
					case *ast.ValueSpec:
						for _, n := range s.Names {
							seen[n.Name] = true
						}
					}
				}
			}
		}
	}
	var out []string
	for n, own := range seen {
		if own && ast.IsExported(n) {
			out = append(out, n)
		}
	}
	return out
}

// TestSurface keeps the exported API as small as DESIGN 8 says.
func TestSurface(t *testing.T) {
	for dir, most := range map[string]int{"runtime": 15, "codegen": 20} {
		if names := exported(t, dir); len(names) > most {
			t.Errorf("%s exports %d names, want at most %d: %v", dir, len(names), most, names)
		}
	}
}

// program is an application that ships a model.
const program = `package main

import (
	"context"
	"fmt"
	"os"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
)

func main() {
	m, err := runtime.Open(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer m.Close()
	out, err := m.Run(context.Background(), map[string]tensor.Tensor{"image": tensor.New(dtype.F32, 1, 1, 28, 28)})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	y := out["class"]
	fmt.Println(y.Dims())
}
`

// TestEmbedding: a program that runs a model is small, static and free of the
// compiler, and needs no module but ours.
func TestEmbedding(t *testing.T) {
	need.Time(t, "a program is linked")
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	sys := ""
	for _, l := range strings.Split(string(mod), "\n") {
		if strings.Contains(l, "golang.org/x/sys ") {
			sys = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(l), "require "), " // indirect")
		}
	}
	sum, err := os.ReadFile("go.sum")
	if err != nil {
		t.Fatal(err)
	}
	write("main.go", program)
	write("go.sum", string(sum))
	write("go.mod", "module app\n\ngo 1.26\n\nrequire github.com/mlc-go/mlc v0.0.0\n\nrequire "+sys+"\n\nreplace github.com/mlc-go/mlc => "+root+"\n")
	bin := filepath.Join(dir, "app")
	run := func(name string, args ...string) string {
		c := exec.Command(name, args...)
		c.Dir, c.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOPROXY=off", "GOTOOLCHAIN=local")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	run("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, ".")
	st, err := os.Stat(bin)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.2f MB", float64(st.Size())/1e6)
	if st.Size() >= 5e6 {
		t.Errorf("the program has %d bytes, want less than 5 MB", st.Size())
	}
	for _, dep := range strings.Fields(run("go", "list", "-deps", ".")) {
		if strings.Contains(dep, ".") && !strings.HasPrefix(dep, "github.com/mlc-go/mlc/") && !strings.HasPrefix(dep, "golang.org/x/sys/") && !strings.HasPrefix(dep, "vendor/") {
			t.Errorf("it links %s", dep)
		}
	}
	a, err := mlc.Compile(context.Background(), mlc.File(digits))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	var b bytes.Buffer
	if err := a.Export(context.Background(), &b, "mlc"); err != nil {
		t.Fatal(err)
	}
	write("digits.mlc", b.String())
	if got := run(bin, "digits.mlc"); got != "[1 10]\n" {
		t.Errorf("it prints %q", got)
	}
}

// TestSameBytes: an artifact does not depend on when or with how many threads
// it is built, nor on what was built before.
func TestSameBytes(t *testing.T) {
	for _, src := range []string{digits, "testdata/models/tagger.onnx"} {
		for _, target := range []string{"amd64", "arm64", "generic"} {
			var want []byte
			for i := range 6 {
				old := goruntime.GOMAXPROCS(1 + i%3)
				a, err := mlc.Compile(context.Background(), mlc.File(src), mlc.Target(target))
				goruntime.GOMAXPROCS(old)
				if err != nil {
					t.Fatal(err)
				}
				var b bytes.Buffer
				if err := a.Export(context.Background(), &b, "mlc"); err != nil {
					t.Fatal(err)
				}
				a.Close()
				if want == nil {
					want = b.Bytes()
				}
				if !bytes.Equal(b.Bytes(), want) {
					t.Errorf("%s for %s: build %d gives other bytes", src, target, i)
				}
			}
		}
	}
}

// TestExportChanged: TensorFlow Lite is written of the model that was compiled,
// or not at all.
func TestExportChanged(t *testing.T) {
	ctx := context.Background()
	file := filepath.Join(t.TempDir(), "m.mir")
	write := func(operator string) {
		t.Helper()
		text := "module \"m\" opset {ai.onnx 21}\nfunc main(%x: f32[2]) -> (%y: f32[2]) {\n\t%y = " + operator + " %x : f32[2]\n\treturn %y\n}\n"
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("Relu")
	a, err := mlc.Compile(ctx, mlc.File(file))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	var b bytes.Buffer
	if err := a.Export(ctx, &b, "tflite"); err != nil || !bytes.Contains(b.Bytes(), []byte("TFL3")) {
		t.Fatalf("%d bytes, %v", b.Len(), err)
	}
	write("Tanh")
	b.Reset()
	err = a.Export(ctx, &b, "tflite")
	if diag.KindOf(err) != diag.BadModel || !strings.Contains(err.Error(), "has changed since it was compiled") || b.Len() > 0 {
		t.Errorf("%d bytes, %v", b.Len(), err)
	}
}

// TestExportRefused: what an export cannot be is said before anything is written.
func TestExportRefused(t *testing.T) {
	ctx := context.Background()
	a, err := mlc.Compile(ctx, mlc.File("testdata/models/digits.onnx"), mlc.Target("generic"))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	wide, err := mlc.Compile(ctx, mlc.Bytes([]byte(`module "wide" opset {ai.onnx 28}
dim N 1..9
func main(%x: f32[2,N]) -> (%y: f32[2,N]) {
	%y = Relu %x : f32[2,N]
	return %y
}
`)))
	if err != nil {
		t.Fatal(err)
	}
	defer wide.Close()
	for _, c := range []struct {
		a            *mlc.Artifact
		format, text string
		kind         diag.Kind
	}{
		{a, "exe", "one of linux/amd64, linux/arm64", diag.Unsupported},
		{a, "go", "several files", diag.Usage},
		{wide, "tflite", "written for one shape", diag.Unsupported},
		{a, "html", "unknown kind", diag.Usage},
	} {
		var b bytes.Buffer
		err := c.a.Export(ctx, &b, c.format)
		if diag.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text) || b.Len() > 0 {
			t.Errorf("%s: %d bytes, %v", c.format, b.Len(), err)
		}
	}
	if _, err := a.GoPackage(ctx, "digits"); diag.KindOf(err) != diag.Unsupported {
		t.Errorf("a Go package of open extents: %v", err)
	}
	if _, err := mlc.Compile(ctx, mlc.File("testdata/models/digits.onnx"), mlc.Quantize("w4", nil)); diag.KindOf(err) != diag.Usage {
		t.Errorf("an unknown quantization: %v", err)
	}
}
