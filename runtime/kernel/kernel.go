package kernel

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/pool"
)

// Ctx is what a reference function may ask of whoever runs it. ir/eval and
// runtime/exec both implement it.
type Ctx interface {
	context.Context
	// New gives output i the type and extents stated: the planned buffer where
	// there is one, else a fresh one. Contents are undefined.
	New(i int, d dtype.DType, dims ...int) *tensor.Tensor
	// Region runs region i of the node. out is filled and stays valid until
	// the next call of the same region.
	Region(i int, in, out []tensor.Value) error
	// Rand is the generator seeded for this node.
	Rand() *rand.Rand
}

// RefFunc is the reference semantics of an operator: obvious loops over
// values. Absent optional inputs and outputs are zero Values; out has one
// entry per output that is wanted and is filled through c.New or directly.
type RefFunc func(c Ctx, in, out []tensor.Value, a attr.Map) error

// Call is one kernel call, bound to buffers. The runtime makes it once per
// binding of shapes and runs it often; In and Out may be re-pointed between
// runs, never reshaped.
type Call struct {
	In, Out []tensor.Value
	Consts  []tensor.Tensor // constants in the kernel's Format, bound at load
	Attrs   attr.Map
	State   any    // what Prepare returned
	Scratch []byte // Desc.Scratch bytes, 64-byte aligned, contents undefined
	Pool    *pool.Pool
}

// Desc describes one kernel. Exported static variables hold them
// (gemm.F32_6x16_avx2); their literals name only constants and top-level
// functions, so that a kernel nobody uses is not linked.
type Desc struct {
	ID     string // family.dtype.tile.feature[.variant], "gemm.f32.6x16.avx2"; "ref.Conv"
	Op     string // what it computes: the name that a plan's call carries, "gemm.f32", "conv.f32", "ref.Conv"
	Format string // format of its constants, "" where it takes none
	Arch   string // GOARCH it runs on, "" for all
	Needs  cpu.Features
	Fast   bool // counts as a fast kernel: not a reference function, not a generic twin

	// Exactly one of Run and Ref is set on the architecture that can run it;
	// on others both are nil and the Desc is data for cross-building.
	Run func(*Call)
	Ref RefFunc

	// Prepare checks shapes and attributes of a bound call and precomputes
	// what Run needs; its result becomes Call.State. nil: nothing to prepare.
	// An error here is a fault of the plan or of run-time shapes.
	Prepare func(*Call) (any, error)
	// Scratch is how many bytes of scratch Run wants (after Prepare), for
	// threads workers. nil: none.
	Scratch func(c *Call, threads int) int
}

// Runnable says whether the kernel can run on this host with features f.
func (d *Desc) Runnable(f cpu.Features) bool {
	return (d.Run != nil || d.Ref != nil) && d.Needs&^f == 0
}

// Set is an explicit list of kernels.
type Set struct {
	byID map[string]*Desc
	list []*Desc
}

// NewSet makes a Set. Error: two kernels of one ID.
func NewSet(ds ...*Desc) (*Set, error) {
	s := &Set{byID: make(map[string]*Desc, len(ds))}
	for _, d := range ds {
		if s.byID[d.ID] != nil {
			return nil, fmt.Errorf("two kernels are named %s", d.ID)
		}
		s.byID[d.ID] = d
		s.list = append(s.list, d)
	}
	return s, nil
}

// Get finds a kernel by ID, nil if there is none.
func (s *Set) Get(id string) *Desc { return s.byID[id] }

// All lists the kernels in the order given to NewSet.
func (s *Set) All() []*Desc { return s.list }

// Pick lists the kernels for op and format that target architecture arch with
// features f has, best first: the order of the Set.
func (s *Set) Pick(op, format, arch string, f cpu.Features) []*Desc {
	var out []*Desc
	for _, d := range s.list {
		if d.Op == op && d.Format == format && (d.Arch == "" || d.Arch == arch) && d.Needs&^f == 0 {
			out = append(out, d)
		}
	}
	return out
}
