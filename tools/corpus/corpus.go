// Package corpus finds real models with recorded outputs for tests. They are
// no part of the repository: see tools/need. Nothing but tests may import
// it.
//
//	c := corpus.Cases(t, "mnist-cntk-8")["mnist-cntk-8"]
package corpus

import (
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/tools/need"
)

// Archives are the archives of real models. A test without them ends.
func Archives(t testing.TB) []string {
	t.Helper()
	var out []string
	for i := range 3 {
		out = append(out, need.Shared(t, fmt.Sprintf("corpus/real-onnx-%d.tar.zst", i)))
	}
	return out
}

// Cases are real models by name, all of names.
func Cases(t testing.TB, names ...string) map[string]*conform.Case {
	t.Helper()
	out := map[string]*conform.Case{}
	for _, a := range Archives(t) {
		cs, err := conform.Find(a)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cs {
			if slices.Contains(names, c.Name) {
				out[c.Name] = c
			}
		}
	}
	if len(out) != len(names) {
		t.Fatalf("the corpus has %d of %v", len(out), names)
	}
	return out
}

// Open unpacks another archive of the test data: "data/tinyml.tar.zst".
func Open(t testing.TB, name string) fs.FS {
	t.Helper()
	files, err := conform.Archive(need.Shared(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return files
}
