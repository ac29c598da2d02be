package grad

import (
	"math"
	"slices"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
)

// OpNorm is BatchNormalization in training mode: In is X f32[N, C, ...],
// scale, B, mean, var; Out is Y, running mean, running var (the last two may
// be absent); attributes epsilon and momentum.
const OpNorm = "batchnorm.f32"

// OpNormGrad is its gradient: In is dY, X, scale; Out is dX, dscale, dB (the
// last two may be absent); attribute epsilon.
const OpNormGrad = "batchnormgrad.f32"

// norm is the state of a call; a unit of its work is a channel. The elements
// of a channel are seen in blocks of up to normBlock, whole planes of several
// images or parts of one; each block is summed as reduce does, blocks are
// added in order in float64.
type norm struct {
	n, c, size int
	images     int // of a block
	part       int // elements of a plane that a block holds
	f          *eltwise.Funcs
	r          *reduce.Funcs
	gradient   bool
	call       *kernel.Call
}

const normBlock = 4096

func prepareNorm(c *kernel.Call, f *eltwise.Funcs, r *reduce.Funcs, gradient bool) (any, error) {
	if err := checkNorm(c, gradient); err != nil {
		return nil, err
	}
	x := &c.In[0].Tensor
	s := &norm{n: 1, c: 1, size: 1, f: f, r: r, gradient: gradient}
	for i, d := range x.Dims() {
		switch i {
		case 0:
			s.n = d
		case 1:
			s.c = d
		default:
			s.size *= d
		}
	}
	vectors := c.In[1:]
	if gradient {
		vectors = c.In[2:]
		dy := &c.In[1].Tensor
		if dy.DType() != dtype.F32 {
			return nil, diag.New(diag.Internal, "gradient of a normalization of %v by %v", dy.Type(), x.Type())
		}
		if dy.Len() != x.Len() {
			return nil, &diag.Error{Kind: diag.Shape, Port: "dY of a normalization", Have: dy.Type().String(), Want: x.Type().String()}
		}
	}
	for _, v := range c.Out[1:] {
		if v.Present() {
			vectors = append(slices.Clone(vectors), v)
		}
	}
	for i := range vectors {
		if v := &vectors[i].Tensor; v.Len() != s.c || v.DType() != dtype.F32 {
			return nil, &diag.Error{Kind: diag.Shape, Port: "statistics of a normalization", Have: v.Type().String(), Want: x.Type().String()}
		}
	}
	s.images, s.part = max(1, normBlock/max(1, s.size)), min(normBlock, s.size)
	return s, nil
}

// checkNorm compares the numbers of operands and results, and what is as large
// as X, with what the kernel takes.
func checkNorm(c *kernel.Call, gradient bool) error {
	ins := 5
	if gradient {
		ins = 3
	}
	if len(c.In) != ins || len(c.Out) < 1 || len(c.Out) > 3 {
		return diag.New(diag.Internal, "normalization with %d inputs and %d outputs", len(c.In), len(c.Out))
	}
	x, y := &c.In[0].Tensor, &c.Out[0].Tensor
	if x.DType() != dtype.F32 || y.DType() != dtype.F32 {
		return diag.New(diag.Internal, "normalization of %v to %v", x.Type(), y.Type())
	}
	if x.Len() != y.Len() { // of extents that only the run knows
		return &diag.Error{Kind: diag.Shape, Port: "result of a normalization", Have: y.Type().String(), Want: x.Type().String()}
	}
	return nil
}

func runNorm(c *kernel.Call) {
	s := c.State.(*norm)
	s.call = c
	c.Pool.Run(s.c, s)
	s.call = nil
}

func normScratch(_ *kernel.Call, threads int) int { return max(1, threads) * 2 * normBlock * 4 }

// Do implements pool.Task: one channel.
func (s *norm) Do(k, worker int) {
	buf := gemm.Floats(s.call.Scratch)[worker*2*normBlock:][:2*normBlock]
	if s.gradient {
		s.back(k, buf[:normBlock], buf[normBlock:])
		return
	}
	s.forward(k, buf[:normBlock], buf[normBlock:])
}

// block is a run of elements of a channel: part of the planes of some images.
type block struct{ image, images, at, n int }

// next moves b, which begins as the zero block, to the following one.
func (s *norm) next(b *block) bool {
	if b.images > 0 {
		if b.at += b.n; b.at >= s.size {
			b.image, b.at = b.image+b.images, 0
		}
	}
	if b.image >= s.n || s.size == 0 {
		return false
	}
	b.images, b.n = 1, min(s.part, s.size-b.at)
	if b.n == s.size {
		b.images = min(s.images, s.n-b.image)
	}
	return true
}

// read copies a block of channel k into dst.
func (s *norm) read(dst, x []float32, k int, b *block) []float32 {
	dst = dst[:b.images*b.n]
	if s.size == 1 {
		for i := range dst {
			dst[i] = x[(b.image+i)*s.c+k]
		}
		return dst
	}
	for i := range b.images {
		copy(dst[i*b.n:(i+1)*b.n], x[((b.image+i)*s.c+k)*s.size+b.at:])
	}
	return dst
}

func (s *norm) write(y, src []float32, k int, b *block) {
	if s.size == 1 {
		for i, v := range src {
			y[(b.image+i)*s.c+k] = v
		}
		return
	}
	for i := range b.images {
		copy(y[((b.image+i)*s.c+k)*s.size+b.at:][:b.n], src[i*b.n:(i+1)*b.n])
	}
}

// stats are the mean and the variance of channel k.
func (s *norm) stats(x []float32, k int, t []float32) (mean, variance float64) {
	count := float64(s.n * s.size)
	for b := (block{}); s.next(&b); {
		mean += float64(s.r.Sum(s.read(t, x, k, &b)))
	}
	mean /= count
	for b := (block{}); s.next(&b); {
		d := s.read(t, x, k, &b)
		s.f.AddS(d, d, float32(-mean))
		s.f.Mul(d, d, d)
		variance += float64(s.r.Sum(d))
	}
	// The mean was rounded before it was taken off: that shift is squared in.
	shift := mean - float64(float32(mean))
	return mean, max(0, variance/count-float64(shift*shift))
}

func (s *norm) forward(k int, t, _ []float32) {
	c := s.call
	x, y := floats(&c.In[0]), floats(&c.Out[0])
	mean, variance := s.stats(x, k, t)
	momentum := float64(c.Attrs.Float("momentum"))
	for i, v := range [2]float64{mean, variance} {
		if i+1 < len(c.Out) && c.Out[i+1].Present() {
			floats(&c.Out[i+1])[k] = float32(float64(float64(floats(&c.In[3+i])[k])*momentum) + float64(v*(1-momentum)))
		}
	}
	f := float64(floats(&c.In[1])[k]) / math.Sqrt(variance+float64(c.Attrs.Float("epsilon")))
	shift := floats(&c.In[2])[k]
	if !math.IsInf(f, 0) { // what rounding took off the mean, which infinity would make NaN
		shift = float32(float64(floats(&c.In[2])[k]) + float64((float64(float32(mean))-mean)*f))
	}
	for b := (block{}); s.next(&b); {
		d := s.read(t, x, k, &b)
		s.f.AddS(d, d, float32(-mean))
		s.f.MulS(d, d, float32(f))
		s.f.AddS(d, d, shift)
		s.write(y, d, k, &b)
	}
}

func (s *norm) back(k int, t, u []float32) {
	c := s.call
	dy, x, dx := floats(&c.In[0]), floats(&c.In[1]), floats(&c.Out[0])
	if len(x) == 0 {
		for i := 1; i < len(c.Out); i++ {
			if c.Out[i].Present() {
				floats(&c.Out[i])[k] = 0
			}
		}
		return
	}
	mean, variance := s.stats(x, k, t)
	inv := 1 / math.Sqrt(variance+float64(c.Attrs.Float("epsilon")))
	var sum, dot float64
	for b := (block{}); s.next(&b); {
		d, v := s.read(u, dy, k, &b), s.read(t, x, k, &b)
		sum += float64(s.r.Sum(d))
		s.f.AddS(v, v, float32(-mean))
		s.f.Mul(v, v, d)
		dot += float64(s.r.Sum(v))
	}
	dot = (dot + float64((float64(float32(mean))-mean)*sum)) * inv
	for i, v := range [2]float64{dot, sum} {
		if i+1 < len(c.Out) && c.Out[i+1].Present() {
			floats(&c.Out[i+1])[k] = float32(v)
		}
	}
	count := float64(s.n * s.size)
	f := float64(floats(&c.In[2])[k]) * inv
	slope, shift := float32(-dot/count*inv), float32(-sum/count)
	for b := (block{}); s.next(&b); {
		d, v := s.read(u, dy, k, &b), s.read(t, x, k, &b)
		s.f.AddS(v, v, float32(-mean))
		s.f.MulS(v, v, slope)
		s.f.Add(v, v, d)
		s.f.AddS(v, v, shift)
		s.f.MulS(v, v, float32(f))
		s.write(dx, v, k, &b)
	}
}
