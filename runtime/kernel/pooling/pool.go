package pooling

import (
	"math"
	"unsafe"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
)

// What the kernels of this package compute: the ONNX operators over float32 of
// rank 3 and 4, with their attributes. MaxPool has its first output only.
// GlobalAveragePool takes any rank from 2 on.
const (
	OpMax    = "maxpool.f32"
	OpAvg    = "avgpool.f32"
	OpGlobal = "globalavgpool.f32"
)

// The pools in plain Go.
var (
	Max_generic    = kernel.Desc{ID: "maxpool.f32.generic", Op: OpMax, Prepare: maxGeneric, Run: run, Scratch: scratchBytes}
	Avg_generic    = kernel.Desc{ID: "avgpool.f32.generic", Op: OpAvg, Prepare: avgGeneric, Run: run, Scratch: scratchBytes}
	Global_generic = kernel.Desc{ID: "globalavgpool.f32.generic", Op: OpGlobal, Prepare: globalGeneric, Run: runGlobal}
)

var generic = funcs{&eltwise.Generic, &reduce.Generic}

func maxGeneric(c *kernel.Call) (any, error)    { return prepare(&generic, false, c) }
func avgGeneric(c *kernel.Call) (any, error)    { return prepare(&generic, true, c) }
func globalGeneric(c *kernel.Call) (any, error) { return prepareGlobal(&generic, c) }

const (
	chunk = 1 << 13 // floats of padded rows a task: they stay in the first caches
	grain = 1 << 14 // elements read that are worth a task of a global pool
)

// funcs are the vector functions of one instruction set.
type funcs struct {
	elt *eltwise.Funcs
	red *reduce.Funcs
}

// state is a prepared MaxPool or AveragePool, and the pool's Task. Rows of
// results are counted over all planes; a task has rows of them, whatever planes
// they are of. It folds, for each, the rows under its windows into a padded row,
// and then all padded rows along x at once: elements that are a stride apart are
// brought together first (phases), so that this is a few long vectors too.
type state struct {
	window
	f       *funcs
	mean    bool
	shareX  []float32 // of a mean, by column; products with the rows' are exact
	shareY  []float32
	total   int // rows of results
	rows    int // of them a task
	stride  int // from one padded row to the next
	whole   int // of a row of x, in whole vectors
	phases  int // 0: too few or too far apart for vectors
	slack   int // what the last taps read behind a phase
	under   []rows
	x, y    []float32
	scratch []float32
	per     int // floats of scratch a worker
}

// rows are those of a plane of x that are under the windows of a row of results.
type rows struct{ first, n int }

func checkCall(c *kernel.Call) error {
	if len(c.In) != 1 || len(c.Out) != 1 {
		return diag.New(diag.Internal, "pool: have %d inputs, %d outputs, want one each", len(c.In), len(c.Out))
	}
	for _, t := range []*tensor.Tensor{&c.In[0].Tensor, &c.Out[0].Tensor} {
		if t.DType() != dtype.F32 {
			return &diag.Error{Kind: diag.Internal, Port: "pool", Have: t.DType().String(), Want: "f32"}
		}
	}
	return nil
}

func prepare(f *funcs, mean bool, c *kernel.Call) (any, error) {
	if err := checkCall(c); err != nil {
		return nil, err
	}
	w, err := newWindow(c.Attrs, c.In[0].Tensor.Dims(), c.Out[0].Tensor.Dims())
	if err != nil {
		return nil, err
	}
	s := &state{window: w, f: f, mean: mean}
	if w.planes*w.out[0]*w.out[1] == 0 {
		return s, nil
	}
	if mean {
		padded := c.Attrs.Bool("count_include_pad")
		for o := range w.out[1] {
			s.shareX = append(s.shareX, float32(w.ax[1].Share(o, padded)))
		}
		for o := range w.out[0] {
			s.shareY = append(s.shareY, float32(w.ax[0].Share(o, padded)))
		}
	}
	s.total = w.planes * w.out[0]
	s.whole = (w.ax[1].In + vector - 1) &^ (vector - 1)
	s.stride = max(w.width(), w.ax[1].Pad+s.whole)
	if st := w.ax[1].Stride; st <= most && w.out[1] >= few && s.stride/st <= wide*w.out[1] {
		s.phases = st
		s.stride = (s.stride + st - 1) / st * st
		s.slack = (w.ax[1].Span() - 1) / st
	}
	for o := range w.out[0] {
		lo, hi := w.ax[0].Taps(o)
		s.under = append(s.under, rows{o*w.ax[0].Stride - w.ax[0].Pad + lo*w.ax[0].Dil, max(0, hi-lo)})
	}
	s.rows = min(max(1, chunk/s.stride), s.total)
	// Padded rows, a row that nothing was folded into, the divisors of a row, the
	// phases, and results before they are cut.
	s.per = kernel.WholeFloats(s.rows*s.stride+s.slack) + kernel.WholeFloats(s.whole) + kernel.WholeFloats(w.out[1])
	if s.phases > 0 {
		s.per += s.phases*kernel.WholeFloats(s.columns()+s.slack) + kernel.WholeFloats(s.columns())
	}
	return s, nil
}

const (
	most   = 4 // phases
	few    = 4 // results a row that are worth vectors
	wide   = 4 // columns that are swept for each result: more where windows are long and results few
	vector = 8 // elements; the rest of a row that is none of them costs as much as several
)

// columns is how many results a task's padded rows have, those included that
// stand across the end of a row and count for nothing.
func (s *state) columns() int { return s.rows * s.stride / s.phases }

func scratchBytes(c *kernel.Call, threads int) int { return c.State.(*state).per * 4 * threads }

func run(c *kernel.Call) {
	s := c.State.(*state)
	if s.total == 0 {
		return
	}
	s.x, s.y = tensor.Slice[float32](&c.In[0].Tensor), tensor.Slice[float32](&c.Out[0].Tensor)
	s.scratch = unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(c.Scratch))), len(c.Scratch)/4)
	c.Pool.Run((s.total+s.rows-1)/s.rows, s)
}

// Do runs one task; it is for the pool.
func (s *state) Do(i, worker int) {
	scratch := s.scratch[worker*s.per:][:s.per]
	take := func(n int) []float32 {
		out := scratch[:n]
		scratch = scratch[kernel.WholeFloats(n):]
		return out
	}
	neutral := float32(math.Inf(-1))
	if s.mean {
		neutral = 0
	}
	padded := take(s.rows*s.stride + s.slack)
	none := take(s.whole)
	share := take(s.out[1])
	fill(none, neutral)

	first := i * s.rows
	n := min(s.rows, s.total-first)
	left, right := s.ax[1].Pad, s.ax[1].Pad+s.ax[1].In
	plane, o := first/s.out[0], first%s.out[0]
	for r := range n {
		row := padded[r*s.stride:][:s.stride]
		s.down(row[left:], none, plane*s.ax[0].In, s.under[o])
		fill(row[:left], neutral)
		fill(row[right:], neutral)
		if o++; o == s.out[0] {
			plane, o = plane+1, 0
		}
	}
	fill(padded[n*s.stride:][:s.slack], 0) // read for results that count for nothing
	y := s.y[first*s.out[1]:][:n*s.out[1]]
	if s.phases == 0 {
		for r := range n {
			s.along(y[r*s.out[1]:][:s.out[1]], padded[r*s.stride:])
		}
	} else {
		s.sweep(y, padded, n, take)
	}
	if !s.mean {
		return
	}
	last := float32(-1) // shares are from 0
	for r := range n {
		if rows := s.shareY[(first+r)%s.out[0]]; rows != last {
			s.f.elt.MulS(share, s.shareX, rows)
			last = rows
		}
		s.f.elt.Div(y[r*s.out[1]:][:s.out[1]], y[r*s.out[1]:][:s.out[1]], share)
	}
}

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

// fold is the operation of the pool: of the elements seen so far and further
// ones. Largest elements that are equal are the first, NaN is none.
func (s *state) fold(dst, further, sofar []float32) {
	if s.mean {
		s.f.elt.Add(dst, sofar, further)
	} else {
		s.f.elt.Do2(eltwise.MaxNum, dst, further, sofar)
	}
}

// down folds rows of x, after the top ones, into row, beginning with none. Behind
// the row it may leave anything, up to a whole vector.
func (s *state) down(row, none []float32, top int, u rows) {
	in, step := s.ax[1].In, s.ax[0].Dil*s.ax[1].In
	if u.n == 0 {
		copy(row, none)
		return
	}
	sofar := none
	for at := (top + u.first) * in; u.n > 0; u.n, at = u.n-1, at+step {
		// A row of x may be read on into the next, but the last has none.
		n := in
		if at+s.whole <= len(s.x) {
			n = s.whole
		}
		s.fold(row[:n], s.x[at:][:n], sofar[:n])
		sofar = row
	}
}

// sweep folds each window's part of n padded rows.
func (s *state) sweep(y, padded []float32, n int, take func(int) []float32) {
	cols := n * s.stride / s.phases
	var ph [most][]float32
	ph[0] = padded[:cols+s.slack]
	if s.phases > 1 {
		for p := range s.phases {
			ph[p] = take(s.columns() + s.slack)[:cols+s.slack]
			fill(ph[p][cols:], 0) // read for results that count for nothing
		}
		part(ph[:s.phases], padded[:cols*s.phases])
	}
	each := s.stride / s.phases
	out := y
	if each != s.out[1] {
		out = take(s.columns())[:cols]
	}
	sofar := ph[0][:cols]
	for t := 1; t < s.ax[1].K; t++ {
		at := t * s.ax[1].Dil
		s.fold(out, ph[at%s.phases][at/s.phases:][:cols], sofar)
		sofar = out
	}
	if each == s.out[1] && s.ax[1].K > 1 {
		return
	}
	for r := range n {
		copy(y[r*s.out[1]:][:s.out[1]], sofar[r*each:])
	}
}

// part gives each phase its elements of x, which begin with one of the first.
func part(ph [][]float32, x []float32) {
	if len(ph) == 2 {
		n := len(x) / 2
		a, b := ph[0][:n], ph[1][:n]
		for i := range a {
			pair := x[2*i : 2*i+2 : 2*i+2]
			a[i], b[i] = pair[0], pair[1]
		}
		return
	}
	for p := range ph {
		to := ph[p][:len(x)/len(ph)]
		for i := range to {
			to[i] = x[i*len(ph)+p]
		}
	}
}

// along folds each window's part of one padded row, element by element.
func (s *state) along(y, row []float32) {
	for o := range y {
		w := row[o*s.ax[1].Stride:]
		v := w[0]
		for t := 1; t < s.ax[1].K; t++ {
			e := w[t*s.ax[1].Dil]
			if s.mean {
				v += e
			} else if e > v {
				v = e
			}
		}
		y[o] = v
	}
}

// global is a prepared GlobalAveragePool, and the pool's Task.
type global struct {
	f            *funcs
	planes, size int
	group        int
	x, y         []float32
}

func prepareGlobal(f *funcs, c *kernel.Call) (any, error) {
	if err := checkCall(c); err != nil {
		return nil, err
	}
	x, y := c.In[0].Tensor.Dims(), &c.Out[0].Tensor
	if len(x) < 2 {
		return nil, &diag.Error{Kind: diag.Shape, Port: "GlobalAveragePool", Have: "rank below 2", Want: "2 or more"}
	}
	g := &global{f: f, planes: x[0] * x[1], size: 1}
	for _, d := range x[2:] {
		g.size *= d
	}
	if y.Len() != g.planes {
		return nil, diag.New(diag.Shape, "GlobalAveragePool of %v: output is %v", x, y.Dims())
	}
	g.group = max(1, grain/max(1, g.size))
	return g, nil
}

func runGlobal(c *kernel.Call) {
	g := c.State.(*global)
	g.x, g.y = tensor.Slice[float32](&c.In[0].Tensor), tensor.Slice[float32](&c.Out[0].Tensor)
	c.Pool.Run((g.planes+g.group-1)/g.group, g)
}

// Do runs one task; it is for the pool.
func (g *global) Do(i, _ int) {
	for p := i * g.group; p < min((i+1)*g.group, g.planes); p++ {
		g.y[p] = g.f.red.Sum(g.x[p*g.size:][:g.size]) / float32(g.size)
	}
}
