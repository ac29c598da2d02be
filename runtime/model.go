package runtime

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"sync"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/artifact"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/exec"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/all"
	"github.com/mlc-go/mlc/runtime/plan"
)

// Option configures Open and Decode.
type Option func(*config)

type config struct {
	set    *kernel.Set
	device exec.Device
}

// WithKernels runs the model with a Set of one's own: fewer kernels, or custom
// ones that the artifact names.
func WithKernels(s *kernel.Set) Option { return func(c *config) { c.set = s } }

// WithDevice runs artifacts that were compiled for a device there. The caller
// closes it after the Model.
func WithDevice(d exec.Device) Option { return func(c *config) { c.device = d } }

// Model is a loaded artifact. Every method is safe for concurrent use.
type Model struct {
	file  *artifact.File
	exec  *exec.Model
	unmap func() error

	mu     sync.Mutex
	idle   []*Session
	closed bool
	busy   sync.WaitGroup // sessions in use
}

// Open maps an artifact file. Errors: the file cannot be read; it is damaged
// or of another version (BadModel); it is for another architecture or names
// kernels that are not there (Unsupported).
func Open(path string, opts ...Option) (*Model, error) {
	b, unmap, err := artifact.Map(path)
	if err != nil {
		return nil, diag.In(path, diag.BadModel, err)
	}
	m, err := Decode(b, opts...)
	if err != nil {
		unmap()
		return nil, diag.In(path, diag.BadModel, err)
	}
	m.unmap = unmap
	return m, nil
}

// Decode is Open for an artifact in memory, which must not change while the
// Model is used.
func Decode(b []byte, opts ...Option) (*Model, error) {
	var c config
	for _, o := range opts {
		o(&c)
	}
	f, err := artifact.Decode(b)
	if err != nil {
		return nil, err
	}
	if a := f.Program.Arch; a != goruntime.GOARCH && a != "generic" {
		return nil, &diag.Error{Kind: diag.Unsupported, Port: "architecture of the artifact", Have: a, Want: goruntime.GOARCH + " or generic"}
	}
	if c.set == nil {
		c.set = all.Set()
	}
	if err := cpu.HostErr(); err != nil {
		return nil, diag.New(diag.Usage, "%v", err)
	}
	x, err := exec.NewOn(f.Program, c.set, cpu.Host(), c.device)
	if err != nil {
		return nil, err
	}
	return &Model{file: f, exec: x}, nil
}

// Info describes an input or output.
type Info struct {
	Name string
	Type tensor.Type
}

// Inputs lists what Run takes; states are not among them.
func (m *Model) Inputs() []Info {
	f := m.file.Program.Main()
	var out []Info
	for i, p := range f.Params {
		if f.Slots[p].Kind != plan.Held {
			out = append(out, Info{f.Names[i], f.Slots[p].Type})
		}
	}
	return out
}

// Outputs lists what Run gives; results that are written to states are not
// among them.
func (m *Model) Outputs() []Info {
	f := m.file.Program.Main()
	var out []Info
	for i, r := range f.Results {
		if f.Writes[i] >= 0 {
			continue
		}
		out = append(out, Info{f.Names[len(f.Params)+i], f.Slots[r].Type})
	}
	return out
}

// Meta gives a metadata entry of the model, such as "mlc.classes"; false if it
// has none of that name.
func (m *Model) Meta(key string) (string, bool) {
	for _, e := range m.file.Program.Meta {
		if e.Key == key {
			return e.Value, true
		}
	}
	return "", false
}

// Artifact gives the decoded file, for tools that look inside.
func (m *Model) Artifact() *artifact.File { return m.file }

// Kernels names, for each function and instruction of the program, the kernel
// that runs here.
func (m *Model) Kernels() [][]string {
	p := m.file.Program
	out := make([][]string, len(p.Funcs))
	for i, f := range p.Funcs {
		for j := range f.Body {
			out[i] = append(out[i], m.exec.KernelOf(i, j))
		}
	}
	return out
}

// Run computes the outputs for named inputs on a pooled session; the outputs
// are the caller's. Errors: a missing, unknown or ill-typed input (BadData),
// extents that do not fit (Shape), a cancelled context.
func (m *Model) Run(ctx context.Context, in map[string]tensor.Tensor) (map[string]tensor.Tensor, error) {
	s, err := m.take()
	if err != nil {
		return nil, err
	}
	defer m.give(s)
	for name, t := range in {
		if err := s.Bind(name, t); err != nil {
			return nil, err
		}
	}
	if err := s.Run(ctx); err != nil {
		return nil, err
	}
	out := make(map[string]tensor.Tensor, len(s.out))
	for _, o := range m.Outputs() {
		v, err := s.OutputValue(o.Name)
		if err != nil {
			return nil, err
		}
		if v.Kind != tensor.KindTensor {
			return nil, &diag.Error{Kind: diag.Unsupported, Node: fmt.Sprintf("output %q", o.Name), Have: o.Type.String(), Want: "a tensor (use a Session for other kinds)"}
		}
		out[o.Name] = v.Tensor.Clone()
	}
	return out, nil
}

// take gives an idle session with nothing bound, or a new one.
func (m *Model) take() (*Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errClosed()
	}
	m.busy.Add(1)
	if n := len(m.idle); n > 0 {
		s := m.idle[n-1]
		m.idle = m.idle[:n-1]
		return s, nil
	}
	return m.session(), nil
}

func (m *Model) give(s *Session) {
	clear(s.in)
	clear(s.dst)
	s.exec.Reset()
	m.mu.Lock()
	m.idle = append(m.idle, s)
	m.mu.Unlock()
	m.busy.Done()
}

func errClosed() error { return diag.New(diag.Usage, "the model is closed") }

// Close waits for running calls and open sessions, then lets go of the file.
// The model and views of its memory must not be used afterwards.
func (m *Model) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	m.mu.Unlock()
	m.busy.Wait()
	var err error
	for _, s := range m.idle {
		err = errors.Join(err, s.exec.Close())
	}
	m.idle = nil
	err = errors.Join(err, m.exec.Close())
	if m.unmap != nil {
		err = errors.Join(err, m.unmap())
	}
	return err
}
