//go:build !cuda || !linux

package gpu

import (
	"os"

	"github.com/mlc-go/mlc/runtime/exec"
)

// card is the GPU, nil unless asked for.
func card() exec.Device {
	if os.Getenv(Env) != "" {
		panic(Env + " is set: build the tests with -tags cuda")
	}
	return nil
}
