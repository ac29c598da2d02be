//go:build cuda && linux

package gpu

import (
	"os"
	"sync"

	"github.com/mlc-go/mlc/runtime/cuda"
	"github.com/mlc-go/mlc/runtime/exec"
)

var open = sync.OnceValues(func() (*cuda.Device, error) { return cuda.Open(cuda.Options{}) })

// card is the GPU, nil unless asked for.
func card() exec.Device {
	if os.Getenv(Env) == "" {
		return nil
	}
	d, err := open()
	if err != nil {
		panic(Env + " is set: " + err.Error()) // not a skip: it was asked for
	}
	return d
}
