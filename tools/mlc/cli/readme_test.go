package cli_test

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/tools/need"
)

// fence is one block of code of a Markdown file.
type fence struct {
	file, lang, text string
	section          string // the heading above it
	line             int
}

func fences(t *testing.T, file string) []fence {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []fence
	var cur *fence
	n, section := 0, ""
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		n++
		switch l := s.Text(); {
		case strings.HasPrefix(l, "```") && cur == nil:
			cur = &fence{file: filepath.Base(file), lang: strings.TrimPrefix(l, "```"), section: section, line: n}
		case strings.HasPrefix(l, "```"):
			out = append(out, *cur)
			cur = nil
		case cur != nil:
			cur.text += l + "\n"
		case strings.HasPrefix(l, "## "):
			section = strings.TrimPrefix(l, "## ")
		}
	}
	return out
}

// Every command and every program that the README shows works as shown.
func TestReadme(t *testing.T) {
	need.Command(t, "bash", "the README's commands are for it")
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	prepare(t, root, dir)
	executables := goruntime.GOOS == "linux" && (goruntime.GOARCH == "amd64" || goruntime.GOARCH == "arm64")
	ran, programs := 0, 0
	var last string
	for _, f := range fences(t, filepath.Join(root, "README.md")) {
		if f.section == "Ten commands" {
			continue // TestTenCommands
		}
		switch f.lang {
		case "sh":
			if strings.Contains(f.text, "--emit exe") && !executables {
				if need.CI() {
					t.Errorf("README.md:%d: continuous integration lacks linux on amd64 or arm64, for which executables are made", f.line)
				}
				t.Logf("README.md:%d: not run: executables are made for linux on amd64 and arm64", f.line)
				continue
			}
			last = shell(t, dir, &f)
			ran++
		case "text":
			if have, want := comparable(last), comparable(f.text); have != want {
				t.Errorf("README.md:%d: the command prints otherwise, have:\n%s", f.line, last)
			}
		case "go":
			goProgram(t, root, dir, &f)
			programs++
		default:
			t.Errorf("README.md:%d: a block of language %q: want sh, text or go", f.line, f.lang)
		}
	}
	if ran < 8 || programs < 3 {
		t.Errorf("%d command blocks and %d programs found", ran, programs)
	}
}

// The ten commands, from the second, with this binary in place of the one that
// the first builds, and with a proxy of modules that has not heard of this one
// and says so by 403, as those of companies do: what is replaced is asked of
// nobody. tools/newcomer runs them to the letter, on a machine of their own.
func TestTenCommands(t *testing.T) {
	need.Command(t, "bash", "the README's commands are for it")
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not for you", http.StatusForbidden)
	}))
	defer proxy.Close()
	dir := t.TempDir()
	commandOnPath(t, dir)
	model, err := os.ReadFile(filepath.Join(root, "testdata/models/digits.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	script := fence{file: "README.md, Ten commands", text: "mkdir clone\nmv bin clone/bin\ncp clone/bin/mlc clone/mlc\nmv model.onnx clone\ncd clone\n" +
		"export GOFLAGS= GOSUMDB=off GOPROXY='" + proxy.URL + "'\n"}
	for _, f := range fences(t, filepath.Join(root, "README.md")) {
		switch {
		case f.section != "Ten commands":
		case f.lang == "go":
			script.text += "cat >main.go <<'PROGRAM'\n" + f.text + "PROGRAM\n"
		case f.lang == "sh":
			script.text += f.text
		}
	}
	script.text = strings.Replace(script.text, "go build -o mlc ./tools/mlc\n", "", 1)
	script.text = strings.Replace(script.text, "$OLDPWD", root, 1)
	lines := strings.Split(strings.TrimSpace(shell(t, dir, &script, "model.onnx", string(model))), "\n")
	if last := lines[len(lines)-1]; len(strings.Fields(last)) != 10 {
		t.Errorf("want the scores of ten classes at the end, have %q", last)
	}
}

// prepare makes the files that the README speaks of as the reader's own.
func prepare(t *testing.T, root, dir string) {
	t.Helper()
	model, err := os.ReadFile(filepath.Join(root, "testdata/models/digits.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, b []byte) {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("model.onnx", model)
	put("testdata/models/digits.onnx", model)
	put("vectors/model.onnx", model)
	commandOnPath(t, dir)
	// A recorded set is made by the reference at -O0: here the commands are
	// under test, not the values.
	shell(t, dir, &fence{text: "mlc run model.onnx -O0 --random --out-dir vectors/test_data_set_0 --out-format pb\n" +
		"mlc opt -O0 ident.mir -o ident.onnx\n" +
		"mlc run ident.onnx --random --out-dir vectors/in --out-format pb\n" +
		"mv vectors/in/output_0.pb vectors/test_data_set_0/input_0.pb\n" +
		"mlc run ident.onnx --random --out-dir .\n", lang: "setup"}, "ident.mir", `module "ident" opset {ai.onnx 28}
func main(%x: f32[1,1,28,28]) -> (%picture: f32[1,1,28,28]) {
	%picture = Abs %x : f32[1,1,28,28]
	return %picture
}
`)
	shell(t, dir, &fence{text: "rm -r vectors/in\nmlc run model.onnx -O0 -i vectors/test_data_set_0 --out-dir vectors/test_data_set_0 --out-format pb\n"})
}

// commandOnPath puts the command of this very tree into dir/bin.
func commandOnPath(t *testing.T, dir string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/mlc"), []byte("#!/usr/bin/env bash\nexec -a mlc '"+self+"' \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// shell runs a block in dir with the command on the path; what only the go
// command does is checked for its packages. extra is a file's name and text.
func shell(t *testing.T, dir string, f *fence, extra ...string) string {
	t.Helper()
	if len(extra) == 2 {
		if err := os.WriteFile(filepath.Join(dir, extra[0]), []byte(extra[1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.ReplaceAll(f.text, "go run ./tools/mlc ", "mlc ")
	if strings.TrimSpace(text) == "go test ./..." {
		return "" // this is it
	}
	c := exec.Command("bash", "-euo", "pipefail", "-c", text)
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Errorf("%s:%d: %v\n%s%s%s", f.file, f.line, err, f.text, &out, &errs)
	}
	return out.String()
}

// The messages that docs/errors.md shows are those that are printed.
func TestErrorsDoc(t *testing.T) {
	need.Command(t, "bash", "commands are run by it")
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	commandOnPath(t, dir)
	said := shell(t, dir, &fence{file: "errors.md", text: "(mlc build lenet.mir; mlc build lenet.mir --target=arm46) 2>&1 || true\n"}, "lenet.mir", `module "lenet" opset {ai.onnx 28}
dim N 1..8

// the line of the doc is 7:2

func main(%x: f32[N,3,8,8], %w: f32[4,3,3,3]) -> (%c: f32[N,4,8,8]) {
	%c = Conv %x, %w : f32[N,4,8,8]
	return %c
}
`)
	have := strings.Split(strings.TrimSpace(said), "\n")
	for _, line := range strings.Split(strings.TrimSpace(fences(t, filepath.Join(root, "docs/errors.md"))[0].text), "\n") {
		if strings.HasPrefix(line, "mlc: model.onnx: ") {
			continue // of models that need a file of their own
		}
		if !slices.Contains(have, line) {
			t.Errorf("errors.md shows\n%s\nprinted is\n%s", line, said)
		}
	}
}

var summary = regexp.MustCompile(`(?m)^(\S+\.mlc): .*$`)

// comparable is output without what depends on the machine: the summary's
// figures.
func comparable(s string) string { return summary.ReplaceAllString(s, "$1: ...") }

// goProgram builds and runs a program of the README where the artifact lies.
func goProgram(t *testing.T, root, dir string, f *fence) {
	t.Helper()
	src := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(src, []byte(f.text), 0o644); err != nil {
		t.Fatal(err)
	}
	bin := src + ".exe"
	build := exec.Command("go", "build", "-o", bin, src)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("README.md:%d: %v\n%s", f.line, err, out)
		return
	}
	run := exec.Command(bin)
	run.Dir = dir
	if out, err := run.CombinedOutput(); err != nil || len(out) == 0 {
		t.Errorf("README.md:%d: %v\n%s", f.line, err, out)
	}
}
