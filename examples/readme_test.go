// Package examples has no code: it holds the README of the programs below it to
// what is there.
package examples

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestREADME: every example has a section, and what the text links to or names
// on a command line exists.
func TestREADME(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	dirs, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range dirs {
		if !d.IsDir() {
			continue
		}
		n++
		for _, want := range []string{"\n## " + d.Name() + "\n", "go run ./examples/" + d.Name(), "[" + d.Name() + "](#" + d.Name() + ")"} {
			if !strings.Contains(text, want) {
				t.Errorf("README.md has no %q", want)
			}
		}
		if tests, err := filepath.Glob(filepath.Join(d.Name(), "*_test.go")); err != nil || len(tests) == 0 {
			t.Errorf("%s has no test", d.Name())
		}
	}
	if n != strings.Count(text, "\n## ") {
		t.Errorf("README.md has %d sections for %d examples", strings.Count(text, "\n## "), n)
	}
	for _, l := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(l[1]); err != nil {
			t.Errorf("link: %v", err)
		}
	}
	for _, p := range regexp.MustCompile(`[ @]((?:testdata|\./examples|examples|\./tools)/[a-z/]+(?:\.[a-z]+)?)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("..", p[1])); err != nil {
			t.Errorf("named in the text: %v", err)
		}
	}
}
