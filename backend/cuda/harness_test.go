package cuda

import (
	"context"
	"slices"

	"github.com/mlc-go/mlc/backend/cuda/ptxsim"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/exec"
	"github.com/mlc-go/mlc/runtime/kernel/all"
	"github.com/mlc-go/mlc/runtime/plan"
	"github.com/mlc-go/mlc/tools/gpu"
)

// Simulate runs p in ptxsim, every buffer an allocation of its own: one session
// for all runs.
func Simulate(p *plan.Program, c ptxsim.Checks, runs ...[]tensor.Value) ([][]tensor.Value, error) {
	return runOn(ptxsim.NewDevice(c), p, runs...)
}

// Run is Simulate on what tests of kernels run on, a GPU if asked for. All of
// them go through here.
func Run(p *plan.Program, runs ...[]tensor.Value) ([][]tensor.Value, error) {
	return runOn(gpu.Device(), p, runs...)
}

func runOn(dev exec.Device, p *plan.Program, runs ...[]tensor.Value) ([][]tensor.Value, error) {
	m, err := exec.NewOn(p, all.Set(), cpu.Features(0), dev)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	s := m.NewSession(1, 0)
	defer s.Close()
	var out [][]tensor.Value
	for _, in := range runs {
		y := make([]tensor.Value, len(p.Main().Results))
		if err := s.Run(context.Background(), in, y); err != nil {
			return nil, err
		}
		for i := range y {
			y[i] = y[i].Clone()
		}
		out = append(out, y)
	}
	return out, nil
}

// HostCalls names the calls that did not become launches.
func HostCalls(p *plan.Program) []string {
	var out []string
	for _, f := range p.Funcs {
		for i := range f.Body {
			if in := &f.Body[i]; in.Op == plan.Call && !slices.Contains(out, in.Name) {
				out = append(out, in.Name)
			}
		}
	}
	return out
}
