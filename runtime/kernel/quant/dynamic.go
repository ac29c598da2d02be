package quant

import (
	"math"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// OpDynamic is ONNX's DynamicQuantizeLinear:
//
//	In[0]   f32[...]
//	Out[0]  u8[...]
//	Out[1]  f32[]   scale       or absent
//	Out[2]  u8[]    zero point  or absent
const OpDynamic = "dynquantize.i8"

// Dynamic_generic quantizes by the range of the values, in plain Go.
var Dynamic_generic = kernel.Desc{ID: "dynquantize.i8.generic", Op: OpDynamic, Prepare: dynamicGeneric, Run: runDynamic}

func dynamicGeneric(c *kernel.Call) (any, error) { return prepareDynamic(c, &Generic) }

// dynamic is a prepared OpDynamic, and the pool's Task: a chunk of the range,
// then of the quantizing.
type dynamic struct {
	flat
	ranging bool
	ranges  []bounded // by worker
}

// bounded are 16 ranges, and less than 16 values with zeros behind them.
type bounded struct{ lo, hi, rest [16]float32 }

func prepareDynamic(c *kernel.Call, f *Funcs) (any, error) {
	if len(c.In) != 1 || len(c.Out) < 1 || len(c.Out) > 3 {
		return nil, diag.New(diag.Internal, "quantizing by range with %d inputs, %d outputs", len(c.In), len(c.Out))
	}
	for i := range c.Out {
		v, want := &c.Out[i], []dtype.DType{dtype.U8, dtype.F32, dtype.U8}[i]
		if i > 0 && !v.Present() {
			continue
		}
		n := 1
		if i == 0 {
			n = c.In[0].Tensor.Len()
		}
		if t := &v.Tensor; t.DType() != want || t.Len() != n || c.In[0].Tensor.DType() != dtype.F32 {
			return nil, diag.New(diag.Internal, "quantizing of %v by range gives output %d as %v", c.In[0].Tensor.Type(), i, t.Type())
		}
	}
	threads := c.Pool.Threads()
	return &dynamic{flat: flat{kind: quantizing, f: f, n: c.In[0].Tensor.Len(), tails: make([]tail, threads)}, ranges: make([]bounded, threads)}, nil
}

func runDynamic(c *kernel.Call) {
	s := c.State.(*dynamic)
	s.call = c
	chunks := (s.n + chunk - 1) / chunk
	clear(s.ranges)
	s.ranging = true
	c.Pool.Run(chunks, s)
	s.ranging = false
	var lo, hi float32
	for i := range s.ranges {
		for j, v := range s.ranges[i].lo {
			lo, hi = min(lo, v), max(hi, s.ranges[i].hi[j])
		}
	}
	var zero int
	s.scale, zero = dynamicScale(lo, hi)
	s.rule = NewRule(dtype.U8, zero, 0, math.MaxUint8)
	c.Pool.Run(chunks, s)
	s.call = nil
	if len(c.Out) > 1 && c.Out[1].Present() {
		tensor.Slice[float32](&c.Out[1].Tensor)[0] = s.scale
	}
	if len(c.Out) > 2 && c.Out[2].Present() {
		c.Out[2].Tensor.Bytes()[0] = uint8(zero)
	}
}

// dynamicScale is the scale and the zero point of a range that holds 0.
func dynamicScale(lo, hi float32) (scale float32, zero int) {
	scale = float32(hi-lo) / 255
	if scale == 0 {
		scale = 1
	}
	z := min(max(float32(0-lo)/scale, 0), 255)
	if z != z {
		z = 0 // an infinite range
	}
	return scale, int(math.RoundToEven(float64(z)))
}

// Do implements pool.Task.
func (s *dynamic) Do(i, worker int) {
	if !s.ranging {
		s.flat.Do(i, worker)
		return
	}
	x := tensor.Slice[float32](&s.call.In[0].Tensor)[i*chunk : min((i+1)*chunk, s.n)]
	r := &s.ranges[worker]
	if n := len(x) &^ 15; n > 0 {
		s.f.Bounds(n, &x[0], &r.lo[0], &r.hi[0])
		x = x[n:]
	}
	if len(x) > 0 {
		r.rest = [16]float32{}
		copy(r.rest[:], x)
		s.f.Bounds(16, &r.rest[0], &r.lo[0], &r.hi[0])
	}
}
