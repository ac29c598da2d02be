package passes_test

import (
	"context"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// Bisecting names the one rewrite that brings the property about.
func TestBisect(t *testing.T) {
	o := passes.Options{Ops: op.Builtin(), Options: rewrite.Options{Level: 1}}
	noIdentity := func(m *ir.Module) (bool, error) { return countOps(m, "Identity") == 0, nil }
	c, err := passes.Bisect(context.Background(), parse(t, small), o, noIdentity)
	if err != nil {
		t.Fatal(err)
	}
	if c.Rewrite != "canon/identity-value at i" || countOps(c.Before, "Identity") != 1 || countOps(c.After, "Identity") != 0 {
		t.Errorf("found %s with fuel %d", c.Rewrite, c.Fuel)
	}
	for name, bad := range map[string]bool{"never": false, "always": true} {
		_, err := passes.Bisect(context.Background(), parse(t, small), o, func(*ir.Module) (bool, error) { return bad, nil })
		if diag.KindOf(err) != diag.Usage {
			t.Errorf("%s bad: %v", name, err)
		}
	}
}
