//go:build !cuda || !linux

package cuda

import (
	"context"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime/exec"
)

// Device is a GPU; there is none in this build.
type Device struct{ exec.Device }

// Open says that this build has no CUDA.
func Open(Options) (*Device, error) {
	return nil, diag.New(diag.Unsupported, "this program was built without CUDA: build it for linux with -tags cuda (go build -tags cuda ./tools/mlc)")
}

// Info is empty.
func (d *Device) Info() Info { return Info{} }

// Close does nothing.
func (d *Device) Close() error { return nil }

// Time does nothing.
func (d *Device) Time(context.Context, exec.Queue, func() error) (time.Duration, error) {
	return 0, nil
}
