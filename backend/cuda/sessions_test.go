package cuda_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/mlc-go/mlc/backend/cuda"
	"github.com/mlc-go/mlc/backend/cuda/ptxsim"
	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/exec"
	"github.com/mlc-go/mlc/runtime/plan"
	"github.com/mlc-go/mlc/tools/gpu"
)

// TestSessions: eight sessions of one model, which share its code and constants,
// run at the same time, and each keeps its own state.
func TestSessions(t *testing.T) {
	const src = `module "m" opset {ai.onnx 28}
dim N 1..99
state %s: f32[1,5] = zeros
func main(%x: f32[N,5], %i: i64[2], %s: f32[1,5] -> %s) -> (%y: f32[2,5], %n: f32[1,5] -> %s) {
	%w = const f32[5,5] random(seed=1)
	%a = MatMul %x, %w : f32[N,5]
	%b = Add %a, %s : f32[N,5]
	%y = Gather %b, %i : f32[2,5]
	%one = const f32[1] [1]
	%n = Add %s, %one : f32[1,5]
	return %y, %n
}
`
	ctx := context.Background()
	a, err := codegen.Build(ctx, codegen.Bytes([]byte(src)), codegen.Options{Target: "cuda"})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := a.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	devices := []exec.Device{ptxsim.NewDevice(ptxsim.Checks{}), ptxsim.NewPackedDevice(ptxsim.Checks{})}
	if gpu.OnCard() {
		devices = append(devices, gpu.Device())
	}
	for _, dev := range devices {
		m, err := runtime.Decode(b, runtime.WithDevice(dev))
		if err != nil {
			t.Fatal(err)
		}
		run := func(s *runtime.Session, n int) (float64, error) {
			x, i := tensor.New(dtype.F32, n, 5), tensor.New(dtype.I64, 2)
			i.SetInt(0, int64(n-1))
			if err := s.Bind("x", x); err != nil {
				return 0, err
			}
			if err := s.Bind("i", i); err != nil {
				return 0, err
			}
			if err := s.Run(ctx); err != nil {
				return 0, err
			}
			y, err := s.Output("y")
			return y.Float(4), err
		}
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				s, err := m.NewSession()
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				for k := range 12 {
					if v, err := run(s, 1+(g+k*k)%13); err != nil || v != float64(k) {
						t.Errorf("session %d, run %d: %v %v", g, k, v, err)
					}
				}
			})
		}
		wg.Wait()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if sim, ok := dev.(*ptxsim.Device); ok && sim.Held() > 0 {
			t.Errorf("%d bytes are left on the device", sim.Held())
		}
	}
}

// TestConstants: a kernel that writes to a constant is noticed.
func TestConstants(t *testing.T) {
	const src = `module "m" opset {ai.onnx 28}
func main(%x: f32[5]) -> (%y: f32[5]) {
	%k = const f32[5] [1, 2, 3, 4, 5]
	%y = Add %x, %k : f32[5]
	return %y
}
`
	a, err := codegen.Build(context.Background(), codegen.Bytes([]byte(src)), codegen.Options{Target: "cuda"})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	x := tensor.V(tensor.New(dtype.F32, 5))
	if _, err := cuda.Simulate(a.Program(), ptxsim.Checks{}, []tensor.Value{x}); err != nil {
		t.Fatal(err)
	}
	f := a.Program().Main()
	for i := range f.Body {
		in := &f.Body[i]
		if in.Op != plan.Launch {
			continue
		}
		for j, s := range in.In {
			if f.Slots[s].Kind != plan.Fixed {
				continue
			}
			for k := range in.Grid.Args {
				if in.Grid.Args[k].Kind == plan.ArgOut {
					in.Grid.Args[k] = plan.Arg{Kind: plan.ArgIn, I: j}
				}
			}
		}
	}
	_, err = cuda.Simulate(a.Program(), ptxsim.Checks{}, []tensor.Value{x})
	var fault *ptxsim.Fault
	if !errors.As(err, &fault) || fault.Class != ptxsim.ReadOnly {
		t.Errorf("%v, want a fault of a store to what is read only", err)
	}
}
