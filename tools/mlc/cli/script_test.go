package cli_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/protobuf/proto"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/tools/mlc/cli"
	"github.com/mlc-go/mlc/tools/need"
)

var update = flag.Bool("update", false, "rewrite cmp files of scripts and docs/cli.md")

// TestMain makes the test binary answer to the name mlc, so that scripts run
// the command of this very tree.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"mlc": func() { os.Exit(cli.Main(cli.Registry{}, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScript runs testdata/script. Beside testscript's own commands there are
//
//	rc CODE mlc ARGS...      run; the exit code must be CODE; for 2, 3 and 4 standard
//	                         error must be one line "mlc: ..." without a full stop
//	jsonhas PATH [VALUE]     standard output is one JSON object that has PATH ("a.b.0.c")
//	pb FILE NAME LITERAL     write a TensorProto ("2x3xf32=1,2,3,4,5,6")
//	npz FILE NAME=LITERAL... write arrays as numpy.savez does
//	onnxop FILE OP           write a model of one node of that operator
//	garbage FILE BYTES       write seeded random bytes
//	flip FILE OFFSET         flip a bit; a negative offset counts from the end
//	cut FILE BYTES           keep only so many bytes; negative: all but so many
//
// and the condition [lacks:WHAT], WHAT out of go, linux, amd64, signals, for what
// a script cannot do without: where continuous integration lacks it, it fails.
func TestScript(t *testing.T) {
	models, err := filepath.Abs("../../../testdata/models")
	if err != nil {
		t.Fatal(err)
	}
	dirs := goDirs(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "../../../testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("MODELS", models)
			// The folder of mlc alone, and where the go command keeps things: scripts
			// have no home.
			e.Setenv("MLCBIN", filepath.SplitList(e.Getenv("PATH"))[0])
			for name, dir := range dirs {
				e.Setenv(name, dir)
			}
			if v, ok := os.LookupEnv("MLC_CPU"); ok {
				e.Setenv("MLC_CPU", v)
			}
			return nil
		},
		Condition: lacks,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"rc": cmdRC, "jsonhas": cmdJSONHas, "pb": cmdPB, "npz": cmdNPZ, "onnxop": cmdONNXOp,
			"garbage": cmdGarbage, "flip": cmdFlip, "cut": cmdCut,
		},
	})
}

// lacks is the condition [lacks:WHAT].
func lacks(cond string) (bool, error) {
	has := map[string]func() bool{
		"go":      func() bool { _, err := exec.LookPath("go"); return err == nil },
		"linux":   func() bool { return goruntime.GOOS == "linux" },
		"amd64":   func() bool { return goruntime.GOARCH == "amd64" },
		"signals": func() bool { return goruntime.GOOS != "windows" },
	}
	what, ok := strings.CutPrefix(cond, "lacks:")
	if !ok || has[what] == nil {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	if has[what]() {
		return false, nil
	}
	if need.CI() {
		return false, fmt.Errorf("continuous integration lacks %s", what)
	}
	return true, nil
}

// goDirs are the folders of the go command; none where there is no such command,
// which CI must have.
func goDirs(t *testing.T) map[string]string {
	t.Helper()
	names := []string{"GOCACHE", "GOMODCACHE"}
	out, err := exec.Command("go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		if need.CI() {
			t.Fatalf("continuous integration lacks the go command: %v", err)
		}
		return nil
	}
	dirs := map[string]string{}
	for i, l := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		dirs[names[i]] = l
	}
	return dirs
}

func want(ts *testscript.TestScript, neg bool, args []string, lo, hi int, usage string) {
	if neg || len(args) < lo || len(args) > hi {
		ts.Fatalf("usage: %s", usage)
	}
}

func cmdRC(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 1000, "rc CODE mlc ARGS...")
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var e *exec.ExitError
		if !errors.As(err, &e) {
			ts.Fatalf("%v", err)
		}
		code = e.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code is %d, want %s; standard error:\n%s", code, args[0], ts.ReadFile("stderr"))
	}
	if code < 2 || code > 4 {
		return
	}
	msg := ts.ReadFile("stderr")
	line, rest, _ := strings.Cut(msg, "\n")
	if rest != "" || !strings.HasPrefix(line, "mlc: ") || strings.HasSuffix(line, ".") {
		ts.Fatalf("an error is one line \"mlc: where: what\" without a full stop, have:\n%s", msg)
	}
}

func cmdJSONHas(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 2, "jsonhas PATH [VALUE]")
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		ts.Fatalf("standard output is no JSON: %v", err)
	}
	if dec.More() {
		ts.Fatalf("more than one JSON value on standard output")
	}
	if o, ok := v.(map[string]any); !ok || o["schema"] == nil {
		ts.Fatalf("no object with a schema")
	}
	for _, k := range strings.Split(args[0], ".") {
		switch x := v.(type) {
		case map[string]any:
			e, ok := x[k]
			if !ok {
				ts.Fatalf("%s: no key %q", args[0], k)
			}
			v = e
		case []any:
			i, err := strconv.Atoi(k)
			if err != nil || i < 0 || i >= len(x) {
				ts.Fatalf("%s: no element %q of %d", args[0], k, len(x))
			}
			v = x[i]
		default:
			ts.Fatalf("%s: %q of a %T", args[0], k, v)
		}
	}
	if len(args) == 2 && fmt.Sprint(v) != args[1] {
		ts.Fatalf("%s is %v, want %s", args[0], v, args[1])
	}
}

func cmdPB(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 3, 3, "pb FILE NAME LITERAL")
	t, err := tensor.ParseLiteral(args[2], dtype.F32, nil)
	ts.Check(err)
	b, err := tensor.EncodePB(args[1], tensor.V(t))
	ts.Check(err)
	write(ts, args[0], b)
}

func cmdNPZ(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 100, "npz FILE NAME=LITERAL...")
	var arrays []tensor.Named
	for _, s := range args[1:] {
		name, lit, _ := strings.Cut(s, "=")
		t, err := tensor.ParseLiteral(lit, dtype.F32, nil)
		ts.Check(err)
		arrays = append(arrays, tensor.Named{Name: name, Tensor: t})
	}
	b, err := npzBytes(arrays)
	ts.Check(err)
	write(ts, args[0], b)
}

// npzBytes is a file as numpy.savez writes it.
func npzBytes(arrays []tensor.Named) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, a := range arrays {
		w, err := z.Create(a.Name + ".npy")
		if err == nil {
			err = tensor.WriteNPY(w, a.Tensor)
		}
		if err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}

func write(ts *testscript.TestScript, file string, b []byte) {
	// A process started meanwhile would inherit the file open for writing, and then
	// it could not be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(file)), 0o755))
	ts.Check(os.WriteFile(ts.MkAbs(file), b, 0o644))
}

func cmdONNXOp(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 2, "onnxop FILE OP")
	port := func(name string) *onnxpb.ValueInfoProto {
		return &onnxpb.ValueInfoProto{Name: proto.String(name), Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
			ElemType: proto.Int32(1),
			Shape:    &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 2}}}},
		}}}}
	}
	b, err := proto.Marshal(&onnxpb.ModelProto{
		IrVersion:   proto.Int64(8),
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(17)}},
		Graph: &onnxpb.GraphProto{
			Name: proto.String("one"), Input: []*onnxpb.ValueInfoProto{port("x")}, Output: []*onnxpb.ValueInfoProto{port("y")},
			Node: []*onnxpb.NodeProto{{Name: proto.String("n"), OpType: proto.String(args[1]), Input: []string{"x"}, Output: []string{"y"}}},
		},
	})
	ts.Check(err)
	write(ts, args[0], b)
}

func cmdGarbage(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 2, "garbage FILE BYTES")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	write(ts, args[0], b)
}

func cmdFlip(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 2, "flip FILE OFFSET")
	b := []byte(ts.ReadFile(args[0]))
	i, err := strconv.Atoi(args[1])
	ts.Check(err)
	if i < 0 {
		i += len(b)
	}
	b[i] ^= 4
	write(ts, args[0], b)
}

func cmdCut(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 2, "cut FILE BYTES")
	b := []byte(ts.ReadFile(args[0]))
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	if n < 0 {
		n += len(b)
	}
	write(ts, args[0], bytes.Clone(b[:n]))
}
