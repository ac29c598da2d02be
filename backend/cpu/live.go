package cpu

import (
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/plan"
)

// liveRanges sets First and Last of every slot from the instructions.
func liveRanges(f *plan.Func) {
	for i := range f.Slots {
		f.Slots[i].First, f.Slots[i].Last = -1, -1
	}
	for i := range f.Body {
		for _, s := range f.Body[i].Out {
			if s == plan.None {
				continue
			}
			if f.Slots[s].First < 0 { // several launches may write parts of one
				f.Slots[s].First = int32(i)
			}
			f.Slots[s].Last = int32(i)
		}
		for _, s := range f.Body[i].In {
			if s != plan.None {
				f.Slots[s].Last = int32(i)
			}
		}
	}
	for _, r := range f.Results {
		f.Slots[r].Last = int32(len(f.Body))
	}
	// A view begins where its owner does; it has no instruction of its own.
	for i := range f.Slots {
		if s := &f.Slots[i]; s.Alias != plan.None && s.First < 0 {
			s.First = f.Slots[f.Root(plan.SlotID(i))].First
			s.Last = max(s.Last, s.First)
		}
	}
}

// shorten lets every alias name the slot that owns the memory.
func shorten(f *plan.Func) {
	for i := range f.Slots {
		if s := &f.Slots[i]; s.Alias != plan.None {
			s.Alias = f.Root(s.Alias)
		}
	}
}

// inPlaceKernels may write their output over an input of the same type that
// nobody reads afterwards: they read each element before they write it.
var inPlaceKernels = map[string]bool{"eltwise.f32": true}

// inPlace aliases outputs to dying inputs.
func inPlace(f *plan.Func) {
	last := make([]int32, len(f.Slots)) // of a memory: last read over all its aliases
	count := make([]int, len(f.Slots))
	for i := range f.Slots {
		r := f.Root(plan.SlotID(i))
		last[r] = max(last[r], f.Slots[i].Last)
	}
	for i := range f.Body {
		in := &f.Body[i]
		if !inPlaceKernels[in.Name] || len(in.Out) != 1 || in.Out[0] == plan.None {
			continue
		}
		out := &f.Slots[in.Out[0]]
		if out.Kind != plan.Buf || out.Alias != plan.None {
			continue
		}
		clear(count)
		for _, s := range in.In {
			if s != plan.None {
				count[f.Root(s)]++
			}
		}
		for _, s := range in.In {
			if s == plan.None {
				continue
			}
			r := f.Root(s)
			if f.Slots[r].Kind != plan.Buf || count[r] != 1 || last[r] != int32(i) ||
				f.Slots[s].Type.DType != out.Type.DType || !shape.EqualAll(f.Slots[s].Type.Dims, out.Type.Dims) {
				continue
			}
			out.Alias = r
			last[r] = max(last[r], last[in.Out[0]])
			break
		}
	}
}
