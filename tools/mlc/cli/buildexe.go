package cli

import (
	"os"
	"path/filepath"

	"github.com/mlc-go/mlc/codegen/exe"
)

// stubs are those of --emit exe.
func (a *app) stubs() exe.Stubs {
	s := exe.Stubs{Note: a.note}
	if dir, err := os.UserCacheDir(); err == nil { // else each build builds its own
		s.Cache = filepath.Join(dir, "mlc", "stubs")
	}
	return s
}
