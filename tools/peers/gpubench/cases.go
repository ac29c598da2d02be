package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mlc-go/mlc/backend/target"
	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/build"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/exec"
	"github.com/mlc-go/mlc/runtime/kernel/all"
	"github.com/mlc-go/mlc/runtime/plan"
)

// bench is a compiled graph whose launches are timed.
type bench struct {
	name   string
	target string
	half   bool    // measured against tensor cores
	bar    float64 // share of the peak
	graph  func() (*ir.Module, error)
	// exact computes element i of the result in float64.
	exact func(in []tensor.Value, i int) float64
}

// cases are the products and convolutions.
func cases(capability int, small bool) []bench {
	n, conv := 4096, convShape{n: 16, c: 64, size: 56, filters: 64}
	if small {
		n, conv = 40, convShape{n: 1, c: 8, size: 9, filters: 12}
	}
	half := fmt.Sprintf("%s:sm_%d+f16", target.CUDA, latest(capability))
	square := fmt.Sprintf("%d x %d x %d", n, n, n)
	return []bench{
		{name: "MatMul f32 " + square, target: target.CUDA, bar: 0.5, graph: matmul(n), exact: dot(n)},
		{name: "MatMul f16 " + square, target: half, half: true, graph: matmul(n), exact: dot(n)},
		{name: "Conv f32 " + conv.String(), target: target.CUDA, graph: conv.graph, exact: conv.exact},
		{name: "Conv f16 " + conv.String(), target: half, half: true, graph: conv.graph, exact: conv.exact},
	}
}

// latest is the latest target that a device runs.
func latest(capability int) int {
	sm := 75
	for n := sm; n <= capability; n++ {
		if _, err := target.Parse(fmt.Sprintf("%s:sm_%d", target.CUDA, n)); err == nil {
			sm = n
		}
	}
	return sm
}

func matmul(n int) func() (*ir.Module, error) {
	return func() (*ir.Module, error) {
		b := build.New("matmul", op.Builtin())
		t := tensor.T(dtype.F32, shape.Ints(n, n)...)
		b.Result("y", b.MatMul(b.Param("a", t), b.Param("b", t)))
		return b.Finish()
	}
}

func dot(n int) func(in []tensor.Value, i int) float64 {
	return func(in []tensor.Value, i int) float64 {
		a, b, sum := tensor.Slice[float32](&in[0].Tensor), tensor.Slice[float32](&in[1].Tensor), 0.0
		for k := range n {
			sum += float64(a[i/n*n+k]) * float64(b[k*n+i%n])
		}
		return sum
	}
}

// convShape is a convolution 3 x 3 that keeps its extents, as ResNet-50 has.
type convShape struct{ n, c, size, filters int }

func (s convShape) String() string {
	return fmt.Sprintf("3x3 %d x %d x %d x %d", s.n, s.c, s.size, s.size)
}

// weights are the same in each build.
func (s convShape) weights() (tensor.Tensor, error) {
	return tensor.Random(dtype.F32, 9, s.filters, s.c, 3, 3)
}

func (s convShape) graph() (*ir.Module, error) {
	w, err := s.weights()
	if err != nil {
		return nil, err
	}
	b := build.New("conv", op.Builtin())
	x := b.Param("x", tensor.T(dtype.F32, shape.Ints(s.n, s.c, s.size, s.size)...))
	b.Result("y", b.Relu(b.Conv(x, b.Const(w), nil, build.Pads(1, 1, 1, 1))))
	return b.Finish()
}

func (s convShape) exact(in []tensor.Value, i int) float64 {
	t, err := s.weights()
	if err != nil {
		return math.NaN()
	}
	x, w := tensor.Slice[float32](&in[0].Tensor), tensor.Slice[float32](&t)
	px, py := i%s.size, i/s.size%s.size
	f, image := i/(s.size*s.size)%s.filters, i/(s.size*s.size*s.filters)
	sum := 0.0
	for c := range s.c {
		for k := range 9 {
			if iy, ix := py+k/3-1, px+k%3-1; iy >= 0 && iy < s.size && ix >= 0 && ix < s.size {
				sum += float64(x[((image*s.c+c)*s.size+iy)*s.size+ix]) * float64(w[(f*s.c+c)*9+k])
			}
		}
	}
	return max(sum, 0)
}

// measure compiles, runs once, checks, and times the launches alone.
func (c bench) measure(ctx context.Context, d device, small bool) result {
	x := result{Name: c.name, Target: c.target}
	if err := c.into(ctx, d, small, &x); err != nil {
		x.Error = err.Error()
	}
	x.OK = x.Error == ""
	return x
}

func (c bench) into(ctx context.Context, d device, small bool, x *result) (err error) {
	m, err := c.graph()
	if err != nil {
		return err
	}
	art, err := codegen.Build(ctx, codegen.Graph(m), codegen.Options{Target: c.target})
	if err != nil {
		return err
	}
	defer art.Close()
	p := art.Program()
	macs := int64(0)
	for _, in := range p.Main().Body {
		if in.Op == plan.Call {
			return fmt.Errorf("%s stays on the host", in.Name)
		}
		macs += in.MACs
	}
	rec := &recorder{Device: d}
	model, err := exec.NewOn(p, all.Set(), cpu.Host(), rec)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	s := model.NewSession(1, 0)
	defer func() { err = errors.Join(err, s.Close()) }()
	in, out := make([]tensor.Value, len(p.Main().Params)), make([]tensor.Value, 1)
	for i, slot := range p.Main().Params {
		var dims []int
		for _, e := range p.Main().Slots[slot].Type.Dims {
			n, _ := e.Const()
			dims = append(dims, int(n))
		}
		t, err := tensor.Random(dtype.F32, uint64(i+1), dims...)
		if err != nil {
			return err
		}
		in[i] = tensor.V(t)
	}
	rec.list = nil
	if err := s.Run(ctx, in, out); err != nil {
		return err
	}
	if x.Largest, err = c.check(in, &out[0].Tensor); err != nil {
		return err
	}
	// The session's memory stays where it is, so that its launches can be
	// repeated without its copies.
	q, err := d.Queue()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	took, err := best(ctx, d, q, small, func() error {
		for _, l := range rec.list {
			if err := q.Launch(ctx, l.kernel, l.grid, l.block, l.args); err != nil {
				return err
			}
		}
		return nil
	})
	x.rate(2*float64(macs), took)
	return err
}

// check compares elements all over the result with what float64 gives.
func (c bench) check(in []tensor.Value, y *tensor.Tensor) (float64, error) {
	v := tensor.Slice[float32](y)
	most, off := 0.0, 0.0
	for k := range 500 {
		i := int(uint64(k) * 2654435761 % uint64(len(v)))
		want := c.exact(in, i)
		most, off = max(most, math.Abs(want)), max(off, math.Abs(want-float64(v[i])))
		if math.IsNaN(float64(v[i])) {
			off = math.Inf(1)
		}
	}
	tol := 1e-5
	if c.half {
		tol = 5e-3
	}
	if off /= most; off > tol {
		return off, fmt.Errorf("off by %.2g of the largest element, at most %.0g is right", off, tol)
	}
	return off, nil
}

// best is the least time of one f, of several batches after a warm-up.
func best(ctx context.Context, d device, q exec.Queue, small bool, f func() error) (time.Duration, error) {
	one, err := d.Time(ctx, q, f)
	if err != nil || small {
		return one, err
	}
	// A batch takes some 30 ms, so that neither the first launch nor the clock
	// of the events counts.
	n := int(min(1000, max(1, 30*time.Millisecond/max(one, time.Microsecond))))
	least := time.Duration(math.MaxInt64)
	for range 7 {
		took, err := d.Time(ctx, q, func() error {
			for range n {
				if err := f(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		least = min(least, took/time.Duration(n))
	}
	return least, nil
}

// recorder is a device that notes what is launched.
type recorder struct {
	exec.Device
	list []launch
}

type launch struct {
	kernel      exec.Kernel
	grid, block [3]int
	args        []uint64
}

func (r *recorder) Queue() (exec.Queue, error) {
	q, err := r.Device.Queue()
	return noting{q, r}, err
}

type noting struct {
	exec.Queue
	r *recorder
}

func (q noting) Launch(ctx context.Context, k exec.Kernel, grid, block [3]int, args []uint64) error {
	q.r.list = append(q.r.list, launch{k, grid, block, slices.Clone(args)})
	return q.Queue.Launch(ctx, k, grid, block, args)
}
