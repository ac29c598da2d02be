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
)

// Simulate runs p in ptxsim, every buffer an allocation of its own: one session
// for all runs. All tests of kernels go through here.
func Simulate(p *plan.Program, c ptxsim.Checks, runs ...[]tensor.Value) ([][]tensor.Value, error) {
	dev := ptxsim.NewDevice(c)
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
