package cuda

import (
	"fmt"

	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/shape"
)

// team is the threads that compute one result together: one, a warp or a block.
// All of its methods are called by all of its threads.
type team struct {
	k    *kern
	size int
	me   ptx.U32 // the thread's place in the team
	used int     // arrays of shared memory
}

const (
	warp  = ptx.WarpSize
	serie = 64 // values that a thread adds up before it adds their sum to others
)

// teams runs body by teams of a size, 1, warp or a multiple of it, once for
// each of count results, and launches the kernel.
func (k *kern) teams(size int, count shape.Dim, body func(t *team, result ptx.U32)) {
	t := &team{k: k, size: size}
	switch {
	case size == 1:
		k.Block(threads, 1, 1)
		i := k.GlobalX()
		k.If(i.Lt(k.extent(count)), func() { body(t, i) })
		k.launch([]shape.Dim{count}, []int{threads}, []int{threads})
	case size == warp:
		k.Block(threads, 1, 1)
		tid := k.TidX()
		t.me = tid.Rem(ptx.I(warp))
		// The warp is of one opinion here.
		i := k.CtaX().MulAdd(ptx.I(threads/warp), tid.Div(ptx.I(warp)))
		k.If(i.Lt(k.extent(count)), func() { body(t, i) })
		k.launch([]shape.Dim{count}, []int{threads / warp}, []int{threads})
	default:
		k.Block(size, 1, 1)
		t.me = k.TidX()
		body(t, k.CtaX())
		k.launch([]shape.Dim{count}, []int{1}, []int{size})
	}
}

// teamSize chooses the size of teams that fold n values each to one of count
// results. beside says that values which lie side by side belong to as many
// results, so that threads of their own read memory in order.
func teamSize(n, count shape.Dim, beside bool) int {
	values, known := n.Const()
	results, counted := count.Const()
	many := !counted || results >= 1<<12
	switch {
	case known && values <= warp, beside && many && (!known || values <= 1<<12):
		return 1
	case known && values <= threads, many && (!known || values <= 4*threads):
		return warp
	case known && values >= 1<<15 && !many:
		return 4 * threads
	}
	return threads
}

// fold combines start and the values 0 to n-1 by f, which is commutative, in an
// order that depends on n alone; every thread has the result.
func (t *team) fold(n ptx.U32, start float32, f func(a, b ptx.F32) ptx.F32, value func(j ptx.U32) ptx.F32) ptx.F32 {
	k, total := t.k, t.k.VarF32(ptx.F(start))
	if v, ok := n.Known(); ok && int(v) <= t.size*serie {
		k.For(t.me, n, ptx.I(t.size), func(j ptx.U32) { total.Set(f(total.Get(), value(j))) })
		return t.combine(total.Get(), f)
	}
	span := ptx.I(t.size * serie)
	k.For(ptx.I(0), n, span, func(first ptx.U32) {
		part := k.VarF32(ptx.F(start))
		k.For(first.Add(t.me), n.Min(first.Add(span)), ptx.I(t.size), func(j ptx.U32) { part.Set(f(part.Get(), value(j))) })
		total.Set(f(total.Get(), part.Get()))
	})
	return t.combine(total.Get(), f)
}

// combine gives every thread the values of all by f.
func (t *team) combine(v ptx.F32, f func(a, b ptx.F32) ptx.F32) ptx.F32 {
	if t.size == 1 {
		return v
	}
	k := t.k
	v = k.WarpReduce(v, f)
	if t.size == warp {
		return v
	}
	// An array for each call: nobody waits until others have read the last.
	parts := k.Shared(fmt.Sprintf("parts%d", t.used), t.size/warp*4, 16)
	t.used++
	k.If(t.me.Rem(ptx.I(warp)).Eq(ptx.I(0)), func() { parts.At(t.me.Div(ptx.I(warp)), 4).StF32(v) })
	k.Barrier()
	var sum ptx.F32
	for w := 0; w < t.size/warp; w += 4 {
		for i, p := range parts.Off(4 * w).LdF32x4() {
			if w+i == 0 {
				sum = p
				continue
			}
			sum = f(sum, p)
		}
	}
	return sum
}

// folding is a tensor of which some axes are folded: neighbours of one kind are
// one axis, and those of extent 1 none.
type folding struct {
	dims   []shape.Dim
	folded []bool
}

func newFolding(dims []shape.Dim, folded func(axis int) bool) *folding {
	f := &folding{}
	for i, d := range dims {
		last := len(f.dims) - 1
		switch {
		case d.Is(1):
		case last >= 0 && f.folded[last] == folded(i):
			f.dims[last] = f.dims[last].Mul(d)
		default:
			f.dims, f.folded = append(f.dims, d), append(f.folded, folded(i))
		}
	}
	return f
}

// count is how many elements the axes have that are folded, or the others.
func (f *folding) count(folded bool) shape.Dim {
	n := shape.Int(1)
	for i, d := range f.dims {
		if f.folded[i] == folded {
			n = n.Mul(d)
		}
	}
	return n
}

// beside says whether the last axis is one of many results.
func (f *folding) beside() bool {
	last := len(f.dims) - 1
	if last < 0 || f.folded[last] {
		return false
	}
	n, known := f.dims[last].Const()
	return !known || n >= warp
}

// offset is where the i-th position along the axes that are folded, or along
// the others, lies.
func (f *folding) offset(k *kern, folded bool, i ptx.U32) ptx.U32 {
	var dims, steps []ptx.U32
	ext := k.extents(f.dims)
	strides := ptx.Strides(ext...)
	for a := range ext {
		if f.folded[a] == folded {
			dims, steps = append(dims, ext[a]), append(steps, strides[a])
		}
	}
	return ptx.Linear(ptx.Axes(i, dims...), steps)
}
