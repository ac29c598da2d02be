// Package gpu gives tests what runs kernels for CUDA: the interpreter ptxsim
// with every check on, or, in a test binary that was built with -tags cuda and
// runs with MLC_TEST_GPU=1, the GPU of the machine. So the tests of kernels that
// pass everywhere without a GPU are those that a GPU is held to
// (tools/peers/cuda.sh).
//
// It must not know a model or a kernel. Tests of what the interpreter alone can
// find (races, unwritten memory, faults) use ptxsim by name.
package gpu

import (
	"github.com/mlc-go/mlc/backend/cuda/ptxsim"
	"github.com/mlc-go/mlc/runtime/exec"
)

// Env asks for the GPU of the machine, unless it is empty.
const Env = "MLC_TEST_GPU"

// OnCard says whether tests run on a GPU.
func OnCard() bool { return card() != nil }

// Device is what tests run on. The card is one for all tests of a process;
// the interpreter is a new one for each call.
func Device() exec.Device {
	if d := card(); d != nil {
		return d
	}
	return ptxsim.NewDevice(ptxsim.Checks{})
}
