package rnn

import (
	"errors"
	"fmt"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// OpLSTM is what the kernels of an LSTM layer compute, with the gates i, o, f,
// c and the default activations of ONNX:
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

// lstm is the state of a call.
type lstm struct {
	f                                   *eltwise.Funcs
	steps, batch, width, hidden         int
	backwards                           bool // the first direction is
	dirs                                []direction
	apart                               bool // directions run at the same time
	gatesAt, stateAt, cellAt, scratchAt int  // offsets in scratch, of the first direction where there are more
	size                                int
	scratch                             []float32
	call                                *kernel.Call // of the run in progress
}

// direction is one direction of the layer.
type direction struct {
	input *gemm.Job // X by W for all steps: [T*B, 4H]
	state *gemm.Job // H by R for one step: [B, 4H]
	bias  *biasRows
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

// littleStep is how many multiply-adds of a step are too few to share among
// threads when there is another direction to run.
const littleStep = 1 << 21

func prepare(c *kernel.Call, m *gemm.Micro, f *eltwise.Funcs) (any, error) {
	if len(c.In) < 1 || len(c.Consts) < 3 {
		return nil, diag.New(diag.Internal, "lstm with %d inputs and %d constants", len(c.In), len(c.Consts))
	}
	x := &c.In[0].Tensor
	if x.Rank() != 3 || x.DType() != dtype.F32 {
		return nil, diag.New(diag.Internal, "lstm of %v", x.Type())
	}
	s := &lstm{f: f, steps: x.Dim(0), batch: x.Dim(1), width: x.Dim(2)}
	dirs := 1
	switch c.Attrs.Str("direction") {
	case "reverse":
		s.backwards = true
	case "bidirectional":
		dirs = 2
	}
	s.hidden = c.Consts[2].Len() / (4 * dirs)
	if err := s.check(c, dirs); err != nil {
		return nil, err
	}
	if s.batch == 0 || s.hidden == 0 { // no state to step
		s.steps = 0
	}
	h4, threads := 4*s.hidden, c.Pool.Threads()
	s.apart = dirs == 2 && threads >= 2 && s.batch*h4*s.hidden < littleStep
	each := threads
	if s.apart {
		each = 1
	}
	input, state := 0, 0
	for range dirs {
		d := direction{bias: &biasRows{f: f}}
		d.input = m.Prepare(gemm.Params{M: s.steps * s.batch, N: h4, K: s.width, LdA: s.width, LdC: h4, Epi: d.bias}, threads)
		d.state = m.Prepare(gemm.Params{M: s.batch, N: h4, K: s.hidden, LdA: s.hidden, LdC: h4}, each)
		s.dirs = append(s.dirs, d)
		input, state = max(input, align(d.input.Scratch())), align(d.state.Scratch())
	}
	// Scratch: inputs of the gates for all steps, the gates of one step, H, C
	// and the jobs' own, direction by direction.
	n := s.batch * s.hidden
	s.gatesAt = align(s.steps * s.batch * h4)
	s.stateAt = s.gatesAt + align(s.batch*h4)
	s.cellAt = s.stateAt + align(n)
	s.scratchAt = s.cellAt + align(n) + align(s.hidden)
	s.size = s.scratchAt + max(input, state)
	return s, nil
}

// check compares all extents.
func (s *lstm) check(c *kernel.Call, dirs int) error {
	h4 := 4 * s.hidden
	bad := func(what string, have any, want any) error {
		return &diag.Error{Kind: diag.Shape, Port: what, Have: fmt.Sprint(have), Want: fmt.Sprint(want)}
	}
	if err := f32s(c); err != nil {
		return err
	}
	if _, ok := tensor.Count([]int{s.steps, s.batch, h4}); !ok {
		return bad("gates", []int{s.steps, s.batch, h4}, "extents that fit")
	}
	if n := c.Consts[0].Len(); n != dirs*gemm.PackedB(s.width, h4) {
		return bad("packed elements of W", n, dirs*gemm.PackedB(s.width, h4))
	}
	if n := c.Consts[1].Len(); n != dirs*gemm.PackedB(s.hidden, h4) {
		return bad("packed elements of R", n, dirs*gemm.PackedB(s.hidden, h4))
	}
	if len(c.Consts) > 3 && c.Consts[3].Len() != dirs*3*s.hidden {
		return bad("P", c.Consts[3].Dims(), []int{dirs, 3 * s.hidden})
	}
	n := dirs * s.batch * s.hidden
	for i, want := range []int{s.batch, n, n} {
		if i+1 < len(c.In) && c.In[i+1].Present() && c.In[i+1].Tensor.Len() != want {
			return bad([]string{"sequence_lens", "initial_h", "initial_c"}[i], c.In[i+1].Tensor.Dims(), want)
		}
	}
	for i, want := range []int{s.steps * n, n, n} {
		if i < len(c.Out) && c.Out[i].Present() && c.Out[i].Tensor.Len() != want {
			return bad([]string{"Y", "Y_h", "Y_c"}[i], c.Out[i].Tensor.Dims(), want)
		}
	}
	return nil
}

// f32s checks the element types of all that a plan hands over.
func f32s(c *kernel.Call) error {
	check := func(t *tensor.Tensor, want dtype.DType) error {
		if t.DType() != want && t.Valid() {
			return &diag.Error{Kind: diag.Internal, Port: "lstm", Have: t.DType().String(), Want: want.String()}
		}
		return nil
	}
	var errs []error
	for i := range c.Consts {
		errs = append(errs, check(&c.Consts[i], dtype.F32))
	}
	for i := range c.In {
		want := dtype.F32
		if i == 1 {
			want = dtype.I32
		}
		errs = append(errs, check(&c.In[i].Tensor, want))
	}
	for i := range c.Out {
		errs = append(errs, check(&c.Out[i].Tensor, dtype.F32))
	}
	return errors.Join(errs...)
}

// align rounds up to whole cache lines of float32.
func align(n int) int { return (n + 15) &^ 15 }

func scratchBytes(c *kernel.Call, _ int) int {
	s := c.State.(*lstm)
	return 4 * s.size * len(s.dirs)
}

func run(c *kernel.Call) {
	s := c.State.(*lstm)
	s.call, s.scratch = c, gemm.Floats(c.Scratch)
	s.checkLengths()
	if y := out(c, 0); y != nil && given(c, 1) {
		clear(y) // beyond a sequence's length
	}
	h4 := 4 * s.hidden
	w, r := tensor.Slice[float32](&c.Consts[0]), tensor.Slice[float32](&c.Consts[1])
	for d := range s.dirs {
		x := &s.dirs[d]
		x.bias.row = tensor.Slice[float32](&c.Consts[2])[d*h4 : (d+1)*h4]
		x.input.A, x.input.B = in(c, 0), w[d*gemm.PackedB(s.width, h4):]
		x.state.B = r[d*gemm.PackedB(s.hidden, h4):]
		buf := s.scratch[d*s.size : (d+1)*s.size]
		x.input.C = buf
		x.input.Run(c.Pool, buf[s.scratchAt:])
		if !s.apart {
			s.direction(d, c.Pool)
		}
	}
	if s.apart {
		c.Pool.Run(len(s.dirs), s)
	}
	s.call, s.scratch = nil, nil
}

// Do implements pool.Task: one direction, on one thread.
func (s *lstm) Do(d, _ int) { s.direction(d, nil) }

// checkLengths stops a run whose lengths don't fit; the runtime makes an error
// of it.
func (s *lstm) checkLengths() {
	if !given(s.call, 1) {
		return
	}
	for _, n := range tensor.Slice[int32](&s.call.In[1].Tensor) {
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
