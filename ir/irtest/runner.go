package irtest

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/text"
)

// updateFlag is the one -update of every test binary that imports irtest.
var updateFlag = flag.Bool("update", false, "rewrite golden files and the want* sections of golden tests")

// Update says whether golden files are to be rewritten.
func Update() bool { return *updateFlag }

// Verb carries out one command of a golden test. Its error fails the test.
type Verb func(c *Case, args []string) error

// Runner runs golden test files.
type Runner struct {
	Ops   *ir.OpSet
	Verbs map[string]Verb // beside the built-in ones
}

// Case is one golden test while it runs.
type Case struct {
	T    testing.TB
	File string
	Ops  *ir.OpSet
	// Module is what in.mir holds; verbs that transform change or replace it.
	// At the end it is compared with section want.mir, where there is one. It
	// is nil until the first verb that needs it, which calls Load.
	Module *ir.Module
	// Counts is what rules counted, for the verb count.
	Counts map[string]int

	lines   map[*ir.Node]int
	archive *archive
	changed bool
}

// Dir runs every .txt file below dir as a subtest.
func (r Runner) Dir(t *testing.T, dir string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".txt" {
			return err
		}
		n++
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		t.Run(strings.TrimSuffix(filepath.ToSlash(rel), ".txt"), func(t *testing.T) { r.File(t, path) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Fatalf("no golden test below %s", dir)
	}
}

// File runs one golden test.
func (r Runner) File(t testing.TB, path string) {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a := parseArchive(src)
	c := &Case{T: t, File: path, Ops: r.Ops, Counts: map[string]int{}, archive: a}
	verbs := maps.Clone(builtin)
	maps.Copy(verbs, r.Verbs)
	ran := 0
	for i, line := range strings.Split(string(a.comment), "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		ran++
		v := verbs[words[0]]
		if v == nil {
			t.Fatalf("%s:%d: no verb %q (have %s)", path, i+1, words[0], strings.Join(slices.Sorted(maps.Keys(verbs)), ", "))
		}
		if err := v(c, words[1:]); err != nil {
			t.Errorf("%s:%d: %s: %v", path, i+1, strings.Join(words, " "), err)
			return
		}
	}
	if ran == 0 {
		t.Fatalf("%s: no command", path)
	}
	if _, ok := c.Section("want.mir"); ok {
		m, err := c.Load()
		if err != nil {
			t.Fatal(err)
		}
		c.Want("want.mir", text.String(m))
	}
	c.save()
}

// Section gives the text of a section.
func (c *Case) Section(name string) (string, bool) {
	for _, f := range c.archive.files {
		if f.name == name {
			return string(f.data), true
		}
	}
	return "", false
}

// Want compares got with a section named want*, or rewrites it under -update.
// A section that is missing is a fault (write it empty and -update).
func (c *Case) Want(name, got string) {
	c.T.Helper()
	if !strings.HasPrefix(name, "want") {
		c.T.Fatalf("%s: section %s does not begin with want", c.File, name)
	}
	if got != "" && !strings.HasSuffix(got, "\n") {
		got += "\n"
	}
	for i, f := range c.archive.files {
		if f.name != name {
			continue
		}
		if string(f.data) == got {
			return
		}
		if Update() {
			c.archive.files[i].data, c.changed = []byte(got), true
			return
		}
		c.T.Errorf("%s: section %s differs (-want +have):\n%s", c.File, name, diff(string(f.data), got))
		return
	}
	c.T.Errorf("%s: no section %s", c.File, name)
}

func (c *Case) save() {
	if !c.changed || c.T.Failed() {
		return
	}
	if err := os.WriteFile(c.File, c.archive.format(), 0o644); err != nil {
		c.T.Fatal(err)
	}
}

// Load gives Module, reading in.mir if nothing has yet.
func (c *Case) Load() (*ir.Module, error) {
	if c.Module == nil {
		m, err := c.Input()
		if err != nil {
			return nil, err
		}
		c.Module = m
	}
	return c.Module, nil
}

// Input reads in.mir anew. Files that it refers to are sections.
func (c *Case) Input() (*ir.Module, error) {
	src, ok := c.Section("in.mir")
	if !ok {
		return nil, fmt.Errorf("no section in.mir")
	}
	c.lines = map[*ir.Node]int{}
	return text.Parse([]byte(src), "in.mir", c.Ops, text.Options{FS: c.archive.fs(), Lines: c.lines})
}

// Golden compares got with a file, or rewrites the file under -update.
func Golden(t testing.TB, path string, got []byte) {
	t.Helper()
	want, err := os.ReadFile(path)
	if err == nil && bytes.Equal(want, got) {
		return
	}
	if Update() {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%v (run with -update to make it)", err)
	}
	t.Errorf("%s differs (-want +have; -update rewrites it):\n%s", path, diff(string(want), string(got)))
}

func diff(want, have string) string {
	return cmp.Diff(strings.Split(want, "\n"), strings.Split(have, "\n"))
}
