package conv

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
)

// OpI8 is what the kernels of a quantized convolution compute:
//
//	In[0]      u8 or i8 [N, C, spatial...]   one or two spatial axes
//	Consts[0]  gemm.FormatI8 of each group's filters [M/group, C/group*taps]
//	Consts[1]  f32[M]  factor of the sums
//	Consts[2]  i32[M]  bias
//	Consts[3]  i32[M]  sums of the filters
//	Out[0]     u8 or i8 [N, M, spatial...]
//
// with the attributes of ONNX Conv, kernel_shape among them, and those of
// gemm.NewScaling.
const OpI8 = "conv.i8"

// I8_generic convolves quantized on the tiles in plain Go.
var I8_generic = kernel.Desc{ID: "conv.i8.generic", Op: OpI8, Format: gemm.FormatI8,
	Prepare: i8Generic, Scratch: scratchI8, Run: runI8}

func i8Generic(c *kernel.Call) (any, error) { return prepareI8(c, &gemm.Generic8) }

// OpI32 is what the kernels of an exact integer convolution compute, ONNX's
// ConvInteger:
//
//	In[0]   u8 or i8 [N, C, spatial...]   one or two spatial axes
//	Out[0]  i32[N, M, spatial...]
//
// with the attributes of ONNX Conv, kernel_shape among them, each group's
// filters [M/group, C/group*taps] as weights, and the rest as gemm.Sums says.
const OpI32 = "conv.i32"

// I32_generic convolves integers on the tiles in plain Go.
var I32_generic = kernel.Desc{ID: "conv.i32.generic", Op: OpI32, Format: gemm.FormatI8,
	Prepare: i32Generic, Scratch: scratchI8, Run: runI8}

func i32Generic(c *kernel.Call) (any, error) { return prepareI32(c, &gemm.Generic8) }

// convolution8 is the state of a call. A unit of its work is one group of one
// image, a product, whose columns planes8 says.
type convolution8 struct {
	g       geometry
	planes  planes8
	scale   *gemm.Scaling // either this
	sums    *gemm.Sums    // or that
	sign    uint32
	zero    uint8
	sides   []int32
	quant   *quant.Funcs
	workers []worker8

	arranged  int // bytes of a worker's scratch for arranged planes
	perWorker int
	call      *kernel.Call
}

type worker8 struct {
	s     *convolution8
	job   *gemm.Job8
	src   []uint8
	x     []uint8 // of the group being arranged
	y     []uint8 // of the group
	sum   []int32 // or this
	row0  int     // first filter of the group
	edge  []uint8 // per thread of the job: 16 columns of every row, gathered
	bytes []uint8 // per thread of the job: a row of results
	each  int
}

func prepareI8(c *kernel.Call, m *gemm.Micro8) (any, error) {
	g, err := geometryIn(c, false, []dtype.DType{dtype.U8, dtype.I8}, dtype.U8, dtype.I8)
	if err != nil {
		return nil, err
	}
	s := &convolution8{g: g, quant: m.Quant}
	if err := gemm.CheckI8(c, g.m, g.c/g.group, g.kh, g.kw); err != nil {
		return nil, err
	}
	if s.scale, err = gemm.NewScaling(c, m, g.m); err != nil {
		return nil, err
	}
	s.sign, s.zero = s.scale.Sign, s.scale.Zero
	return s, s.prepare(c, m)
}

func prepareI32(c *kernel.Call, m *gemm.Micro8) (any, error) {
	g, err := geometryIn(c, false, []dtype.DType{dtype.U8, dtype.I8}, dtype.I32)
	if err != nil {
		return nil, err
	}
	s := &convolution8{g: g, quant: m.Quant}
	if s.sums, err = gemm.NewSums(c, m, g.m, g.c/g.group, g.kh, g.kw); err != nil {
		return nil, err
	}
	s.sign = s.sums.Sign
	return s, s.prepare(c, m)
}

func (s *convolution8) prepare(c *kernel.Call, m *gemm.Micro8) error {
	g := &s.g
	if c.Out[0].Tensor.Len() == 0 {
		return nil
	}
	if g.c/g.group*g.h*g.w > math.MaxInt32/8 {
		return &diag.Error{Kind: diag.Limit, Port: "elements of a group of the input", Have: fmt.Sprint(g.c / g.group * g.h * g.w), Want: "less than 2^28"}
	}
	s.planes = newPlanes8(g, m)
	dims := []int{g.c / g.group, len(s.planes.phases), s.planes.rows, s.planes.width}
	if n, ok := tensor.Count(dims); !ok || n > math.MaxInt32-2*slack {
		return &diag.Error{Kind: diag.Limit, Port: "elements of a group of the padded input", Have: fmt.Sprint(dims), Want: "less than 2^31"}
	}
	if !s.planes.direct {
		s.arranged = kernel.WholeBytes(g.c/g.group*s.planes.size + slack)
	}
	s.sides = gemm.Sides(len(s.planes.taps))
	p := gemm.Params8{M: g.m / g.group, N: s.planes.cols, K: g.c / g.group * g.taps(), Totals: s.sums != nil && s.sums.Totals()}
	workers, each := kernel.Spread(g.n*g.group, p.M*p.N*p.K, c.Pool.Threads())
	s.workers = make([]worker8, workers)
	for i := range s.workers {
		w := &s.workers[i]
		w.s, w.each = s, each
		p.Pack, p.End = w, w
		w.job = m.Prepare(p, each)
	}
	s.perWorker = s.arranged + kernel.WholeBytes(s.workers[0].job.Scratch()) + each*(s.edgeBytes()+kernel.WholeBytes(s.planes.cols+16))
	return nil
}

// edgeBytes is room for 16 columns of every row, gathered by moves that run
// over.
func (s *convolution8) edgeBytes() int { return kernel.WholeBytes(16*len(s.planes.taps) + 16) }

func scratchI8(c *kernel.Call, _ int) int {
	s := c.State.(*convolution8)
	return s.perWorker * len(s.workers)
}

func runI8(c *kernel.Call) {
	s := c.State.(*convolution8)
	if len(s.workers) == 0 {
		return
	}
	s.call = c
	if s.sums != nil {
		s.sums.Start(c)
		s.zero = s.sums.Zero
	}
	units := s.g.n * s.g.group
	if len(s.workers) > 1 {
		c.Pool.Run(units, s)
	} else {
		for u := range units {
			s.unit(u, 0)
		}
	}
	s.call = nil
}

// Do implements pool.Task: one unit, on one worker.
func (s *convolution8) Do(u, worker int) { s.unit(u, worker) }

func (s *convolution8) unit(u, worker int) {
	g, w, c := &s.g, &s.workers[worker], s.call
	image, group := u/g.group, u%g.group
	cg, mg := g.c/g.group, g.m/g.group
	scratch := c.Scratch[worker*s.perWorker : (worker+1)*s.perWorker]
	w.x = c.In[0].Tensor.Bytes()[(image*g.c+group*cg)*g.h*g.w:][:cg*g.h*g.w]
	if from, n := (image*g.m+group*mg)*g.oh*g.ow, mg*g.oh*g.ow; s.sums != nil {
		w.sum = tensor.Slice[int32](&c.Out[0].Tensor)[from:][:n]
	} else {
		w.y = c.Out[0].Tensor.Bytes()[from:][:n]
	}
	w.row0 = group * mg
	w.src = w.x
	p := c.Pool
	if len(s.workers) > 1 {
		p = nil
	}
	if !s.planes.direct {
		w.src, scratch = scratch[:s.arranged], scratch[s.arranged:]
		p.Run(cg, w)
	}
	e := w.each * s.edgeBytes()
	w.edge, scratch = scratch[:e], scratch[e:]
	e = w.each * kernel.WholeBytes(s.planes.cols+16)
	w.bytes, scratch = scratch[:e], scratch[e:]
	w.job.A = tensor.Slice[int8](&c.Consts[0])[group*mg*4*gemm.Groups(cg*g.taps()):]
	w.job.Run(p, scratch)
}

// Pack8 implements gemm.Packer8.
func (w *worker8) Pack8(m *gemm.Micro8, panel []uint8, col, worker int) {
	p, sign := &w.s.planes, w.s.sign
	runs := p.panel(col / gemm.Panel)
	if last := runs[len(runs)-1]; p.direct && int(last.off+p.top)+16 > len(w.src) {
		// Whole vectors would read beyond the input.
		m.Pack(panel, w.s.sides, w.gather(runs, worker, false), sign)
		return
	}
	if len(runs) == 1 {
		m.Pack(panel, p.taps, &w.src[runs[0].off], sign)
		return
	}
	m.Pack(panel, w.s.sides, w.gather(runs, worker, true), sign)
}

// gather copies the 16 columns of a panel that lie in several runs, for every
// tap, to where they lie one after the other. Whole moves run over, in w.src
// and into what is written next.
func (w *worker8) gather(runs []run, worker int, whole bool) *uint8 {
	size := w.s.edgeBytes()
	edge := w.edge[worker*size : (worker+1)*size]
	taps := w.s.planes.taps
	if !whole {
		for i, t := range taps {
			for _, u := range runs {
				copy(edge[16*i+int(u.at):16*i+int(u.at+u.n)], w.src[u.off+t:])
			}
		}
		return &edge[0]
	}
	from, to := unsafe.Pointer(&w.src[0]), unsafe.Pointer(&edge[0])
	for _, t := range taps {
		for _, u := range runs {
			*(*[16]uint8)(unsafe.Add(to, int(u.at))) = *(*[16]uint8)(unsafe.Add(from, int(u.off+t)))
		}
		to = unsafe.Add(to, 16)
	}
	return &edge[0]
}

// End8 implements gemm.Ender8.
func (w *worker8) End8(c []int32, ld, row, rows, col, cols int, totals []int32, worker int) {
	p := &w.s.planes
	if w.s.sums != nil {
		w.endSums(c, ld, row, rows, col, min(cols, p.cols-col), totals)
		return
	}
	size := kernel.WholeBytes(p.cols + 16)
	line := w.bytes[worker*size : worker*size+cols]
	if !p.exact {
		w.endLoose(c, ld, row, rows, col, line)
		return
	}
	n := min(cols, p.cols-col)
	whole := n &^ 15
	for i := range rows {
		y := w.y[(row+i)*p.cols+col:][:n]
		if whole > 0 {
			w.s.scale.Row(w.row0+row+i, whole, &c[i*ld], &y[0])
		}
		if whole < n {
			w.s.scale.Row(w.row0+row+i, 16, &c[i*ld+whole], &line[0])
			copy(y[whole:], line)
		}
	}
}

// endLoose takes columns of which some fall between rows of the output.
func (w *worker8) endLoose(c []int32, ld, row, rows, col int, line []uint8) {
	n := w.s.g.oh * w.s.g.ow
	for i := range rows {
		w.s.scale.Row(w.row0+row+i, len(line), &c[i*ld], &line[0])
		y := w.y[(row+i)*n:][:n]
		w.s.rowsOf(col, len(line), func(to, from, n int) { copy(y[to:to+n], line[from:]) })
	}
}

// endSums takes n columns, of which some may fall between rows of the output.
func (w *worker8) endSums(c []int32, ld, row, rows, col, n int, totals []int32) {
	size := w.s.g.oh * w.s.g.ow
	for i := range rows {
		y, acc := w.sum[(row+i)*size:][:size], c[i*ld:][:n]
		if w.s.planes.exact {
			w.s.sums.Row(w.row0+row+i, acc, totals, y[col:][:n])
			continue
		}
		w.s.rowsOf(col, n, func(to, from, n int) {
			w.s.sums.Row(w.row0+row+i, acc[from:], totals[min(from, len(totals)):], y[to:to+n])
		})
	}
}

// rowsOf calls f for each row of the output that the n columns from col on
// meet: the place there, the first of the columns, how many they are.
func (s *convolution8) rowsOf(col, n int, f func(to, from, n int)) {
	ow, width := s.g.ow, s.planes.width
	for at := 0; at < n; {
		oy, ox := (col+at)/width, (col+at)%width
		if oy >= s.g.oh {
			return
		}
		if ox < ow {
			f(oy*ow+ox, at, min(ow-ox, n-at))
		}
		at += width - ox
	}
}
