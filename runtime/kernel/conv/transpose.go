package conv

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// OpTranspose is what the kernels of a transposed convolution compute:
//
//	In[0]      f32[N, C, spatial...]   one or two spatial axes
//	Consts[0]  FormatTranspose of the filters
//	Out[0]     f32[N, M, spatial...]
//
// with the attributes of ONNX ConvTranspose, kernel_shape among them. What the
// epilogue (eltwise.AttrProg) takes follows In[0] and Consts[0].
//
// Per output: from zero, the products of its taps, each a sum over the
// channels as in gemm, are added in ascending order of (ky, kx).
const OpTranspose = "convtranspose.f32"

// FormatTranspose holds the filters of ConvTranspose as [group][M/group, taps,
// C/group].
const FormatTranspose = "convtranspose.f32.row"

// PackTranspose writes W[C, M/group, taps] to dst in FormatTranspose.
func PackTranspose(dst, w []float32, c, mg, taps, group int) {
	cg, rows := c/group, mg*taps
	for g := range group {
		for i := range rows {
			d := dst[(g*rows+i)*cg : (g*rows+i+1)*cg]
			for x := range d {
				d[x] = w[(g*cg+x)*rows+i]
			}
		}
	}
}

// transposed is the state of a call. A unit of its work is a block of channels
// of one group of one image.
type transposed struct {
	g       geometry
	block   int // output channels of a unit; the last of a group may have fewer
	blocks  int // of a group
	workers []twoJobs
	end     *gemm.Ending

	products  int // elements of a worker's scratch for products
	perWorker int
	call      *kernel.Call // of the run in progress
}

// twoJobs multiply whole blocks and the rest.
type twoJobs struct {
	whole, rest *gemm.Job
	src         gemm.Source
	epi         *gemm.Part
}

// productsMax is how many products of a unit are kept, so that they stay near
// the core.
const productsMax = 1 << 18

func prepareTransposed(c *kernel.Call, m *gemm.Micro, f *eltwise.Funcs) (any, error) {
	g, err := geometryOf(c, true)
	if err != nil {
		return nil, err
	}
	cg, mg, n := g.c/g.group, g.m/g.group, g.h*g.w
	if err := checkFilters(c, g.c, mg, g.kh, g.kw); err != nil {
		return nil, err
	}
	threads := c.Pool.Threads()
	s := &transposed{g: g, block: mg}
	if c.Out[0].Tensor.Len() == 0 {
		return s, nil
	}
	if per := g.taps() * max(1, n); s.block*per > productsMax {
		s.block = max(1, productsMax/per)
	}
	if threads > 1 {
		s.block = max(1, min(s.block, (mg*g.n*g.group+4*threads-1)/(4*threads)))
	}
	s.block = max(1, s.block)
	s.blocks = (mg + s.block - 1) / s.block
	if dims := []int{s.block, g.taps(), n}; !counts(dims) {
		return nil, &diag.Error{Kind: diag.Limit, Port: "products of a channel", Have: fmt.Sprint(dims), Want: "less than 2^31"}
	}
	s.products = kernel.WholeFloats(s.block * g.taps() * n)
	if s.end, err = gemm.NewEnding(c, f, 1, 1, 1, 1); err != nil {
		return nil, err
	}
	p := gemm.Params{M: s.block * g.taps(), N: n, K: cg, LdA: cg, LdC: n}
	s.workers = make([]twoJobs, threads)
	for i := range s.workers {
		w := &s.workers[i]
		w.src = gemm.Source{K: cg, N: n, Ld: n, Micro: m}
		p.Pack = &w.src
		p.M = s.block * g.taps()
		w.whole = m.Prepare(p, 1)
		p.M = mg % s.block * g.taps()
		w.rest = m.Prepare(p, 1)
		w.epi = s.end.Part()
		s.perWorker = s.products + kernel.WholeFloats(max(w.whole.Scratch(), w.rest.Scratch()))
	}
	return s, nil
}

// counts says whether the product of extents is one of a worker's scratch.
func counts(dims []int) bool {
	n, ok := tensor.Count(dims)
	return ok && n <= math.MaxInt32-slack
}

func runTransposed(c *kernel.Call) {
	s := c.State.(*transposed)
	if len(s.workers) == 0 { // the output is empty
		return
	}
	s.call = c
	s.end.Bind(c)
	c.Pool.Run(s.g.n*s.g.group*s.blocks, s)
	s.call = nil
}

// Do implements pool.Task: one unit.
func (s *transposed) Do(u, worker int) {
	g, w, c := &s.g, &s.workers[worker], s.call
	image, group, first := u/s.blocks/g.group, u/s.blocks%g.group, u%s.blocks*s.block
	cg, mg, n := g.c/g.group, g.m/g.group, g.h*g.w
	j, count := w.whole, s.block
	if first+count > mg {
		j, count = w.rest, mg-first
	}
	scratch := gemm.Floats(c.Scratch)[worker*s.perWorker : (worker+1)*s.perWorker]
	z := scratch[:s.products]
	w.src.B = data(&c.In[0])[(image*g.c+group*cg)*n:][:cg*n]
	j.A = tensor.Slice[float32](&c.Consts[0])[(group*mg+first)*g.taps()*cg:]
	j.C = z
	j.Run(nil, scratch[s.products:])
	size := g.oh * g.ow
	channel := group*mg + first
	y := data(&c.Out[0])[(image*g.m+channel)*size:]
	for i := range count {
		s.add(y[i*size:(i+1)*size], z[i*g.taps()*n:])
	}
	if w.epi != nil {
		w.epi.Move(image, channel)
		w.epi.Apply(y, size, 0, count, 0, size)
	}
}

// add sums up the products z[taps, H, W] of one output channel.
func (s *transposed) add(y, z []float32) {
	g := &s.g
	clear(y)
	for ky := range g.kh {
		y0, y1 := reach(g.h, g.oh, g.sh, ky*g.dh-g.pt)
		for kx := range g.kw {
			x0, x1 := reach(g.w, g.ow, g.sw, kx*g.dw-g.pl)
			if x0 < x1 {
				for iy := y0; iy < y1; iy++ {
					row := (iy*g.sh + ky*g.dh - g.pt) * g.ow
					addRow(y[row:row+g.ow], z[iy*g.w+x0:iy*g.w+x1], x0*g.sw+kx*g.dw-g.pl, g.sw)
				}
			}
			z = z[g.h*g.w:]
		}
	}
}

// reach gives the input positions i in [0, in) for which i*s+off is in [0, out).
func reach(in, out, s, off int) (from, to int) {
	if off < 0 {
		from = (-off + s - 1) / s
	}
	if out > off {
		to = min(in, (out-off+s-1)/s)
	}
	return min(from, in), to
}

// addRow adds src to every s-th element of dst from at on.
func addRow(dst, src []float32, at, s int) {
	if s == 1 {
		dst = dst[at : at+len(src)]
		for i, v := range src {
			dst[i] += v
		}
		return
	}
	for _, v := range src {
		dst[at] += v
		at += s
	}
}

func transposedScratch(c *kernel.Call, _ int) int {
	s := c.State.(*transposed)
	return 4 * s.perWorker * len(s.workers)
}
