package cli

import (
	"sync"

	"github.com/mlc-go/mlc/backend/cuda/ptxsim"
	"github.com/mlc-go/mlc/backend/target"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/cuda"
	"github.com/mlc-go/mlc/runtime/exec"
)

// engines are what --engine takes where a model is run.
const (
	engineCPU  = "cpu"
	engineRef  = "ref"
	engineCUDA = "cuda"
	engineSim  = "ptxsim"
)

// engineHelp describes them.
const engineHelp = "cpu compiles and runs as an application would, cuda the same on a GPU, ptxsim the same in an interpreter that checks the kernels"

// deviceFor is where an engine runs what is compiled for a device.
func (a *app) deviceFor(engine string) exec.Device {
	if engine == engineSim {
		return ptxsim.NewDevice(ptxsim.Checks{})
	}
	return &lazyCUDA{}
}

// onEngine makes --target=cuda of a target that is not given, for engines that
// run that.
func onEngine(engine, t string, given bool) (string, error) {
	if engine != engineCUDA && engine != engineSim {
		return t, nil // cpu runs what is compiled for a GPU there
	}
	if !given {
		return target.CUDA, nil
	}
	x, err := target.Parse(t)
	if err == nil && x.Device != target.CUDA {
		return t, usage("--engine=%s runs --target=cuda, not %s", engine, t)
	}
	return t, err
}

// runsOn refuses an artifact that was compiled for a CPU where an engine is asked
// for that would not be used.
func runsOn(engine, path, compiled string) error {
	t, err := onEngine(engine, compiled, true)
	if err != nil {
		return usage("--engine=%s: %s is compiled for %s, want one of --target=cuda", engine, path, t)
	}
	return nil
}

// open are the options of loading an artifact.
func (a *app) open() []runtime.Option {
	d := a.device
	if d == nil {
		d = &lazyCUDA{}
	}
	return []runtime.Option{runtime.WithKernels(a.reg.Kernels), runtime.WithDevice(d)}
}

// lazyCUDA is the GPU, opened when a program has code for it: most have none,
// and then there need be neither a GPU nor a build that knows one.
type lazyCUDA struct {
	once sync.Once
	d    *cuda.Device
	err  error
}

func (l *lazyCUDA) Load(code []byte) (exec.Code, error) {
	l.once.Do(func() { l.d, l.err = cuda.Open(cuda.Options{}) })
	if l.err != nil {
		return nil, l.err
	}
	return l.d.Load(code)
}

// What follows is called only after Load.
func (l *lazyCUDA) Alloc(n int) (uint64, error) { return l.d.Alloc(n) }
func (l *lazyCUDA) Free(addr uint64) error      { return l.d.Free(addr) }
func (l *lazyCUDA) Queue() (exec.Queue, error)  { return l.d.Queue() }
