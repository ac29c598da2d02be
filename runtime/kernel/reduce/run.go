package reduce

import (
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// OpF32 is what the kernels of this package compute: the Reduce operators of
// ONNX over float32. Attribute "kind" says which: sum, mean, max, min, prod,
// sumsquare, l1 or l2; "keepdims" and "noop_with_empty_axes" are ONNX's. In is
// the tensor and, optionally, the axes, whose values must be known when the
// call is prepared.
const OpF32 = "reduce.f32"

// F32_generic reduces in plain Go.
var F32_generic = kernel.Desc{ID: "reduce.f32.generic", Op: OpF32, Prepare: prepareGeneric, Run: run, Scratch: scratchBytes}

func prepareGeneric(c *kernel.Call) (any, error) { return prepare(&Generic, c) }

const (
	maxRank = 8
	grain   = 1 << 15 // elements that are worth a task
)

// kind is a Reduce operator: map each element, fold, finish.
type kind struct {
	op     op
	each   mapping
	finish func(v float32, n int) float32
}

// kindOf finds a kind by its name.
func kindOf(name string) (k kind, ok bool) {
	switch name {
	case "sum":
		return kind{op: opSum}, true
	case "mean":
		return kind{op: opSum, finish: mean}, true
	case "max":
		return kind{op: opMax}, true
	case "min":
		return kind{op: opMin}, true
	case "prod":
		return kind{op: opMul}, true
	case "sumsquare":
		return kind{op: opSum, each: squares}, true
	case "l1":
		return kind{op: opSum, each: magnitudes}, true
	case "l2":
		return kind{op: opSum, each: squares, finish: root}, true
	}
	return k, false
}

func mean(v float32, n int) float32 { return v / float32(n) }
func root(v float32, _ int) float32 { return vecmath.Sqrt32(v) }

// mapping is what becomes of each element first. It is a number, not a function
// value, so that what it works on can stay on the stack.
type mapping uint8

const (
	asIs mapping = iota
	squares
	magnitudes
)

func (m mapping) do(x []float32) {
	switch m {
	case squares:
		for i, v := range x {
			x[i] = v * v
		}
	case magnitudes:
		for i, v := range x {
			x[i] = math.Float32frombits(math.Float32bits(v) &^ (1 << 31))
		}
	}
}

// state is a prepared call, and the pool's Task.
type state struct {
	f     *Funcs
	kind  kind
	kept  axes // in the order of the output
	fold  axes // in the order of the sequence
	group int  // results a task
	wide  bool // neighbours among the results are computed together
	x, y  []float32

	scratch []float32
	per     int // floats a worker: a gathered chunk, and the parts of one result
}

// axes are extents with strides in the input, neighbours merged.
type axes struct {
	rank         int
	dims, stride [maxRank]int
	total        int
}

func (a *axes) add(dim, stride int) {
	a.total *= dim
	if dim == 1 {
		return
	}
	if n := a.rank; n > 0 && a.stride[n-1] == dim*stride {
		a.dims[n-1] *= dim
		a.stride[n-1] = stride
		return
	}
	a.dims[a.rank], a.stride[a.rank] = dim, stride
	a.rank++
}

// offset is where row-major position i lies in the input.
func (a *axes) offset(i int) int {
	off := 0
	for k := a.rank - 1; k >= 0; k-- {
		off += i % a.dims[k] * a.stride[k]
		i /= a.dims[k]
	}
	return off
}

func prepare(f *Funcs, c *kernel.Call) (any, error) {
	if len(c.In) < 1 || len(c.Out) != 1 {
		return nil, diag.New(diag.Internal, "reduce: have %d inputs, %d outputs", len(c.In), len(c.Out))
	}
	x, y := &c.In[0].Tensor, &c.Out[0].Tensor
	if x.DType() != dtype.F32 || y.DType() != dtype.F32 {
		return nil, &diag.Error{Kind: diag.Internal, Port: "reduce", Have: x.DType().String(), Want: "f32"}
	}
	k, ok := kindOf(c.Attrs.Str("kind"))
	if !ok {
		return nil, diag.New(diag.Internal, "reduce: unknown kind %q", c.Attrs.Str("kind"))
	}
	reduced, err := reducedAxes(c, x.Rank())
	if err != nil {
		return nil, err
	}
	s := &state{f: f, kind: k, kept: axes{total: 1}, fold: axes{total: 1}}
	var want []int
	stride := x.Len()
	for i, d := range x.Dims() {
		if d > 0 {
			stride /= d
		}
		if reduced[i] {
			s.fold.add(d, stride)
			if c.Attrs.Bool("keepdims") || !c.Attrs.Has("keepdims") {
				want = append(want, 1)
			}
		} else {
			s.kept.add(d, stride)
			want = append(want, d)
		}
	}
	if !slices.Equal(want, y.Dims()) {
		return nil, &diag.Error{Kind: diag.Shape, Port: "reduce output", Have: fmt.Sprint(y.Dims()), Want: fmt.Sprint(want)}
	}
	s.group = max(1, grain/max(1, s.fold.total))
	switch last := s.kept.rank - 1; {
	case s.direct():
	case last >= 0 && s.kept.stride[last] == 1 && s.kept.dims[last] >= lanes/2 && s.fold.total <= chunk:
		s.wide = true
		s.group = (s.group + lanes - 1) &^ (lanes - 1)
	default:
		s.per = chunk + (s.chunks()+lanes-1)&^(lanes-1)
	}
	return s, nil
}

// reducedAxes marks the axes named by In[1], all where there are none.
func reducedAxes(c *kernel.Call, rank int) (marks [maxRank]bool, err error) {
	if rank > maxRank {
		return marks, diag.New(diag.Unsupported, "reduce of rank %d (supported: %d)", rank, maxRank)
	}
	var list []int64
	if len(c.In) > 1 && c.In[1].Present() {
		t := &c.In[1].Tensor
		if list = tensor.Slice[int64](t); t.DType() != dtype.I64 || len(list) != t.Len() {
			return marks, diag.New(diag.Internal, "reduce: axes must be i64 and known when the call is prepared")
		}
	}
	if len(list) == 0 {
		for i := range rank {
			marks[i] = !c.Attrs.Bool("noop_with_empty_axes")
		}
		return marks, nil
	}
	for _, a := range list {
		if a < -int64(rank) || a >= int64(rank) {
			return marks, &diag.Error{Kind: diag.Shape, Port: "reduce axis", Have: fmt.Sprint(a), Want: fmt.Sprintf("%d..%d", -rank, rank-1)}
		}
		marks[(int(a)+rank)%rank] = true
	}
	return marks, nil
}

// direct reports whether the elements of a result are one run of the input
// that can be folded where it lies.
func (s *state) direct() bool {
	return s.kind.each == asIs && (s.fold.rank == 0 || s.fold.rank == 1 && s.fold.stride[0] == 1)
}

func (s *state) chunks() int { return (s.fold.total + chunk - 1) / chunk }

func scratchBytes(c *kernel.Call, threads int) int { return c.State.(*state).per * 4 * threads }

func run(c *kernel.Call) {
	s := c.State.(*state)
	s.x, s.y = tensor.Slice[float32](&c.In[0].Tensor), tensor.Slice[float32](&c.Out[0].Tensor)
	s.scratch = nil
	if len(c.Scratch) >= 4 {
		s.scratch = unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(c.Scratch))), len(c.Scratch)/4)
	}
	c.Pool.Run((s.kept.total+s.group-1)/s.group, s)
}

// Do computes the results of one task; it is for the pool.
func (s *state) Do(i, worker int) {
	first, end := i*s.group, min((i+1)*s.group, s.kept.total)
	if s.wide {
		row := s.kept.dims[s.kept.rank-1]
		for o := first; o < end; {
			n := min(lanes, row-o%row, end-o)
			s.columns(s.y[o:][:n], s.x[s.kept.offset(o):])
			o += n
		}
		return
	}
	buf := s.scratch[worker*s.per:][:s.per]
	for o := first; o < end; o++ {
		at := s.kept.offset(o)
		var v float32
		if s.direct() {
			v = s.f.all(s.kind.op, s.x[at:][:s.fold.total])
		} else {
			v = s.gathered(buf, at)
		}
		if s.kind.finish != nil {
			v = s.kind.finish(v, s.fold.total)
		}
		s.y[o] = v
	}
}

// gathered folds elements that are not one run: chunk by chunk they are copied
// together.
func (s *state) gathered(buf []float32, at int) float32 {
	part := buf[chunk:][:s.chunks()]
	for k := range part {
		n := min(chunk, s.fold.total-k*chunk)
		s.gather(buf[:n], at, k*chunk)
		part[k] = s.f.part(s.kind.op, buf[:n])
	}
	return tree(s.kind.op, part)
}

// gather copies elements first and on of the sequence that begins at at.
func (s *state) gather(dst []float32, at, first int) {
	last := s.fold.rank - 1
	row, step := 1, 0
	if last >= 0 {
		row, step = s.fold.dims[last], s.fold.stride[last]
	}
	for done := 0; done < len(dst); {
		j := (first + done) % row
		x := s.x[at+s.fold.offset(first+done):]
		n := min(row-j, len(dst)-done)
		for i := range n {
			dst[done+i] = x[i*step]
		}
		done += n
	}
	s.kind.each.do(dst)
}
