package rnn

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/pool"
)

// OpLSTM is what the kernels of an LSTM layer with constant weights compute,
// with the gates i, o, f, c and the default activations of ONNX:
//
//	In[0]      f32[T, B, I]    X
//	In[1]      i32[B]          lengths of the sequences, or absent
//	In[2..3]   f32[D, B, H]    initial H and C, or absent
//	Consts[0]  gemm.FormatB of W[I, 4H], direction by direction
//	Consts[1]  gemm.FormatB of R[H, 4H], direction by direction
//	Consts[2]  f32[D, 4H]      sums of both biases
//	Consts[3]  f32[D, 3H]      peepholes of i, o, f; may be left out
//	Out[0]     f32[T, D, B, H] Y, or absent
//	Out[1..2]  f32[D, B, H]    last H and C, or absent
//
// The attribute direction is that of ONNX.
const OpLSTM = "lstm.f32"

// OpOpen is the same layer with all of ONNX LSTM's operands given at run time,
// in ONNX's order and layout: X, W[D, 4H, I], R[D, 4H, H], B[D, 8H] or absent,
// lengths, initial H and C, P[D, 3H] or absent.
const OpOpen = "lstmopen.f32"

// layer is the state of a call: a layer's extents, the split of its work, and
// what the run in progress reads and writes.
type layer struct {
	m                                 *gemm.Micro
	f                                 *eltwise.Funcs
	steps, batch, width, hidden, dirs int
	loops                             int  // steps, 0 where no step does anything
	backwards                         bool // the first direction is
	open                              bool // weights are operands, packed in each run
	keep                              bool // what the steps compute stays, for back

	input []inputJob
	tasks []task
	apart bool // tasks run at the same time

	// Offsets in scratch; at each the directions lie one behind the other.
	gatesAt, productAt, hAt, cAt int
	beforeAt, tanhAt             int // where keep
	wAt, rAt, biasAt             int // where open
	jobAt, jobs, size            int

	back *back // of a gradient

	operands
	scratch []float32 // of the run in progress
}

// operands are what a run reads and writes; nil where absent.
type operands struct {
	x, h0, c0, p []float32
	w, r, bias   []float32 // packed, and summed
	lens         []int32
	y, yh, yc    []float32
}

// inputJob is X by W for all steps of a direction: [T*B, 4H].
type inputJob struct {
	*gemm.Job
	bias *biasRows
}

// task is all steps of the sequences from..to-1 in one direction.
type task struct {
	dir, from, to int
	state, back   *gemm.Job // H by R, and the gates' gradients by R, for one step
	tmpAt, jobAt  int       // offsets in scratch, of vectors and of the jobs' own
	end           int
}

// biasRows adds a row to each row of a product.
type biasRows struct {
	f   *eltwise.Funcs
	row []float32
}

// Apply implements gemm.Epilogue.
func (b *biasRows) Apply(c []float32, ld, _, rows, col, cols int) {
	for i := range rows {
		s := c[i*ld : i*ld+cols]
		b.f.Add(s, s, b.row[col:col+cols])
	}
}

const (
	// littleStep is how many multiply-adds of a step are too few to share among
	// threads when there is another direction to run.
	littleStep = 1 << 21
	// fewRows is how many sequences are worth a thread of their own.
	fewRows = 4
)

func prepare(c *kernel.Call, m *gemm.Micro, f *eltwise.Funcs) (any, error) {
	s := &layer{m: m, f: f}
	if err := s.constant(c); err != nil {
		return nil, err
	}
	s.plan(c.Pool.Threads())
	return s, nil
}

func prepareOpen(c *kernel.Call, m *gemm.Micro, f *eltwise.Funcs) (any, error) {
	s := &layer{m: m, f: f, open: true}
	if err := s.given(c, inP+1, states); err != nil {
		return nil, err
	}
	s.plan(c.Pool.Threads())
	return s, nil
}

// direct reads the attribute direction.
func (s *layer) direct(c *kernel.Call) {
	s.dirs = 1
	switch c.Attrs.Str("direction") {
	case "reverse":
		s.backwards = true
	case "bidirectional":
		s.dirs = 2
	}
}

// plan splits the work and lays out the scratch. Sequences don't depend on
// each other, so that threads take their own, all steps of them, where there
// are enough; else directions, else they share the products.
func (s *layer) plan(threads int) {
	if s.loops = s.steps; s.batch == 0 || s.hidden == 0 {
		s.loops = 0
	}
	parts, each := 1, threads
	switch h4 := 4 * s.hidden; {
	case threads > 1 && s.batch >= fewRows*threads:
		s.apart, parts, each = true, threads, 1
	case threads > 1 && s.dirs == 2 && s.batch*h4*s.hidden < littleStep:
		s.apart, each = true, 1
	}
	s.layout(threads)
	for d := range s.dirs {
		for i := range parts {
			s.addTask(task{dir: d, from: s.batch * i / parts, to: s.batch * (i + 1) / parts}, each)
		}
	}
	if s.back != nil {
		s.planBack(threads)
	}
	s.size = s.jobAt + s.jobs
}

// layout makes room for everything but the jobs' own scratch, and the jobs of
// the inputs.
func (s *layer) layout(threads int) {
	h4, n, all := 4*s.hidden, s.batch*s.hidden, s.steps*s.batch
	take := func(n int) int {
		at := s.jobAt
		s.jobAt += kernel.WholeFloats(n)
		return at
	}
	s.gatesAt = take(s.dirs * all * h4)
	s.productAt = take(s.dirs * s.batch * h4)
	s.hAt = take(s.dirs * n)
	s.cAt = take(s.dirs * s.cells())
	if s.keep {
		s.beforeAt, s.tanhAt = take(s.dirs*all*s.hidden), take(s.dirs*all*s.hidden)
	}
	if s.open {
		s.wAt, s.rAt = take(s.dirs*gemm.PackedB(s.width, h4)), take(s.dirs*gemm.PackedB(s.hidden, h4))
		s.biasAt = take(s.dirs * h4)
	}
	if s.back != nil {
		s.back.layout(s, take)
	}
	for range s.dirs {
		j := inputJob{bias: &biasRows{f: s.f}}
		j.Job = s.m.Prepare(gemm.Params{M: all, N: h4, K: s.width, LdA: s.width, LdC: h4, Epi: j.bias}, threads)
		s.jobs = max(s.jobs, j.Scratch())
		s.input = append(s.input, j)
	}
}

// cells is how many elements the cells of one direction take: those before
// each step and after the last where they are kept, else one step's.
func (s *layer) cells() int {
	if s.keep {
		return (s.steps + 1) * s.batch * s.hidden
	}
	return s.batch * s.hidden
}

func (s *layer) addTask(t task, each int) {
	h4, rows := 4*s.hidden, t.to-t.from
	t.state = s.m.Prepare(gemm.Params{M: rows, N: h4, K: s.hidden, LdA: s.hidden, LdC: h4}, each)
	own := t.state.Scratch()
	if s.back != nil {
		t.back = s.m.Prepare(gemm.Params{M: rows, N: s.hidden, K: h4, LdA: h4, LdC: s.hidden}, each)
		own = max(own, t.back.Scratch())
	}
	t.tmpAt = s.jobAt
	if k := len(s.tasks); k > 0 {
		t.tmpAt = s.tasks[k-1].end
	}
	t.jobAt = t.tmpAt + tmps*kernel.WholeFloats(s.hidden)
	t.end = t.jobAt + kernel.WholeFloats(own)
	s.jobs = max(s.jobs, t.end-s.jobAt)
	s.tasks = append(s.tasks, t)
}

// tmps is how many vectors of a gate's length a task works in.
const tmps = 6

func scratchBytes(c *kernel.Call, _ int) int { return 4 * c.State.(*layer).size }

func run(c *kernel.Call) {
	s := c.State.(*layer)
	s.scratch = gemm.Floats(c.Scratch)
	s.operands = operands{x: in(c, 0), h0: in(c, 2), c0: in(c, 3), y: out(c, 0), yh: out(c, 1), yc: out(c, 2),
		w: tensor.Slice[float32](&c.Consts[0]), r: tensor.Slice[float32](&c.Consts[1]), bias: tensor.Slice[float32](&c.Consts[2])}
	if len(c.Consts) > 3 {
		s.p = tensor.Slice[float32](&c.Consts[3])
	}
	if given(c, 1) {
		s.lens = tensor.Slice[int32](&c.In[1].Tensor)
	}
	s.forward(c.Pool)
	s.operands, s.scratch = operands{}, nil
}

func runOpen(c *kernel.Call) {
	s := c.State.(*layer)
	s.bindOpen(c)
	s.y, s.yh, s.yc = out(c, 0), out(c, 1), out(c, 2)
	s.forward(c.Pool)
	s.operands, s.scratch = operands{}, nil
}

// bindOpen points at the operands of ONNX LSTM and packs the weights.
func (s *layer) bindOpen(c *kernel.Call) {
	s.scratch = gemm.Floats(c.Scratch)
	s.operands = operands{x: in(c, inX), h0: in(c, inH), c0: in(c, inC), p: in(c, inP)}
	if given(c, inLens) {
		s.lens = tensor.Slice[int32](&c.In[inLens].Tensor)
	}
	h4 := 4 * s.hidden
	w, r := gemm.PackedB(s.width, h4), gemm.PackedB(s.hidden, h4)
	s.w, s.r, s.bias = s.scratch[s.wAt:][:s.dirs*w], s.scratch[s.rAt:][:s.dirs*r], s.scratch[s.biasAt:][:s.dirs*h4]
	b := in(c, inB)
	for d := range s.dirs {
		s.pack(s.w[d*w:(d+1)*w], in(c, inW)[d*h4*s.width:], s.width, h4, s.width, true)
		s.pack(s.r[d*r:(d+1)*r], in(c, inR)[d*h4*s.hidden:], s.hidden, h4, s.hidden, true)
		sum := s.bias[d*h4 : (d+1)*h4]
		if b == nil {
			clear(sum)
			continue
		}
		s.f.Add(sum, b[2*d*h4:], b[(2*d+1)*h4:])
	}
}

// pack is gemm.PackB by the functions of an instruction set.
func (s *layer) pack(dst, b []float32, k, n, ld int, trans bool) {
	src := gemm.Source{B: b, K: k, N: n, Ld: ld, Trans: trans, Micro: s.m}
	for k0 := 0; k0 < k; k0 += gemm.BlockK {
		kc := min(gemm.BlockK, k-k0)
		size := gemm.PackedB(kc, n)
		src.Pack(dst[:size], k0, kc, 0, n, 0)
		dst = dst[size:]
	}
}

// forward multiplies the inputs, then runs all tasks.
func (s *layer) forward(p *pool.Pool) {
	s.checkLengths()
	if s.y != nil && s.lens != nil {
		clear(s.y) // beyond a sequence's length
	}
	h4 := 4 * s.hidden
	gates := s.steps * s.batch * h4
	for d, j := range s.input {
		j.bias.row = s.bias[d*h4 : (d+1)*h4]
		j.A, j.B, j.C = s.x, s.w[d*gemm.PackedB(s.width, h4):], s.scratch[s.gatesAt+d*gates:][:gates]
		j.Run(p, s.scratch[s.jobAt:])
	}
	if s.apart {
		p.Run(len(s.tasks), (*tasks)(s))
		return
	}
	for i := range s.tasks {
		s.task(i, p)
	}
}

// tasks is a layer whose tasks threads take.
type tasks layer

// Do implements pool.Task.
func (s *tasks) Do(i, _ int) { (*layer)(s).task(i, nil) }

// checkLengths stops a run whose lengths don't fit; the runtime makes an error
// of it.
func (s *layer) checkLengths() {
	for _, n := range s.lens {
		if n < 0 || int(n) > s.steps {
			panic(&diag.Error{Kind: diag.Shape, Port: "sequence_lens", Have: fmt.Sprint(n), Want: fmt.Sprintf("0..%d", s.steps)})
		}
	}
}

func given(c *kernel.Call, i int) bool { return i < len(c.In) && c.In[i].Present() }

func in(c *kernel.Call, i int) []float32 {
	if !given(c, i) {
		return nil
	}
	return tensor.Slice[float32](&c.In[i].Tensor)
}

func out(c *kernel.Call, i int) []float32 {
	if i >= len(c.Out) || !c.Out[i].Present() {
		return nil
	}
	return tensor.Slice[float32](&c.Out[i].Tensor)
}
