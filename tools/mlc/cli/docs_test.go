package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/tools/mlc/cli"
)

// docs/cli.md is what the flags say.
func TestDocsFresh(t *testing.T) {
	const file = "../../../docs/cli.md"
	want := cli.Docs(cli.Registry{})
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("docs/cli.md is stale: go test ./tools/mlc/cli -run TestDocsFresh -update (%v)", err)
	}
}

// docs/training.md tells what each model by name stands for.
func TestModelsInDocs(t *testing.T) {
	b, err := os.ReadFile("../../../docs/training.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range nn.Models() {
		if !strings.Contains(string(b), "| `"+m.Spec()+"` |") {
			t.Errorf("docs/training.md: no row for `%s`", m.Spec())
		}
	}
}

var (
	mdLink = regexp.MustCompile(`\]\(([\w./-]+)(#[\w-]*)?\)`)
	mdPath = regexp.MustCompile("`((?:backend|codegen|docs|frontend|ir|passes|runtime|testdata|tools)/[\\w./-]+)`")
)

// Documents point at files that are there, and the .mir that they show parses.
func TestDocsTellTheTruth(t *testing.T) {
	root := "../../.."
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"} {
		files = append(files, filepath.Join(root, n))
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mdLink.FindAllStringSubmatch(string(b), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(f), m[1])); err != nil {
				t.Errorf("%s: link to %s, which is not there", filepath.Base(f), m[1])
			}
		}
		for _, m := range mdPath.FindAllStringSubmatch(string(b), -1) {
			p := strings.TrimSuffix(m[1], "/...")
			if ms, _ := filepath.Glob(filepath.Join(root, p)); len(ms) == 0 {
				t.Errorf("%s: speaks of %s, which is not there", filepath.Base(f), m[1])
			}
		}
		for _, c := range fences(t, f) {
			if c.lang != "mir" {
				continue
			}
			if _, err := text.Parse([]byte(c.text), filepath.Base(f), op.Builtin(), text.Options{}); err != nil {
				t.Errorf("block at line %d: %v", c.line, err)
			}
		}
	}
}
