package grad

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/pool"
)

// OpGradW is what the kernels of a convolution's gradient in its filters
// compute:
//
//	In[0]   f32[N, M, spatial...]   dY; it may have fewer positions than the Conv makes
//	In[1]   f32[N, C, spatial...]   X
//	Out[0]  f32[M, C/group, k...]   dW
//
// with the attributes of the Conv. Per image it is the product of dY, a row
// for each output channel, with the patches of X, a column for each tap. The
// images of a chunk are added in order, then the chunks.
const OpGradW = "convgradw.f32"

// chunksMax is how many chunks a batch has at most; maxPartial bounds the
// elements of all chunks' sums together.
const (
	chunksMax  = 16
	maxPartial = 1 << 22
)

// gradW is the state of a call. A unit of its work is one group of one chunk
// of images.
type gradW struct {
	g         geometry
	chunks    int
	workers   []gradWorker // as many as take units at the same time
	size      int          // elements of dW
	perWorker int
	padded    int // elements of a worker's scratch for padded planes
	direct    bool
	taps      taps
	call      *kernel.Call // of the run in progress
	summing   bool
}

type gradWorker struct {
	job *gemm.Job
	pat transposed
	src gemm.Source // in place of patches where they are the input itself
}

func prepareGradW(c *kernel.Call, m *gemm.Micro) (any, error) {
	if err := checkCount(c, "gradient of a convolution", 2, false); err != nil {
		return nil, err
	}
	g, err := geometryOf(c.Attrs, &c.In[1].Tensor, &c.Out[0].Tensor, &c.In[0].Tensor)
	if err != nil {
		return nil, err
	}
	s := &gradW{g: g, size: c.Out[0].Tensor.Len()}
	if s.empty() {
		return s, nil
	}
	s.chunks = max(1, min(chunksMax, g.n, maxPartial/max(1, s.size)))
	p := gemm.Params{M: g.m / g.group, N: g.c / g.group * g.taps(), K: g.places(), LdA: g.places()}
	p.LdC = p.N
	y, x := &g.ax[0], &g.ax[1]
	s.direct = g.taps() == 1 && y.Stride == 1 && x.Stride == 1 && y.Pad == 0 && x.Pad == 0 && y.In == y.out && x.In == x.out
	if !s.direct {
		// Before the offsets, which are int32.
		dims := []int{g.c / g.group, (y.out-1)*y.Stride + y.Span(), (x.out-1)*x.Stride + x.Span()}
		if n, ok := tensor.Count(dims); !ok || n > math.MaxInt32-2*gemm.Panel {
			return nil, &diag.Error{Kind: diag.Limit, Port: "elements of a group of the padded input", Have: fmt.Sprint(dims), Want: "less than 2^31"}
		}
		s.taps = newTaps(&g)
		s.padded = kernel.WholeFloats(g.c/g.group*s.taps.plane + gemm.Panel)
	}
	workers, each := kernel.Spread(s.chunks*g.group, p.M*p.N*p.K*(g.n/s.chunks), c.Pool.Threads())
	s.workers = make([]gradWorker, workers)
	for i := range s.workers {
		w := &s.workers[i]
		w.pat.taps = &s.taps
		p.Pack = &w.pat
		if s.direct {
			w.src = gemm.Source{K: p.K, N: p.N, Ld: p.K, Trans: true, Micro: m}
			p.Pack = &w.src
		}
		w.job = m.Prepare(p, each)
		s.perWorker = kernel.WholeFloats(w.job.Scratch()) + s.padded + kernel.WholeFloats(p.M*p.N)
	}
	return s, nil
}

// empty says that nothing adds to dW.
func (s *gradW) empty() bool { return s.g.n == 0 || s.g.places() == 0 || s.size == 0 }

// sumBlock is how many elements of dW are added up at a time.
const sumBlock = 1 << 12

func runGradW(c *kernel.Call) {
	s := c.State.(*gradW)
	dw := floats(&c.Out[0])
	if s.empty() {
		clear(dw)
		return
	}
	s.call = c
	units := s.chunks * s.g.group
	if len(s.workers) > 1 {
		c.Pool.Run(units, s)
	} else {
		for u := range units {
			s.unit(u, 0, c.Pool)
		}
	}
	s.summing = true
	c.Pool.Run((s.size+sumBlock-1)/sumBlock, s)
	s.summing, s.call = false, nil
}

// Do implements pool.Task: one unit on one worker, or one block of the sum
// over the chunks.
func (s *gradW) Do(u, worker int) {
	if !s.summing {
		s.unit(u, worker, nil)
		return
	}
	part := gemm.Floats(s.call.Scratch)
	from, to := u*sumBlock, min((u+1)*sumBlock, s.size)
	dw := floats(&s.call.Out[0])[from:to]
	copy(dw, part[from:to])
	for k := 1; k < s.chunks; k++ {
		add(dw, part[k*kernel.WholeFloats(s.size)+from:][:len(dw)])
	}
}

func add(dst, src []float32) {
	src = src[:len(dst)]
	for i, v := range src {
		dst[i] += v
	}
}

// unit adds up a group of a chunk of images.
func (s *gradW) unit(u, worker int, p *pool.Pool) {
	g, w, c := &s.g, &s.workers[worker], s.call
	chunk, group := u/g.group, u%g.group
	cg, mg := g.c/g.group, g.m/g.group
	all := gemm.Floats(c.Scratch)
	sum := all[chunk*kernel.WholeFloats(s.size)+group*mg*w.job.N:][:mg*w.job.N]
	scratch := all[s.chunks*kernel.WholeFloats(s.size)+worker*s.perWorker:][:s.perWorker]
	one, scratch := scratch[:mg*w.job.N], scratch[kernel.WholeFloats(mg*w.job.N):]
	dy, x := floats(&c.In[0]), floats(&c.In[1])
	first, last := g.n*chunk/s.chunks, g.n*(chunk+1)/s.chunks
	for i := first; i < last; i++ {
		image := x[(i*g.c+group*cg)*g.pixels():][:cg*g.pixels()]
		rest := scratch
		if s.direct {
			w.src.B = image
		} else {
			w.pat.src = rest[:s.padded]
			s.taps.pad(w.pat.src, image, g, cg)
			rest = rest[s.padded:]
		}
		w.job.A = dy[(i*g.m+group*mg)*w.job.K:]
		w.job.C = one
		if i == first {
			w.job.C = sum
		}
		w.job.Run(p, rest)
		if i > first {
			add(sum, one)
		}
	}
}

func gradWScratch(c *kernel.Call, _ int) int {
	s := c.State.(*gradW)
	if s.empty() {
		return 0
	}
	return 4 * (s.chunks*kernel.WholeFloats(s.size) + s.perWorker*len(s.workers))
}

// taps say where the patches of padded planes lie.
type taps struct {
	rows, ld, plane int     // of a padded plane
	places          []int32 // offset of each output position
	offs            []int32 // offset of each tap (channel, ky, kx) from that
	runs            []run   // taps that lie side by side, panel by panel
	first           []int32 // per panel of 16 taps: its first run; one more at the end
}

// run is n taps of a panel from column at on; off is that of the first.
type run struct{ off, at, n int32 }

func newTaps(g *geometry) taps {
	y, x := &g.ax[0], &g.ax[1]
	t := taps{rows: (y.out-1)*y.Stride + y.Span(), ld: (x.out-1)*x.Stride + x.Span()}
	t.plane = max(0, t.rows) * max(0, t.ld)
	for oy := range y.out {
		for ox := range x.out {
			t.places = append(t.places, int32(oy*y.Stride*t.ld+ox*x.Stride))
		}
	}
	for c := range g.c / g.group {
		for ky := range y.K {
			for kx := range x.K {
				t.offs = append(t.offs, int32(c*t.plane+ky*y.Dil*t.ld+kx*x.Dil))
			}
		}
	}
	for j := 0; j < len(t.offs); j += gemm.Panel {
		t.first = append(t.first, int32(len(t.runs)))
		end := min(j+gemm.Panel, len(t.offs))
		for i := j; i < end; {
			n := 1
			for i+n < end && t.offs[i+n] == t.offs[i]+int32(n) {
				n++
			}
			t.runs = append(t.runs, run{t.offs[i], int32(i - j), int32(n)})
			i += n
		}
	}
	t.first = append(t.first, int32(len(t.runs)))
	return t
}

// pad copies the planes of one group of an image into their padded form.
func (t *taps) pad(dst, src []float32, g *geometry, planes int) {
	y, x := &g.ax[0], &g.ax[1]
	left := min(x.Pad, t.ld)
	n := max(0, min(x.In, t.ld-left))
	for c := range planes {
		for r := range t.rows {
			row := dst[c*t.plane+r*t.ld:][:t.ld]
			in := r - y.Pad
			if in < 0 || in >= y.In {
				clear(row)
				continue
			}
			clear(row[:left])
			copy(row[left:], src[(c*y.In+in)*x.In:][:n])
			clear(row[left+n:])
		}
	}
	clear(dst[planes*t.plane:])
}

// transposed is the gemm.Packer of patches by row: row k is an output
// position, column j a tap. It reads one group of one image, padded, with 16
// elements behind it.
type transposed struct {
	src []float32
	*taps
}

// Pack implements gemm.Packer.
func (p *transposed) Pack(dst []float32, k0, kc, n0, n, _ int) {
	for j := n0 / gemm.Panel; n > 0; j, n = j+1, n-gemm.Panel {
		p.panel(dst[:kc*gemm.Panel], p.places[k0:k0+kc], p.runs[p.first[j]:p.first[j+1]])
		dst = dst[kc*gemm.Panel:]
	}
}

type four = [4]float32

// panel packs one panel, run by run, by stores of 4 elements that run over
// into what is written later. The last run is packed exactly.
func (p *transposed) panel(dst []float32, places []int32, runs []run) {
	end := runs[len(runs)-1]
	used := int(end.at + end.n)
	if used < gemm.Panel {
		clear(dst)
	}
	for _, r := range runs[:len(runs)-1] {
		// What a store takes beyond the run is within the row.
		p.column(dst, places, r, min(int(r.n+3)&^3, gemm.Panel-int(r.at)))
	}
	if len(runs) > 1 && used < gemm.Panel {
		for i := range places {
			clear(dst[i*gemm.Panel+used : (i+1)*gemm.Panel])
		}
	}
	p.column(dst, places, end, int(end.n))
}

// column packs n elements of a run, which may be more than it has, of all
// rows.
func (p *transposed) column(dst []float32, places []int32, r run, n int) {
	from := unsafe.Pointer(&p.src[r.off])
	to := unsafe.Pointer(&dst[r.at])
	i := 0
	for ; i+4 <= n; i += 4 {
		d, s := unsafe.Add(to, i*4), unsafe.Add(from, i*4)
		for _, o := range places {
			*(*four)(d) = *(*four)(unsafe.Add(s, uintptr(o)*4))
			d = unsafe.Add(d, 4*gemm.Panel)
		}
	}
	for ; i < n; i++ {
		d, s := unsafe.Add(to, i*4), unsafe.Add(from, i*4)
		for _, o := range places {
			*(*float32)(d) = *(*float32)(unsafe.Add(s, uintptr(o)*4))
			d = unsafe.Add(d, 4*gemm.Panel)
		}
	}
}
