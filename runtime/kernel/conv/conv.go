package conv

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/pool"
)

// OpConv is what the kernels of a convolution compute:
//
//	In[0]      f32[N, C, spatial...]   one or two spatial axes
//	Consts[0]  gemm.FormatA of each group's filters [M/group, C/group*taps]
//	Out[0]     f32[N, M, spatial...]
//
// with the attributes of ONNX Conv, kernel_shape among them. What the epilogue
// (eltwise.AttrProg) takes follows In[0] and Consts[0].
const OpConv = "conv.f32"

// convolution is the state of a call. A unit of its work is one group of one
// image, a product.
type convolution struct {
	g       geometry
	planes  planes
	workers []worker // as many as take units at the same time
	end     *gemm.Ending

	arranged  int // elements of a worker's scratch for arranged planes
	perWorker int
	call      *kernel.Call // of the run in progress
}

type worker struct {
	job *gemm.Job
	epi *gemm.Part
	pat patches
	src gemm.Source // in place of patches where they are the input itself
	arr arranger
}

func prepareConv(c *kernel.Call, m *gemm.Micro, f *eltwise.Funcs) (any, error) {
	g, err := geometryOf(c, false)
	if err != nil {
		return nil, err
	}
	s := &convolution{g: g}
	if c.Out[0].Tensor.Len() == 0 {
		return s, nil
	}
	p := gemm.Params{M: g.m / g.group, N: g.oh * g.ow, K: g.c / g.group * g.taps(), LdC: g.oh * g.ow}
	if err := checkFilters(c, g.m, g.c/g.group, g.kh, g.kw); err != nil {
		return nil, err
	}
	if s.end, err = gemm.NewEnding(c, f, 1, 1, 1, 1); err != nil {
		return nil, err
	}
	var offs *offsets
	pointwise := g.taps() == 1 && g.sh == 1 && g.sw == 1 && g.pt == 0 && g.pl == 0 && g.oh == g.h && g.ow == g.w
	if s.planes.direct = pointwise; !pointwise {
		s.planes = newPlanes(&g)
		dims := []int{g.c / g.group, s.planes.rows, s.planes.ld()}
		if n, ok := tensor.Count(dims); !ok || n > math.MaxInt32-slack {
			return nil, &diag.Error{Kind: diag.Limit, Port: "elements of a group of the padded input", Have: fmt.Sprint(dims), Want: "less than 2^31"}
		}
		offs = newOffsets(&g, &s.planes)
		if !s.planes.direct {
			s.arranged = kernel.WholeFloats(g.c/g.group*s.planes.size() + slack)
		}
	}
	workers, each := kernel.Spread(g.n*g.group, p.M*p.N*p.K, c.Pool.Threads())
	s.workers = make([]worker, workers)
	for i := range s.workers {
		w := &s.workers[i]
		w.pat.offsets, w.arr = offs, arranger{g: &s.g, p: &s.planes}
		p.Pack = &w.pat
		if pointwise {
			w.src = gemm.Source{K: p.K, N: p.N, Ld: p.N, Micro: m}
			p.Pack = &w.src
		}
		w.job = m.Prepare(p, each)
		w.epi = s.end.Attach(w.job)
		s.perWorker = kernel.WholeFloats(w.job.Scratch() + s.arranged)
	}
	return s, nil
}

// checkFilters compares the packed filters with the extents of what they hold.
func checkFilters(c *kernel.Call, dims ...int) error {
	if len(c.Consts) == 0 || c.Consts[0].DType() != dtype.F32 {
		return diag.New(diag.Internal, "convolution without filters of f32")
	}
	if n, ok := tensor.Count(dims); !ok || n != c.Consts[0].Len() {
		return &diag.Error{Kind: diag.Shape, Port: "W", Have: fmt.Sprintf("%d elements", c.Consts[0].Len()), Want: fmt.Sprintf("%d of %v", n, dims)}
	}
	return nil
}

func runConv(c *kernel.Call) {
	s := c.State.(*convolution)
	if len(s.workers) == 0 { // the output is empty
		return
	}
	s.call = c
	s.end.Bind(c)
	units := s.g.n * s.g.group
	if len(s.workers) > 1 {
		c.Pool.Run(units, s)
	} else {
		for u := range units {
			s.unit(u, 0, c.Pool)
		}
	}
	s.call = nil
}

// Do implements pool.Task: one unit, on one worker.
func (s *convolution) Do(u, worker int) { s.unit(u, worker, nil) }

// unit convolves a group of an image.
func (s *convolution) unit(u, worker int, p *pool.Pool) {
	g, w, c := &s.g, &s.workers[worker], s.call
	image, group := u/g.group, u%g.group
	j, cg, mg := w.job, g.c/g.group, g.m/g.group
	scratch := gemm.Floats(c.Scratch)[worker*s.perWorker:]
	x := data(&c.In[0])[(image*g.c+group*cg)*g.h*g.w:][:cg*g.h*g.w]
	switch {
	case s.planes.direct:
		w.src.B, w.pat.src = x, x
	default:
		w.arr.src, w.arr.dst = x, scratch[:s.arranged]
		p.Run(cg, &w.arr)
		w.pat.src, scratch = scratch[:s.arranged], scratch[s.arranged:]
	}
	j.A = tensor.Slice[float32](&c.Consts[0])[group*mg*j.K:]
	j.C = data(&c.Out[0])[(image*g.m+group*mg)*j.N:]
	w.epi.Move(image, group*mg)
	j.Run(p, scratch)
}

func convScratch(c *kernel.Call, _ int) int {
	s := c.State.(*convolution)
	return 4 * s.perWorker * len(s.workers)
}
