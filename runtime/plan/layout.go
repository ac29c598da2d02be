package plan

import (
	"fmt"
	"math"
	"slices"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Frame is where the buffers of one function lie, for given symbols.
type Frame struct {
	Dims   [][]int // extents per slot; nil where they are not known before the run
	Offset []int   // byte offset in its space per Buf slot with memory of its own, through aliases; -1 else
	Size   int     // bytes of the whole frame on the host
	Device int     // and on the device
}

// Env gives the value of a symbol, false if it is not bound.
type Env func(name string) (int64, bool)

// bufAlign is the alignment of every buffer.
const bufAlign = tensor.Align

// maxFrame bounds the size of one frame, so that hostile extents fail early.
const maxFrame = math.MaxInt / 4

// Layout places the buffers of f. Buffers whose live ranges overlap never
// overlap in memory. Greedy by size: the largest buffer first, each at the
// lowest offset that is free over its live range (best known simple heuristic
// for static inference memory; deterministic). Errors: extents that do not
// hold for these symbols (kind Shape), a frame beyond all bounds (kind Limit).
func Layout(f *Func, env Env) (*Frame, error) {
	fr := &Frame{Dims: make([][]int, len(f.Slots)), Offset: make([]int, len(f.Slots))}
	type buf struct {
		slot        int
		size        int
		space       Space
		first, last int32
		off         int
	}
	var bufs []buf
	owner := make([]int, len(f.Slots)) // index into bufs per owning slot
	for i := range f.Slots {
		s := &f.Slots[i]
		fr.Offset[i] = -1
		owner[i] = -1
		dims, err := EvalDims(s.Type, env)
		if err != nil {
			if s.Kind == Buf {
				return nil, &diag.Error{Kind: diag.Shape, Node: fmt.Sprintf("value %q", s.Name), Have: s.Type.String(), Err: err}
			}
			continue
		}
		fr.Dims[i] = dims
		if s.Kind != Buf || s.Alias != None {
			continue
		}
		n, ok := tensor.Count(dims)
		if !ok {
			return nil, badExtents(s, dims)
		}
		size, err := bufSize(s, n)
		if err != nil {
			return nil, err
		}
		owner[i] = len(bufs)
		bufs = append(bufs, buf{slot: i, size: size, space: s.Space, first: s.First, last: s.Last})
	}
	// An aliased buffer lives as long as its aliases, and is as large as the largest.
	for i := range f.Slots {
		if s := &f.Slots[i]; s.Kind == Buf && s.Alias != None {
			r := f.Root(SlotID(i))
			if f.Slots[r].Kind == Buf && owner[r] >= 0 {
				b := &bufs[owner[r]]
				b.first, b.last = min(b.first, s.First), max(b.last, s.Last)
				n, ok := tensor.Count(fr.Dims[i])
				if !ok {
					return nil, badExtents(s, fr.Dims[i])
				}
				size, err := bufSize(s, n)
				if err != nil {
					return nil, err
				}
				b.size = max(b.size, size)
			}
		}
	}
	order := make([]int, len(bufs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return bufs[b].size - bufs[a].size })
	var placed []int // indices into bufs, by offset
	for _, i := range order {
		b := &bufs[i]
		for _, j := range placed {
			o := &bufs[j]
			if o.space != b.space || o.last < b.first || b.last < o.first || o.off+o.size <= b.off {
				continue
			}
			if b.off+b.size <= o.off {
				break
			}
			b.off = o.off + o.size
		}
		at, _ := slices.BinarySearchFunc(placed, b.off, func(j, off int) int {
			if bufs[j].off <= off {
				return -1
			}
			return 1
		})
		placed = slices.Insert(placed, at, i)
		size := &fr.Size
		if b.space == Device {
			size = &fr.Device
		}
		if *size = max(*size, b.off+b.size); *size > maxFrame {
			return nil, tooLarge("intermediate values")
		}
	}
	for i := range bufs {
		fr.Offset[bufs[i].slot] = bufs[i].off
	}
	for i := range f.Slots {
		if s := &f.Slots[i]; s.Kind == Buf && s.Alias != None {
			if r := f.Root(SlotID(i)); owner[r] >= 0 {
				fr.Offset[i] = bufs[owner[r]].off
			}
		}
	}
	return fr, nil
}

// bufSize is the room for n elements of slot s.
func bufSize(s *Slot, n int) (int, error) {
	size := s.Type.DType.Bytes(n)
	if size > maxFrame {
		return 0, tooLarge(fmt.Sprintf("value %q", s.Name))
	}
	return (size + bufAlign - 1) &^ (bufAlign - 1), nil
}

func tooLarge(what string) error {
	return &diag.Error{Kind: diag.Limit, Port: "memory for " + what, Have: "more than can be addressed", Want: "less"}
}

func badExtents(s *Slot, dims []int) error {
	return &diag.Error{Kind: diag.Shape, Node: fmt.Sprintf("value %q", s.Name), Have: fmt.Sprint(dims), Want: "extents of 0 or more that fit memory"}
}

// Root follows aliases to the slot that owns the memory.
func (f *Func) Root(s SlotID) SlotID {
	for f.Slots[s].Alias != None {
		s = f.Slots[s].Alias
	}
	return s
}

// EvalDims computes the extents of a ranked tensor type. Error: a symbol is
// not bound, or an expression does not hold.
func EvalDims(t tensor.Type, env Env) ([]int, error) {
	if !t.Ranked() {
		return nil, fmt.Errorf("extents are known only while running")
	}
	out := make([]int, len(t.Dims))
	for i, d := range t.Dims {
		v, err := d.Eval(env)
		if err != nil {
			return nil, err
		}
		out[i] = int(v)
	}
	return out, nil
}
