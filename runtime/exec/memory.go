package exec

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/plan"
)

// defaultLimit is what a session may take for the values of a run unless told
// otherwise: the machine's memory, but no more than this.
const defaultLimit = int64(16) << 30

// limitFor reads a memory limit as NewSession takes it.
func limitFor(limit int64) int64 {
	switch {
	case limit > 0:
		return limit
	case limit < 0:
		return math.MaxInt64
	}
	if m := machineMemory(); m > 0 {
		return min(m, defaultLimit)
	}
	return defaultLimit
}

// stringSize is the size of a string's header.
const stringSize = 16

// sizeOf is about how many bytes v takes.
func sizeOf(v *tensor.Value) int64 {
	n := int64(0)
	switch v.Kind {
	case tensor.KindNone:
		return 0
	case tensor.KindTensor, tensor.KindMap:
		n = int64(len(v.Tensor.Bytes()))
		for _, s := range v.Tensor.Strings() {
			n += stringSize + int64(len(s))
		}
	}
	for i := range v.Elems {
		n += stringSize + sizeOf(&v.Elems[i])
	}
	return n
}

// refused is the error for what a run may not take. What it has already is
// counted: the arena, the values made while running, what Hold was asked for.
func (s *Session) refused(what string, bytes int64) error {
	return &diag.Error{Kind: diag.Limit, Port: "memory for " + what,
		Have: fmt.Sprintf("%d bytes in use and %d more", int64(len(s.arena))+s.held, bytes), Want: fmt.Sprintf("at most %d (see MemoryLimit)", s.memLimit)}
}

// checkAlloc bounds a value made at run time.
func (s *Session) checkAlloc(d dtype.DType, dims []int) error {
	n, ok := tensor.Count(dims)
	bytes := int64(math.MaxInt64)
	if ok {
		bytes = int64(d.Bytes(n))
		if d == dtype.String {
			bytes = stringSize * int64(n)
		}
	}
	if bytes > s.memLimit-int64(len(s.arena))-s.held {
		return s.refused(fmt.Sprintf("one value of type %v%v", d, dims), bytes)
	}
	return nil
}

// needScratch makes the scratch at least so large.
func (s *Session) needScratch(bytes int) error {
	if bytes <= len(s.scratch) {
		return nil
	}
	if int64(bytes) > s.memLimit-int64(len(s.arena))-s.held {
		return s.refused("scratch", int64(bytes))
	}
	s.scratch = tensor.AlignedBytes(bytes)
	return nil
}

// Hold implements kernel.Holder.
func (c *callCtx) Hold(bytes int64) error {
	if bytes > c.s.memLimit-int64(len(c.s.arena))-c.s.held {
		return c.s.refused("values that a loop keeps", bytes)
	}
	c.s.held += bytes
	return nil
}

// put gives slot sl of fr a value made while running, and counts it.
func (s *Session) put(fr *frame, sl plan.SlotID, v tensor.Value) {
	n := sizeOf(&v)
	s.held += n - fr.bytes[sl]
	fr.bytes[sl] = n
	fr.vals[sl] = v
}

// bury lets go of the values made while running that c was the last to read.
func (s *Session) bury(fr *frame, c *call) {
	for _, m := range c.moving {
		if fr.bytes != nil && fr.fn.Slots[m.slot].Kind == plan.Obj {
			c.In[m.port] = tensor.Value{}
		}
	}
	for _, sl := range c.dying {
		s.put(fr, sl, tensor.Value{})
	}
}

// forget lets go of every value that runs of b made.
func (s *Session) forget(b *binding) {
	for _, fr := range b.frames {
		for sl, n := range fr.bytes {
			if n != 0 {
				s.put(fr, plan.SlotID(sl), tensor.Value{})
			}
		}
	}
}
