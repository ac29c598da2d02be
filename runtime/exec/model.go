package exec

import (
	"fmt"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/plan"
)

// Model is a Program with its kernels bound and its constants loaded.
type Model struct {
	prog   *plan.Program
	consts []tensor.Value
	alts   [][][]*kernel.Desc // per function and instruction: runnable kernels, parallel to keep
	keep   [][][]int          // indices into Instr.Alts of those kernels
	syms   map[string]int
	device *deviceModel // nil: the program has no code for one
}

// New binds p's kernels from set for a CPU with features f. Errors: an
// instruction none of whose kernels is in the set and can run here
// (Unsupported, naming them); a constant that cannot be read or has the wrong
// size (BadModel).
func New(p *plan.Program, set *kernel.Set, f cpu.Features) (*Model, error) {
	return NewOn(p, set, f, nil)
}

// NewOn is New for a program that may have code for a device, which dev must
// outlive. Errors: besides, Unsupported where there is code and dev is nil, and
// those of dev.
func NewOn(p *plan.Program, set *kernel.Set, f cpu.Features, dev Device) (*Model, error) {
	m := &Model{prog: p, syms: make(map[string]int, len(p.Syms))}
	for i, s := range p.Syms {
		m.syms[s.Name] = i
	}
	var faults diag.List
	for _, fn := range p.Funcs {
		alts := make([][]*kernel.Desc, len(fn.Body))
		keep := make([][]int, len(fn.Body))
		for i := range fn.Body {
			in := &fn.Body[i]
			for j, a := range in.Alts {
				if d := set.Get(a.Kernel); d != nil && d.Runnable(f) {
					alts[i] = append(alts[i], d)
					keep[i] = append(keep[i], j)
				}
			}
			if len(in.Alts) > 0 && len(alts[i]) == 0 {
				faults = append(faults, missing(in, set, f))
			}
		}
		m.alts = append(m.alts, alts)
		m.keep = append(m.keep, keep)
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	if err := startable(p); err != nil {
		return nil, err
	}
	for i := range p.Consts {
		v, err := loadConst(&p.Consts[i])
		if err != nil {
			return nil, diag.At(fmt.Sprintf("constant %q", p.Consts[i].Name), "", diag.BadModel, err)
		}
		m.consts = append(m.consts, v)
	}
	if len(p.Code) > 0 {
		if err := m.onDevice(dev); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Close lets go of what is on a device. No session may run any more.
func (m *Model) Close() error {
	if m.device == nil {
		return nil
	}
	return m.device.close()
}

// startable says whether the states that sessions begin with fit a machine.
func startable(p *plan.Program) error {
	limit, total := limitFor(0), int64(0)
	for i := range p.States {
		dims := make([]int, len(p.States[i].Lo))
		for k, n := range p.States[i].Lo {
			dims[k] = int(n)
		}
		n, ok := tensor.Count(dims)
		if b := int64(p.States[i].Type.DType.Bytes(n)); !ok || b > limit-total {
			return &diag.Error{Kind: diag.Limit, Node: fmt.Sprintf("state %q", p.States[i].Name), Port: "memory", Have: fmt.Sprintf("%v%v", p.States[i].Type.DType, dims), Want: fmt.Sprintf("at most %d bytes for all states", limit)}
		} else {
			total += b
		}
	}
	return nil
}

func missing(in *plan.Instr, set *kernel.Set, f cpu.Features) *diag.Error {
	var ids []string
	for _, a := range in.Alts {
		why := "not linked"
		if d := set.Get(a.Kernel); d != nil {
			why = "needs another CPU"
		}
		ids = append(ids, a.Kernel+" ("+why+")")
	}
	e := &diag.Error{Kind: diag.Unsupported, Op: in.Name, Port: "kernel", Have: "none that runs here", Want: "one of " + strings.Join(ids, ", ")}
	if len(in.Source) > 0 {
		e.Node = in.Source[0]
	}
	return e
}

func loadConst(c *plan.Const) (tensor.Value, error) {
	b, err := c.Data()
	if err != nil {
		return tensor.Value{}, err
	}
	n, ok := tensor.Count(c.Dims)
	if !ok {
		return tensor.Value{}, diag.New(diag.BadModel, "extents %v", c.Dims)
	}
	if c.DType == dtype.String {
		ss, ok := plan.DecodeStrings(b, n)
		if !ok {
			return tensor.Value{}, diag.New(diag.BadModel, "%d bytes are not %d strings", len(b), n)
		}
		t, err := tensor.OfStrings(ss, c.Dims...)
		return tensor.V(t), err
	}
	t, err := tensor.FromBytes(c.DType, c.Dims, b)
	if err != nil {
		return tensor.Value{}, diag.New(diag.BadModel, "%v", err)
	}
	return tensor.V(t), nil
}

// Program is what the model runs.
func (m *Model) Program() *plan.Program { return m.prog }

// KernelOf names the kernel that instruction i of function fn runs on this
// host when every condition on extents holds, or on the device; "" for
// instructions without one.
func (m *Model) KernelOf(fn, i int) string {
	if in := &m.prog.Funcs[fn].Body[i]; in.Op == plan.Launch {
		return in.Grid.Kernel
	}
	if a := m.alts[fn][i]; len(a) > 0 {
		return a[0].ID
	}
	return ""
}
