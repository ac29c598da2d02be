package irtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/irtest"
	"github.com/mlc-go/mlc/ir/op"
)

const testdata = "../../testdata/mir/"

func TestGolden(t *testing.T) {
	for _, dir := range []string{"text", "verify", "exec"} {
		t.Run(dir, func(t *testing.T) { irtest.Runner{Ops: op.Builtin()}.Dir(t, testdata+dir) })
	}
}

// recorder is a testing.TB that keeps failures instead of reporting them.
type recorder struct {
	testing.TB
	failed bool
	log    []string
}

func (r *recorder) Helper()      {}
func (r *recorder) Failed() bool { return r.failed }
func (r *recorder) Errorf(format string, a ...any) {
	r.failed = true
	r.log = append(r.log, fmt.Sprintf(format, a...))
}
func (r *recorder) Fatalf(format string, a ...any) {
	r.Errorf(format, a...)
	panic(r)
}

// run gives what a golden test with the text reports.
func run(t *testing.T, src string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "case.txt")
	if err := os.WriteFile(path, []byte(src), 0o666); err != nil {
		t.Fatal(err)
	}
	r := &recorder{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(r) {
				panic(p)
			}
		}()
		irtest.Runner{Ops: op.Builtin()}.File(r, path)
	}()
	return strings.Join(r.log, "\n")
}

// A golden test that should fail does.
func TestRunnerFails(t *testing.T) {
	const mod = "-- in.mir --\nmodule \"m\" opset {ai.onnx 28}\nfunc main(%x: f32[2]) -> (%y: f32[2]) {\n\t%y = Add %x, %x : f32[2]\n\treturn %y\n}\n"
	for _, c := range []struct{ name, src, want string }{
		{"good", "verify\nparse\nexec\nnot\ncount Add=1\n" + mod, ""},
		{"unknown verb", "polish\n" + mod, `no verb "polish" (have count, exec, infer, not, parse, verify)`},
		{"no command", "# nothing\n" + mod, "no command"},
		{"count", "count Add=2\n" + mod, "Add: have 1, want 2"},
		{"rule", "count conv-bn=2\n" + mod, "conv-bn: have 0, want 2"},
		{"not", "not Add\n" + mod, "1 nodes of Add"},
		{"unannounced", "verify\n" + strings.Replace(mod, "f32[2]\n\treturn", "f32[3]\n\treturn", 1), "line 3: unannounced fault"},
		{"announced only", "verify\n" + strings.Replace(mod, "%x, %x : f32[2]", `%x, %x : f32[2] // error: "boom"`, 1), `line 3: no fault says "boom"`},
		{"want", "parse\n" + mod + "-- want.mir --\nmodule\n", "section want.mir differs"},
		{"tolerance", "exec tol=loose\n" + mod, "want exact, close, ulp:N, quantum:N,SHARE or RTOL,ATOL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := run(t, c.src)
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("reported %q, want %q", got, c.want)
			}
		})
	}
}
