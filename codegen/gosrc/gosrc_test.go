package gosrc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/gosrc"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/passes/bindshape"
	"github.com/mlc-go/mlc/runtime/kernel/all"
	"github.com/mlc-go/mlc/runtime/plan"
	"github.com/mlc-go/mlc/tools/corpus"
	"github.com/mlc-go/mlc/tools/need"
)

// built is a model compiled and recorded.
type built struct {
	program  *plan.Program
	artifact []byte
	vectors  []gosrc.Vector
}

func build(t *testing.T, src codegen.Source, o codegen.Options, vectors int) built {
	t.Helper()
	ctx := context.Background()
	a, err := codegen.Build(ctx, src, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	b, err := a.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	o.Stop = codegen.StageImport
	m, err := codegen.Build(ctx, src, o)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	vs, err := gosrc.Record(ctx, m.Module(), vectors)
	if err != nil {
		t.Fatal(err)
	}
	return built{a.Program(), b, vs}
}

func mir(body string) codegen.Source {
	return codegen.Bytes([]byte("module \"small\" opset {ai.onnx 28}\n" + body))
}

// many has several inputs and outputs whose names are awkward in Go.
const many = `func main(%x: f32[2,3], %type: i64[2,3], %b: bool[2,3], %h: f16[2]) -> (%y: f32[2,3], %Y: i64[2,3], %z: bool[2,3], %err: f16[2]) {
	%y = Abs %x : f32[2,3]
	%Y = Add %type, %type : i64[2,3]
	%z = Not %b : bool[2,3]
	%err = Neg %h : f16[2]
	return %y, %Y, %z, %err
}
`

// shadowing has names that the example needs itself.
const shadowing = `func main(%log: f32[2]) -> (%make: f32[2]) {
	%make = Abs %log : f32[2]
	return %make
}
`

// collide has an output whose name in Go is what the input's becomes, since in is
// taken; and a byte order mark, which Go wants at the beginning of a file or nowhere.
const collide = `func main(%in: f32[2]) -> (%"in_\ufeffinput": f32[2]) {
	%"in_\ufeffinput" = Abs %in : f32[2]
	return %"in_\ufeffinput"
}
`

// complexes have no order and no largest.
const complexes = `func main(%x: c64[2], %y: c128[2]) -> (%a: c64[2], %b: c128[2]) {
	%a = Identity %x : c64[2]
	%b = Identity %y : c128[2]
	return %a, %b
}
`

// looping runs a reference function, which allocates.
const looping = `func main(%x: f32[2]) -> (%y: f32[2]) {
	%n = const i64[] [5]
	%y = Loop %n, _, %x {(%i: i64[], %c: bool[], %s: f32[2])
		%t = Add %s, %s : f32[2]
		%d = Identity %c : bool[]
		yield %d, %t
	} : f32[2]
	return %y
}
`

// stateful keeps a running sum.
const stateful = `state %sum: f32[2] = zeros
func main(%before: f32[2] -> %sum, %x: f32[2]) -> (%after: f32[2] -> %sum, %y: f32[2]) {
	%after = Add %x, %before : f32[2]
	%y = Neg %after : f32[2]
	return %after, %y
}
`

func write(t *testing.T, dir string, files []gosrc.File) {
	t.Helper()
	for _, f := range files {
		p := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// module makes a fresh module that takes this tree for mlc and needs no network.
func module(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	sys := regexp.MustCompile(`golang.org/x/sys v\S+`).Find(mod)
	dir := t.TempDir()
	write(t, dir, []gosrc.File{
		{Name: "go.mod", Data: fmt.Appendf(nil, "module example.com/fresh\n\ngo 1.26.0\n\nrequire (\n\tgithub.com/mlc-go/mlc v0.0.0\n\t%s\n)\n\nreplace github.com/mlc-go/mlc => %s\n", sys, root)},
		{Name: "go.sum", Data: sum},
	})
	return dir
}

func goTool(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	need.Command(t, "go", "the package is built with it")
	c := exec.Command("go", args...)
	c.Dir = dir
	c.Env = append(append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "GOWORK=off", "CGO_ENABLED=0"), env...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("go %s: %v\n%s%s", strings.Join(args, " "), err, &out, &errs)
	}
	return out.String()
}

func files(t *testing.T, b built, o gosrc.Options) []gosrc.File {
	t.Helper()
	o.Vectors = b.vectors
	fs, err := gosrc.Files(b.program, b.artifact, o)
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// TestForms: packages of every form pass vet and their own tests: several
// inputs and outputs, states, weights in a file, no vectors, and generic and
// native files of one model.
func TestForms(t *testing.T) {
	need.Time(t, "programs are linked")
	dir := module(t)
	write(t, filepath.Join(dir, "many"), files(t, build(t, mir(many), codegen.Options{}, 2), gosrc.Options{Package: "many"}))
	write(t, filepath.Join(dir, "stateful"), files(t, build(t, mir(stateful), codegen.Options{}, 1), gosrc.Options{Package: "stateful"}))
	write(t, filepath.Join(dir, "shadowing"), files(t, build(t, mir(shadowing), codegen.Options{}, 1), gosrc.Options{Package: "shadowing"}))
	for name, body := range map[string]string{"collide": collide, "complexes": complexes, "looping": looping} {
		write(t, filepath.Join(dir, name), files(t, build(t, mir(body), codegen.Options{}, 1), gosrc.Options{Package: name}))
	}
	write(t, filepath.Join(dir, "plain"), files(t, build(t, mir(many), codegen.Options{Target: "generic"}, 0), gosrc.Options{Package: "plain"}))
	digits := codegen.File("../../testdata/models/digits.onnx")
	one := bindshape.Binding{Dims: []bindshape.Dim{{Name: "N", Lo: 1, Hi: 1}}}
	for _, target := range []string{"amd64", "arm64"} {
		b := build(t, digits, codegen.Options{Target: target, Bind: one}, 1)
		write(t, filepath.Join(dir, "digits"), files(t, b, gosrc.Options{Package: "digits", SideFile: true}))
	}
	goTool(t, dir, []string{"GOARCH=arm64"}, "vet", "./digits", "./plain")
	goTool(t, dir, nil, "vet", "./...")
	goTool(t, dir, nil, "test", "./...")
}

// TestSame: the same arguments give the same bytes, and what two architectures
// share is equal.
func TestSame(t *testing.T) {
	var prev []gosrc.File
	for i, target := range []string{"amd64", "amd64", "arm64"} {
		b := build(t, mir(many), codegen.Options{Target: target}, 1)
		fs := files(t, b, gosrc.Options{Package: "same"})
		for j := range prev {
			if i == 2 && strings.Contains(fs[j].Name, "arm64") {
				continue
			}
			if fs[j].Name != prev[j].Name || !bytes.Equal(fs[j].Data, prev[j].Data) {
				t.Errorf("%s of %s differs", fs[j].Name, target)
			}
		}
		prev = fs
	}
}

func TestPackageName(t *testing.T) {
	for in, want := range map[string]string{
		"mnist-cntk-8": "mnistcntk8", "KWS_ds": "kwsds", "2nd": "model2nd", "": "model", "main": "modelmain",
		"range": "modelrange", "日本": "model", "digits": "digits", "7": "model7",
	} {
		if have := gosrc.PackageName(in); have != want {
			t.Errorf("%q: have %q, want %q", in, have, want)
		}
	}
}

// TestRefused: what a package cannot express is refused by name.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"open dims", "dim N 1..8\ndim M 1..8\nfunc main(%x: f32[N,3,M]) -> (%y: f32[N,3,M]) {\n\t%y = Abs %x : f32[N,3,M]\n\treturn %y\n}\n", `input "x": unsupported: have f32[N,3,M] with open dims N, M`},
		{"open output", "dim u1 0..*\nfunc main(%n: i64[1]) -> (%y: f32[u1]) {\n\t%y = ConstantOfShape %n : f32[u1]\n\treturn %y\n}\n", `output "y": unsupported: have f32[u1] with open dims u1`},
		{"hint", "dim N 1..8\nfunc main(%x: f32[N]) -> (%y: f32[N]) {\n\t%y = Abs %x : f32[N]\n\treturn %y\n}\n", "as by --dim N=1)"},
		{"strings", "func main(%x: str[2]) -> (%y: str[2]) {\n\t%y = Identity %x : str[2]\n\treturn %y\n}\n", "elements that Go has a type for"},
	} {
		b := build(t, mir(c.body), codegen.Options{}, 0)
		_, err := gosrc.Files(b.program, b.artifact, gosrc.Options{Package: "p"})
		if diag.KindOf(err) != diag.Unsupported || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: have %v, want %q", c.name, err, c.want)
		}
	}
	b := build(t, mir(many), codegen.Options{}, 0)
	var e *diag.Error
	if _, err := gosrc.Files(b.program, b.artifact, gosrc.Options{Package: "a b"}); !errors.As(err, &e) || e.Kind != diag.Usage {
		t.Errorf("package name a b: %v", err)
	}
	b.program.Main().Body[0].Alts[0].Kernel = "mine.f32"
	if _, err := gosrc.Files(b.program, b.artifact, gosrc.Options{Package: "p"}); diag.KindOf(err) != diag.Unsupported || !strings.Contains(err.Error(), "mine.f32") {
		t.Errorf("a foreign kernel: %v", err)
	}
}

// mustShow are the models whose packages the milestone promises.
func mustShow(t *testing.T) map[string]codegen.Source {
	t.Helper()
	out := map[string]codegen.Source{}
	for pkg, name := range map[string]string{"mnist": "mnist-cntk-8", "hellodeepa": "oww-hello-deepa"} {
		c := corpus.Cases(t, name)[name]
		out[pkg] = codegen.FS(c.FS, c.Model)
	}
	b, err := fs.ReadFile(corpus.Open(t, "data/tinyml.tar.zst"), "tinyml/kws/kws_ds_cnn_float.onnx")
	if err != nil {
		t.Fatal(err)
	}
	out["kws"] = codegen.Bytes(b)
	return out
}

// mostMNIST is what the MNIST package may add to a program that says hello.
const mostMNIST = 2 << 20

// TestModels: packages of real models pass their own tests, also under the race
// detector, and a program links the kernels of its plan and no others.
func TestModels(t *testing.T) {
	need.Time(t, "programs are linked")
	models := mustShow(t)
	dir := module(t)
	hello := "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n"
	write(t, dir, []gosrc.File{{Name: "hello/main.go", Data: []byte(hello)}})
	goTool(t, dir, nil, "build", "-o", "hello.bin", "./hello")
	plans := map[string]*plan.Program{}
	for name, src := range models {
		o := codegen.Options{Bind: bindshape.Binding{Dims: []bindshape.Dim{{Name: "N", Lo: 1, Hi: 1}}}}
		if name != "kws" {
			o.Bind = bindshape.Binding{}
		}
		b := build(t, src, o, 2)
		plans[name] = b.program
		write(t, filepath.Join(dir, name), files(t, b, gosrc.Options{Package: name}))
		write(t, dir, []gosrc.File{{Name: name + "app/main.go", Data: fmt.Appendf(nil,
			"package main\n\nimport (\n\t\"fmt\"\n\n\t%q\n)\n\nfunc main() {\n\tp, err := %s.New()\n\tfmt.Println(err)\n\tfmt.Println(p.Predict(nil))\n}\n", "example.com/fresh/"+name, name)}})
	}
	goTool(t, dir, nil, "vet", "./...")
	if race(t) {
		goTool(t, dir, []string{"CGO_ENABLED=1"}, "test", "-race", "./...")
	} else {
		goTool(t, dir, nil, "test", "./...")
	}
	for name, p := range plans {
		goTool(t, dir, nil, "build", "-o", name+".bin", "./"+name+"app")
		if have, want := linked(t, dir, name+".bin"), named(t, p); !slices.Equal(have, want) {
			t.Errorf("%s links kernels\n%s\nits plan has\n%s", name, strings.Join(have, " "), strings.Join(want, " "))
		}
		size := fileSize(t, filepath.Join(dir, name+".bin")) - fileSize(t, filepath.Join(dir, "hello.bin"))
		t.Logf("%s adds %d bytes to a program that says hello", name, size)
		if name == "mnist" && size > mostMNIST {
			t.Errorf("mnist adds %d bytes, want at most %d", size, mostMNIST)
		}
	}
}

// race says whether the race detector can be built with.
func race(t *testing.T) bool {
	t.Helper()
	for _, cc := range []string{os.Getenv("CC"), "gcc", "clang"} {
		if _, err := exec.LookPath(cc); cc != "" && err == nil {
			return true
		}
	}
	if need.CI() {
		t.Fatal("continuous integration lacks a C compiler for the race detector")
	}
	t.Log("lacks a C compiler: the packages' tests run without the race detector")
	return false
}

func fileSize(t *testing.T, file string) int64 {
	t.Helper()
	st, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// linked lists the variables of kernels that a program holds: those symbols of
// the kernel packages that the full set has.
func linked(t *testing.T, dir, bin string) []string {
	t.Helper()
	known := map[string]bool{}
	for _, d := range all.Set().All() {
		v := gosrc.KernelVar(d.ID)
		if v == "" {
			t.Fatalf("no variable of %s", d.ID)
		}
		known[v] = true
	}
	var out []string
	for line := range strings.Lines(goTool(t, dir, nil, "tool", "nm", bin)) {
		if _, v, ok := strings.Cut(strings.TrimSpace(line), "github.com/mlc-go/mlc/runtime/kernel/"); ok && known[v] {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return out
}

func named(t *testing.T, p *plan.Program) []string {
	t.Helper()
	var out []string
	for _, id := range p.Kernels() {
		out = append(out, gosrc.KernelVar(id))
	}
	slices.Sort(out)
	return out
}
