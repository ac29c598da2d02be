package onnx

import (
	"encoding/json"
	"fmt"
	"path"
	"testing"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
)

// TestCaseOutputs runs models that stand for public bug reports: decode,
// import, verify, interpret. What must be refused must be refused with an
// error that is not ours, and within a second.
func TestCaseOutputs(t *testing.T) {
	files := shared(t, "cases/cases.tar.zst")
	ops := op.Builtin()
	passed, failed, missing := []string{}, map[string]error{}, 0
	for _, name := range sortedNames(files) {
		if path.Base(name) != "case.json" {
			continue
		}
		dir := path.Dir(name)
		var c struct {
			ID, Expects string
			Rtol, Atol  float64
		}
		if err := json.Unmarshal(files[name].Data, &c); err != nil {
			t.Fatal(err)
		}
		tol := tensor.Exact
		if c.Rtol > 0 || c.Atol > 0 {
			tol = tensor.Custom(c.Rtol, c.Atol)
		}
		start := time.Now()
		err := runCase(t, ops, files, dir, tol)
		took := time.Since(start)
		refused := err != nil && diag.KindOf(err) != diag.Internal
		if err != nil && missingOps(err) && c.Expects != "error" {
			missing++
			continue
		}
		switch c.Expects {
		case "error":
			if !refused {
				err = fmt.Errorf("must be refused, have error %v", err)
			} else if err = nil; took > time.Second {
				err = fmt.Errorf("refused after %v, want within 1s", took)
			}
		case "error-or-outputs":
			if refused {
				err = nil
			}
		}
		if err != nil {
			failed[c.ID] = err
		} else {
			passed = append(passed, c.ID)
		}
	}
	t.Logf("%d pass, %d fail, %d use operators that are not in the table", len(passed), len(failed), missing)
	ratchet(t, "case-pass.txt", passed, failed)
}
