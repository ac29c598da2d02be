package layers

import (
	"bufio"
	"flag"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/runtime-deps.txt")

const module = "github.com/mlc-go/mlc"

// root is the repository's folder.
func root(t *testing.T) string {
	t.Helper()
	d, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// list reads the folder list: package path to line number, and the line of
// the edge wall.
func list(t *testing.T) (line map[string]int, wall int) {
	t.Helper()
	f, err := os.Open(filepath.Join(root(t), "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	line = map[string]int{}
	inList, n := false, 0
	for s := bufio.NewScanner(f); s.Scan(); n++ {
		text := s.Text()
		switch {
		case strings.HasPrefix(text, "```"):
			inList = !inList
			continue
		case !inList:
			continue
		case strings.HasPrefix(text, "---"):
			wall = n
			continue
		}
		entry := text
		if strings.HasPrefix(entry, "mlc (root package)") {
			line[module] = n
			continue
		}
		if i := strings.Index(entry, "  "); i >= 0 {
			entry = entry[:i]
		}
		for _, p := range expand(entry) {
			line[module+"/"+p] = n
		}
	}
	return line, wall
}

// expand turns "passes/{lowrank,cluster}" into its members.
func expand(s string) []string {
	i, j := strings.IndexByte(s, '{'), strings.IndexByte(s, '}')
	if i < 0 || j < i {
		return []string{s}
	}
	var out []string
	for _, m := range strings.Split(s[i+1:j], ",") {
		out = append(out, s[:i]+m+s[j+1:])
	}
	return out
}

// imports gives the module-internal and third-party imports of every package
// with Go files, test files left out; build tags are ignored so that every
// platform's files count.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	base := root(t)
	err := filepath.WalkDir(base, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); p != base && (strings.HasPrefix(n, ".") || strings.HasPrefix(n, "_") || n == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		rel, _ := filepath.Rel(base, filepath.Dir(p))
		pkg := module
		if rel != "." {
			pkg += "/" + filepath.ToSlash(rel)
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		if _, ok := out[pkg]; !ok {
			out[pkg] = nil
		}
		for _, im := range f.Imports {
			path, _ := strconv.Unquote(im.Path.Value)
			if strings.Contains(path, ".") && !slices.Contains(out[pkg], path) {
				out[pkg] = append(out[pkg], path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLayers(t *testing.T) {
	line, wall := list(t)
	if len(line) < 30 || wall == 0 {
		t.Fatalf("found %d packages in docs/architecture.md, wall at %d", len(line), wall)
	}
	for pkg, ims := range imports(t) {
		at, ok := line[pkg]
		if !ok {
			t.Errorf("%s is not listed in docs/architecture.md", pkg)
			continue
		}
		for _, im := range ims {
			inside := im == module || strings.HasPrefix(im, module+"/")
			switch {
			case inside && line[im] >= at:
				t.Errorf("%s (line %d) imports %s (line %d)", pkg, at+1, im, line[im]+1)
			case !inside && at < wall && !strings.HasPrefix(im, "golang.org/x/sys"):
				t.Errorf("%s stands above the edge wall and imports %s", pkg, im)
			}
		}
	}
}

// TestRuntimeDeps: what an application links with runtime alone. The golden
// file changes only by intent.
func TestRuntimeDeps(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./runtime")
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var got []string
	for _, p := range strings.Fields(string(b)) {
		if strings.Contains(p, ".") && !strings.HasPrefix(p, "vendor/") {
			got = append(got, p)
		}
	}
	slices.Sort(got)
	text := strings.Join(got, "\n") + "\n"
	golden := filepath.Join("testdata", "runtime-deps.txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("go list -deps ./runtime changed (go test ./tools/layers -update rewrites %s):\n%s", golden, text)
	}
	for _, p := range got {
		if !strings.HasPrefix(p, module) && !strings.HasPrefix(p, "golang.org/x/sys") {
			t.Errorf("runtime depends on %s", p)
		}
	}
}

// TestCommandDeps: heavy modules stay out of the command.
func TestCommandDeps(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./tools/mlc")
	cmd.Dir = root(t)
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for _, p := range strings.Fields(string(b)) {
		for _, heavy := range []string{"nats", "parquet", "prometheus", "otel"} {
			if strings.Contains(p, heavy) {
				t.Errorf("tools/mlc depends on %s", p)
			}
		}
	}
}

// Tests that lack something say so through tools/need, where what lacks is
// named and continuous integration fails; kerneltest.Need adds what CPUs have.
func TestSkipsNameWhatLacks(t *testing.T) {
	may := []string{"tools/need/need.go", "tools/need/need_test.go", "runtime/kernel/kerneltest/need.go"}
	call := regexp.MustCompile(`\b[a-z]{1,2}\.(Skip|Skipf|SkipNow)\(|\.Getenv\("(CI|MLC_SHARED)"\)`)
	base, seen := root(t), 0
	err := filepath.WalkDir(base, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != base && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		rel, _ := filepath.Rel(base, p)
		if rel = filepath.ToSlash(rel); !strings.HasSuffix(p, ".go") || rel == "tools/layers/layers_test.go" || strings.HasPrefix(rel, "tools/full/") {
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if found := call.FindAll(b, -1); slices.Contains(may, rel) {
			seen += len(found)
		} else if len(found) > 0 {
			t.Errorf("%s: %s: want a function of tools/need", rel, found[0])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 4 {
		t.Errorf("%d skips found where they may be: the test looks for something else", seen)
	}
	scripts, err := filepath.Glob(filepath.Join(base, "testdata/script/*.txt"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, p := range scripts {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for n, l := range strings.Split(string(b), "\n") {
			if f := strings.Fields(l); len(f) > 1 && (slices.Contains(f[:2], "skip") || slices.Contains(f[:2], "stop")) && !strings.HasPrefix(l, "[lacks:") {
				t.Errorf("%s:%d: %s: want the condition [lacks:WHAT]", filepath.Base(p), n+1, l)
			}
		}
	}
}
