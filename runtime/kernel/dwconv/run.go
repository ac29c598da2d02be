package dwconv

import (
	"fmt"
	"unsafe"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
)

// OpF32 is what the kernels of this package compute: Conv with as many groups
// as X has channels, in two dimensions. In is X, the bias (may be absent) and
// the operands of the epilogue; Consts is W in FormatPlain. Attributes are
// those of Conv, and "prog" for the epilogue (eltwise.Epilogue over channels
// as rows), whose values 1 and up are In[2] and up.
const OpF32 = "dwconv.f32"

// FormatPlain is W as ONNX has it, [M, 1, kh, kw].
const FormatPlain = "dwconv.f32.plain"

// F32_generic is the depthwise convolution in plain Go.
var F32_generic = kernel.Desc{ID: "dwconv.f32.generic", Op: OpF32, Format: FormatPlain, Prepare: prepareGeneric, Run: run, Scratch: scratchBytes}

func prepareGeneric(c *kernel.Call) (any, error) { return prepare(&generic, c) }

// state is a prepared call, and the pool's Task.
type state struct {
	*geometry
	f            *funcs
	epi          *eltwise.Epilogue
	x, w, b, y   []float32
	scratch      []float32
	image, block int // floats of scratch a worker
}

func prepare(f *funcs, c *kernel.Call) (any, error) {
	if len(c.In) < 1 || len(c.Consts) != 1 || len(c.Out) != 1 {
		return nil, diag.New(diag.Internal, "dwconv: have %d inputs, %d constants, %d outputs", len(c.In), len(c.Consts), len(c.Out))
	}
	x, w, y := &c.In[0].Tensor, &c.Consts[0], &c.Out[0].Tensor
	for i, t := range []*tensor.Tensor{x, w, y} {
		if t.DType() != dtype.F32 {
			return nil, &diag.Error{Kind: diag.Internal, Port: "dwconv " + []string{"X", "W", "Y"}[i], Have: t.DType().String(), Want: "f32"}
		}
	}
	g, err := newGeometry(c.Attrs, x.Dims(), w.Dims(), y.Dims())
	if err != nil {
		return nil, err
	}
	s := &state{geometry: g, f: f}
	if hasBias(c) {
		if b := &c.In[1].Tensor; b.DType() != dtype.F32 || b.Len() != g.m {
			return nil, &diag.Error{Kind: diag.Shape, Port: "dwconv bias", Have: fmt.Sprintf("%v%v", b.DType(), b.Dims()), Want: fmt.Sprintf("f32[%d]", g.m)}
		}
	}
	if c.Attrs.Has(eltwise.AttrProg) {
		if s.epi, err = epilogue(f, c, c.Attrs, y.Dims()); err != nil {
			return nil, err
		}
	}
	s.image, s.block = g.scratch()
	return s, nil
}

func hasBias(c *kernel.Call) bool { return len(c.In) > 1 && c.In[1].Present() }

func epilogue(f *funcs, c *kernel.Call, a attr.Map, out []int) (*eltwise.Epilogue, error) {
	operands := c.In[min(2, len(c.In)):]
	p, err := eltwise.Decode(1+len(operands), a.Strs(eltwise.AttrProg))
	if err != nil {
		return nil, err
	}
	return eltwise.NewEpilogue(f.elt, p, out, 1, 1, operands, c.Pool.Threads())
}

func scratchBytes(c *kernel.Call, threads int) int {
	s := c.State.(*state)
	return (s.image + s.block) * 4 * threads
}

func run(c *kernel.Call) {
	s := c.State.(*state)
	if s.tasks == 0 {
		return
	}
	s.x, s.w, s.y = tensor.Slice[float32](&c.In[0].Tensor), tensor.Slice[float32](&c.Consts[0]), tensor.Slice[float32](&c.Out[0].Tensor)
	s.b = nil
	if hasBias(c) {
		s.b = tensor.Slice[float32](&c.In[1].Tensor)
	}
	if s.epi != nil {
		s.epi.Bind(c.In[min(2, len(c.In)):])
	}
	s.scratch = nil
	if len(c.Scratch) >= 4 {
		s.scratch = unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(c.Scratch))), len(c.Scratch)/4)
	}
	c.Pool.Run(s.tasks, s)
}

// Do runs one task; it is for the pool.
func (s *state) Do(i, worker int) {
	sc := s.scratch[worker*(s.image+s.block):][:s.image+s.block]
	for u := i * s.group; u < min((i+1)*s.group, s.n*s.m*s.strips); u++ {
		plane := u / s.strips // of Y
		row := u % s.strips * s.strip
		s.fill(sc[:s.image], plane, row)
		s.sum(sc[:s.image], sc[s.image:], plane, row)
	}
}

// fill writes the padded image of the strip that begins at output row y0.
func (s *state) fill(image []float32, plane, y0 int) {
	n, m := plane/s.m, plane%s.m
	x := s.x[(n*s.c+m/(s.m/s.c))*s.in[0]*s.in[1]:][:s.in[0]*s.in[1]]
	rows := min(s.strip, s.out[0]-y0) + s.reach
	for p, ph := range s.phases {
		px := ph[1] - s.pads[1]
		// Columns [lo, hi) of the plane lie inside X, from x0 on.
		lo := min(s.width, max(0, (s.stride[1]-1-px)/s.stride[1]))
		hi := max(lo, min(s.width, (s.in[1]-px+s.stride[1]-1)/s.stride[1]))
		x0 := lo*s.stride[1] + px
		for qy := range rows {
			dst := image[(p*s.rows+qy)*s.width:][:s.width]
			iy := (y0+qy)*s.stride[0] + ph[0] - s.pads[0]
			if iy < 0 || iy >= s.in[0] || lo == hi {
				clear(dst)
				continue
			}
			clear(dst[:lo])
			src := x[iy*s.in[1]+x0:]
			switch s.stride[1] {
			case 1:
				copy(dst[lo:hi], src)
			case 2:
				s.f.evens(dst[lo:hi], src[:2*(hi-lo)-1])
			default:
				for i := range hi - lo {
					dst[lo+i] = src[i*s.stride[1]]
				}
			}
			clear(dst[hi:])
		}
	}
}

// sum computes the strip: wide rows one by one where they belong, narrow ones
// together, as one long row of the padded image from which they are packed.
func (s *state) sum(image, block []float32, plane, y0 int) {
	n, m := plane/s.m, plane%s.m
	bias := float32(0)
	if s.b != nil {
		bias = s.b[m]
	}
	w := s.w[m*s.taps:][:s.taps]
	rows, ow := min(s.strip, s.out[0]-y0), s.out[1]
	y := s.y[plane*s.out[0]*ow+y0*ow:][:rows*ow]
	if ow >= wideRow {
		for r := range rows {
			dst := y[r*ow:][:ow]
			s.f.taps(ow, &dst[0], &image[r*s.width], &s.off[0], &w[0], s.taps, bias)
			if s.epi != nil {
				s.epi.Row(dst, n, m, (y0+r)*ow)
			}
		}
		return
	}
	for r, step := 0, s.blockRows(); r < rows; r += step {
		step = min(step, rows-r)
		s.f.taps((step-1)*s.width+ow, &block[0], &image[r*s.width], &s.off[0], &w[0], s.taps, bias)
		dst := y[r*ow:][:step*ow]
		for i := range step {
			copy(dst[i*ow:][:ow], block[i*s.width:])
		}
		if s.epi != nil {
			s.epi.Row(dst, n, m, (y0+r)*ow)
		}
	}
}
