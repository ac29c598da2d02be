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

// convolution8 is the state of a call. A unit of its work is one group of one
// image, a product, whose columns planes8 says.
type convolution8 struct {
	g       geometry
	planes  planes8
	scale   *gemm.Scaling
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
	row0  int     // first filter of the group
	edge  []uint8 // per thread of the job: 16 columns of every row
	bytes []uint8 // per thread of the job: a row of results
	each  int
}

func prepareI8(c *kernel.Call, m *gemm.Micro8) (any, error) {
	g, err := geometryIn(c, false, dtype.U8, dtype.I8)
	if err != nil {
		return nil, err
	}
	s := &convolution8{g: g, quant: m.Quant}
	if err := gemm.CheckI8(c, g.m, g.c/g.group, g.kh, g.kw); err != nil {
		return nil, err
	}
	k := g.c / g.group * g.taps()
	if s.scale, err = gemm.NewScaling(c, m, g.m); err != nil {
		return nil, err
	}
	if c.Out[0].Tensor.Len() == 0 {
		return s, nil
	}
	if g.c/g.group*g.h*g.w > math.MaxInt32/int(8) {
		return nil, &diag.Error{Kind: diag.Limit, Port: "elements of a group of the input", Have: fmt.Sprint(g.c / g.group * g.h * g.w), Want: "less than 2^28"}
	}
	s.planes = newPlanes8(&g, m)
	dims := []int{g.c / g.group, len(s.planes.phases), s.planes.rows, s.planes.width}
	if n, ok := tensor.Count(dims); !ok || n > math.MaxInt32-2*slack {
		return nil, &diag.Error{Kind: diag.Limit, Port: "elements of a group of the padded input", Have: fmt.Sprint(dims), Want: "less than 2^31"}
	}
	if !s.planes.direct {
		s.arranged = align64(g.c/g.group*s.planes.size + slack)
	}
	s.scale.Edge(len(s.planes.taps))
	p := gemm.Params8{M: g.m / g.group, N: s.planes.cols, K: k}
	workers, each := spread(g.n*g.group, p.M*p.N*p.K, c.Pool.Threads())
	s.workers = make([]worker8, workers)
	for i := range s.workers {
		w := &s.workers[i]
		w.s, w.each = s, each
		p.Pack, p.End = w, w
		w.job = m.Prepare(p, each)
	}
	s.perWorker = s.arranged + align64(s.workers[0].job.Scratch()) + each*(s.edgeBytes()+align64(s.planes.cols+16))
	return s, nil
}

// edgeBytes is room for 16 columns of every row, gathered by moves that run
// over.
func (s *convolution8) edgeBytes() int { return align64(16*len(s.planes.taps) + 16) }

func align64(n int) int { return (n + 63) &^ 63 }

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
	w.y = c.Out[0].Tensor.Bytes()[(image*g.m+group*mg)*g.oh*g.ow:][:mg*g.oh*g.ow]
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
	e = w.each * align64(s.planes.cols+16)
	w.bytes, scratch = scratch[:e], scratch[e:]
	w.job.A = tensor.Slice[int8](&c.Consts[0])[group*mg*4*gemm.Groups(cg*g.taps()):]
	w.job.Run(p, scratch)
}

// Pack8 implements gemm.Packer8.
func (w *worker8) Pack8(m *gemm.Micro8, panel []uint8, col, worker int) {
	p, sign := &w.s.planes, w.s.scale.Sign
	runs := p.panel(col / gemm.Panel)
	if last := runs[len(runs)-1]; p.direct && int(last.off+p.top)+16 > len(w.src) {
		// Whole vectors would read beyond the input.
		m.Pack(panel, w.s.scale.Edge(len(p.taps)), w.gather(runs, worker, false), sign)
		return
	}
	if len(runs) == 1 {
		m.Pack(panel, p.taps, &w.src[runs[0].off], sign)
		return
	}
	m.Pack(panel, w.s.scale.Edge(len(p.taps)), w.gather(runs, worker, true), sign)
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
func (w *worker8) End8(c []int32, ld, row, rows, col, cols, worker int) {
	p := &w.s.planes
	size := align64(p.cols + 16)
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
	g, width := &w.s.g, w.s.planes.width
	for i := range rows {
		w.s.scale.Row(w.row0+row+i, len(line), &c[i*ld], &line[0])
		y := w.y[(row+i)*g.oh*g.ow : (row+i+1)*g.oh*g.ow]
		for at := 0; at < len(line); {
			oy, ox := (col+at)/width, (col+at)%width
			if oy >= g.oh {
				break
			}
			if ox < g.ow {
				copy(y[oy*g.ow+ox:(oy+1)*g.ow], line[at:])
			}
			at += width - ox
		}
	}
}
