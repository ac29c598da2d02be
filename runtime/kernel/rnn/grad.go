package rnn

import (
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/pool"
)

// OpGrad is the gradient of OpOpen, back through time: In is what OpOpen
// takes, then dY, dY_h and dY_c, each of which may be absent; Out is dX, dW,
// dR, dB, the gradients of the initial H and C, and dP, each of which may be
// absent. The steps are run again, and what they compute is kept in scratch.
const OpGrad = "lstmgrad.f32"

// gradOf says, for each result, which operand it is the gradient of.
var gradOf = [...]int{inX, inW, inR, inB, inH, inC, inP}

// back is what a gradient has beside its layer. The gradients of what enters
// the gates take the place of the gates; those of the weights are one product
// over all steps of all sequences, [X | H | 1] transposed by them.
type back struct {
	dcAt, rAt, peepAt       int       // gradients of C; R as the steps back want it; sums of each sequence for P
	rowsAt, sumAt, secondAt int       // [X | H | 1] transposed; the product; dX of the second direction
	input                   *gemm.Job // the gates' gradients by W: dX
	w                       gemm.Source
	weights                 *gemm.Job
	gates                   gemm.Source

	// Of the run in progress.
	dx, dw, dr, db, dh0, dc0, dp []float32
	dy, dyh, dyc                 []float32
	dir                          int
}

func prepareGrad(c *kernel.Call, m *gemm.Micro, f *eltwise.Funcs) (any, error) {
	s := &layer{m: m, f: f, open: true, keep: true, back: &back{}}
	if err := s.given(c, inDC+1, gradients); err != nil {
		return nil, err
	}
	s.plan(c.Pool.Threads())
	return s, nil
}

// gradients are the results of a gradient. That of an absent input is nothing,
// whatever its extents.
func gradients(s *layer, c *kernel.Call) []part {
	n, h4 := s.dirs*s.batch*s.hidden, 4*s.hidden
	var list []part
	for i, p := range []part{{"dX", nil, s.steps * s.batch * s.width}, {"dW", nil, s.dirs * h4 * s.width}, {"dR", nil, s.dirs * h4 * s.hidden},
		{"dB", nil, 2 * s.dirs * h4}, {"dinitial_h", nil, n}, {"dinitial_c", nil, n}, {"dP", nil, 3 * s.dirs * s.hidden}} {
		if given(c, gradOf[i]) {
			list = append(list, operand(c.Out, i, p.name, p.want))
		}
	}
	return list
}

// layout makes room.
func (k *back) layout(s *layer, take func(int) int) {
	h4, all := 4*s.hidden, s.steps*s.batch
	k.dcAt = take(s.dirs * s.batch * s.hidden)
	k.rAt = take(s.dirs * gemm.PackedB(h4, s.hidden))
	k.peepAt = take(3 * s.dirs * s.batch * s.hidden)
	if s.hidden == 0 {
		return // no weights but W, which has no rows
	}
	k.rowsAt = take(k.rows(s) * all)
	k.sumAt = take(k.rows(s) * h4)
	if s.dirs > 1 {
		k.secondAt = take(all * s.width)
	}
}

// rows is how many [X | H | 1] has, transposed.
func (k *back) rows(s *layer) int { return s.width + s.hidden + 1 }

// planBack prepares the products over all steps.
func (s *layer) planBack(threads int) {
	k, h4, all := s.back, 4*s.hidden, s.steps*s.batch
	k.w = gemm.Source{K: h4, N: s.width, Ld: s.width, Micro: s.m}
	k.input = s.m.Prepare(gemm.Params{M: all, N: s.width, K: h4, LdA: h4, LdC: s.width, Pack: &k.w}, threads)
	k.gates = gemm.Source{K: all, N: h4, Ld: h4, Micro: s.m}
	k.weights = s.m.Prepare(gemm.Params{M: k.rows(s), N: h4, K: all, LdA: all, LdC: h4, Pack: &k.gates}, threads)
	s.jobs = max(s.jobs, k.input.Scratch(), k.weights.Scratch(), threads*panelSize)
}

func runGrad(c *kernel.Call) {
	s := c.State.(*layer)
	k := s.back
	s.bindOpen(c)
	k.dy, k.dyh, k.dyc = in(c, inDY), in(c, inDH), in(c, inDC)
	for i, dst := range [...]*[]float32{&k.dx, &k.dw, &k.dr, &k.db, &k.dh0, &k.dc0, &k.dp} {
		*dst = nil
		if given(c, gradOf[i]) {
			*dst = out(c, i)
		}
	}
	h4, size := 4*s.hidden, gemm.PackedB(4*s.hidden, s.hidden)
	for d := range s.dirs {
		s.pack(s.scratch[k.rAt+d*size:][:size], in(c, inR)[d*h4*s.hidden:], h4, s.hidden, s.hidden, false)
	}
	s.forward(c.Pool) // and back
	s.inputs(c)
	if s.hidden > 0 {
		for d := range s.dirs {
			s.weights(d, c.Pool)
		}
		s.peepholes()
	}
	s.operands, s.scratch = operands{}, nil
	k.dx, k.dw, k.dr, k.db, k.dh0, k.dc0, k.dp, k.dy, k.dyh, k.dyc = nil, nil, nil, nil, nil, nil, nil, nil, nil, nil
}

// inputs multiplies the gates' gradients by W, direction after direction.
func (s *layer) inputs(c *kernel.Call) {
	k, h4 := s.back, 4*s.hidden
	if k.dx == nil {
		return
	}
	w, all := in(c, inW), s.steps*s.batch*h4
	for d := range s.dirs {
		k.w.B, k.input.A, k.input.C = w[d*h4*s.width:], s.scratch[s.gatesAt+d*all:][:all], k.dx
		if d > 0 && s.hidden > 0 {
			k.input.C = s.scratch[k.secondAt:][:len(k.dx)]
		}
		k.input.Run(c.Pool, s.scratch[s.jobAt:])
		if d > 0 && s.hidden > 0 {
			s.f.Add(k.dx, k.dx, k.input.C)
		}
	}
	for b := range s.lens {
		for at := s.length(b); at < s.steps; at++ {
			clear(k.dx[(at*s.batch+b)*s.width:][:s.width])
		}
	}
}

// weights sums up dW, dR and dB of a direction.
func (s *layer) weights(d int, p *pool.Pool) {
	k, h4, all := s.back, 4*s.hidden, s.steps*s.batch
	if k.dw == nil && k.dr == nil && k.db == nil {
		return
	}
	k.dir = d
	p.Run((all+turnRows-1)/turnRows, (*turnIn)(s))
	k.gates.B = s.scratch[s.gatesAt+d*all*h4:][:all*h4]
	k.weights.A, k.weights.C = s.scratch[k.rowsAt:][:k.rows(s)*all], s.scratch[k.sumAt:][:k.rows(s)*h4]
	k.weights.Run(p, s.scratch[s.jobAt:])
	p.Run((s.width+turnRows-1)/turnRows+(s.hidden+turnRows-1)/turnRows, (*turnOut)(s))
	if k.db != nil {
		sum := k.weights.C[(s.width+s.hidden)*h4:]
		copy(k.db[2*d*h4:], sum)
		copy(k.db[(2*d+1)*h4:][:h4], sum)
	}
}

const (
	turnRows  = 64 // rows that are a chunk of work
	turnCols  = gemm.BlockK
	panelSize = turnCols * gemm.Panel
)

// turnIn is a layer whose X and H threads transpose, [T*B, n] to [n, T*B].
type turnIn layer

// Do implements pool.Task.
func (t *turnIn) Do(i, worker int) {
	s := (*layer)(t)
	k, all := s.back, s.steps*s.batch
	from := i * turnRows
	n := min(turnRows, all-from)
	to := s.scratch[k.rowsAt:][:k.rows(s)*all]
	s.turn(to[from:], all, s.x[from*s.width:], n, s.width, worker)
	h := s.scratch[s.beforeAt+k.dir*all*s.hidden:][:all*s.hidden]
	s.turn(to[s.width*all+from:], all, h[from*s.hidden:], n, s.hidden, worker)
	ones := to[(s.width+s.hidden)*all+from:][:n]
	for j := range ones {
		ones[j] = 1
	}
	if s.lens == nil {
		return
	}
	for j := range n { // beyond a sequence's length, X may be anything
		if at, b := (from+j)/s.batch, (from+j)%s.batch; at >= s.length(b) {
			for x := range s.width {
				to[x*all+from+j] = 0
			}
		}
	}
}

// turnOut is a layer whose sums threads transpose into dW and dR.
type turnOut layer

// Do implements pool.Task.
func (t *turnOut) Do(i, worker int) {
	s := (*layer)(t)
	k, h4 := s.back, 4*s.hidden
	sum := s.scratch[k.sumAt:][:k.rows(s)*h4]
	dst, n := k.dw, s.width
	if parts := (n + turnRows - 1) / turnRows; i >= parts {
		i -= parts
		dst, n, sum = k.dr, s.hidden, sum[s.width*h4:]
	}
	if dst == nil {
		return
	}
	from := i * turnRows
	s.turn(dst[k.dir*h4*n+from:], n, sum[from*h4:], min(turnRows, n-from), h4, worker)
}

// turn writes rows by cols elements of src, rows lying next to each other, to
// dst transposed, whose rows are ld apart.
func (s *layer) turn(dst []float32, ld int, src []float32, rows, cols, worker int) {
	panel := s.scratch[s.jobAt+worker*panelSize:][:panelSize]
	for c0 := 0; c0 < cols; c0 += turnCols {
		n := min(turnCols, cols-c0)
		for r0 := 0; r0 < rows; r0 += gemm.Panel {
			r := min(gemm.Panel, rows-r0)
			m := gemm.Source{B: src[r0*cols+c0:], K: n, N: r, Ld: cols, Trans: true, Micro: s.m}
			m.Pack(panel[:n*gemm.Panel], 0, n, 0, r, 0)
			for i := range n {
				copy(dst[(c0+i)*ld+r0:][:r], panel[i*gemm.Panel:])
			}
		}
	}
}

// peepholes adds up dP over the sequences.
func (s *layer) peepholes() {
	k, n := s.back, 3*s.hidden
	if k.dp == nil {
		return
	}
	for d := range s.dirs {
		sum := k.dp[d*n : (d+1)*n]
		clear(sum)
		for b := range s.batch {
			s.f.Add(sum, sum, s.scratch[k.peepAt+(d*s.batch+b)*n:])
		}
	}
}
