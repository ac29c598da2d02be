package onnx

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/verify"
)

var update = flag.Bool("update", false, "rewrite the lists of passing cases")

// conformanceDir holds the lists, which have one case a line.
var conformanceDir = filepath.Join("..", "..", "testdata", "conformance")

// nodeTol is what ONNX's own runner allows.
var nodeTol = tensor.Custom(1e-3, 1e-7)

// TestNodeConformance runs ONNX's backend tests through import and the
// interpreter. Every listed case must pass; one that passes must be listed.
func TestNodeConformance(t *testing.T) {
	files := shared(t, "corpus/onnx-node.tar.zst")
	tols := tolerances(t)
	ops := op.Builtin()
	passed, failed, missing := []string{}, map[string]error{}, 0
	for _, name := range sortedNames(files) {
		if path.Base(name) != "model.onnx" {
			continue
		}
		id := path.Dir(name)
		tol, known := tols[id]
		if !known {
			tol = nodeTol
		}
		err := runCase(t, ops, files, id, tol)
		switch {
		case err == nil:
			passed = append(passed, id)
		case missingOps(err):
			missing++
		default:
			failed[id] = err
		}
	}
	t.Logf("%d pass, %d fail, %d use operators that are not in the table", len(passed), len(failed), missing)
	ratchet(t, "node-pass.txt", passed, failed)
}

// runCase imports, verifies and runs one folder.
func runCase(t *testing.T, ops *ir.OpSet, files fstest.MapFS, dir string, tol tensor.Tol) error {
	raw, err := Decode(files, path.Join(dir, "model.onnx"), DecodeOptions{})
	if err != nil {
		return err
	}
	defer raw.Close()
	m, err := Import(context.Background(), raw, ImportOptions{Ops: ops})
	if err != nil {
		return err
	}
	if err := verify.Module(m); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	sets := dataSets(t, files, dir)
	if len(sets) == 0 {
		return fmt.Errorf("no recorded data")
	}
	for _, set := range sets {
		if err := compareRun(m, set, tol); err != nil {
			return err
		}
	}
	return nil
}

// missingOps says whether a model needs operators that the table lacks.
func missingOps(err error) bool { return strings.Contains(err.Error(), "no such operator in domain") }

// ratchet compares with, or rewrites, the list of cases that pass.
func ratchet(t *testing.T, list string, passed []string, failed map[string]error) {
	t.Helper()
	var ids []string
	for id := range failed {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		t.Logf("does not pass: %s: %v", id, failed[id])
	}
	file := filepath.Join(conformanceDir, list)
	if *update {
		text := strings.Join(passed, "\n") + "\n"
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	listed := strings.Fields(string(b))
	for _, id := range listed {
		if !slices.Contains(passed, id) {
			t.Errorf("%s no longer passes: %v", id, failed[id])
		}
	}
	for _, id := range passed {
		if !slices.Contains(listed, id) {
			t.Errorf("%s passes: add it to %s (-update)", id, list)
		}
	}
}

// random is the tolerance of cases whose outputs are drawn by chance: types and
// extents are compared.
var random = tensor.Tol{Name: "random"}

// tolerances reads node-tol.txt: case, rtol, atol, then the reason; or case,
// the word random, and the reason.
func tolerances(t *testing.T) map[string]tensor.Tol {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(conformanceDir, "node-tol.txt"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]tensor.Tol{}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		line := s.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Fields(line)
		if len(f) > 2 && f[1] == random.Name {
			out[f[0]] = random
			continue
		}
		if len(f) < 4 {
			t.Fatalf("node-tol.txt: %q: want case, rtol, atol and a reason", line)
		}
		rtol, err1 := strconv.ParseFloat(f[1], 64)
		atol, err2 := strconv.ParseFloat(f[2], 64)
		if err1 != nil || err2 != nil {
			t.Fatalf("node-tol.txt: %q: %v %v", line, err1, err2)
		}
		out[f[0]] = tensor.Custom(rtol, atol)
	}
	return out
}
