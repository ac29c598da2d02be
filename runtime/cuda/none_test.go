//go:build !cuda || !linux

package cuda

import (
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
)

func TestNone(t *testing.T) {
	if _, err := Open(Options{}); diag.KindOf(err) != diag.Unsupported || !strings.Contains(err.Error(), "-tags cuda") {
		t.Error(err)
	}
}
