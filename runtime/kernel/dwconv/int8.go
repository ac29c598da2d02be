package dwconv

import (
	"unsafe"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
)

// OpI8 is the quantized depthwise convolution: In, Consts, Out and attributes
// are those of conv.OpI8 with as many groups as X has channels, in two
// dimensions.
const OpI8 = "dwconv.i8"

// I8_generic is the quantized depthwise convolution in plain Go.
var I8_generic = kernel.Desc{ID: "dwconv.i8.generic", Op: OpI8, Format: gemm.FormatI8, Prepare: i8Generic, Run: runI8, Scratch: scratchI8}

func i8Generic(c *kernel.Call) (any, error) { return prepareI8(c, &generic8) }

// funcs8 are the vector functions of one instruction set.
type funcs8 struct {
	// taps writes n sums, n a multiple of 16, of 2*pairs taps:
	//
	//	acc[i] = sum over t of int32(src[off[t]+i] ^ byte(xor)) * int32(w[t])
	taps func(n int, acc *int32, src *uint8, xor uint32, off *int, w *int16, pairs int)
	q    *quant.Funcs
}

var generic8 = funcs8{taps8Go, &quant.Generic}

func taps8Go(n int, acc *int32, src *uint8, xor uint32, off *int, w *int16, pairs int) {
	d, o, f := unsafe.Slice(acc, n), unsafe.Slice(off, 2*pairs), unsafe.Slice(w, 2*pairs)
	clear(d)
	for t, at := range o {
		s := unsafe.Slice((*uint8)(unsafe.Add(unsafe.Pointer(src), at)), n)
		for i, v := range s {
			d[i] += int32(v^uint8(xor)) * int32(f[t])
		}
	}
}

// state8 is a prepared call, and the pool's Task.
type state8 struct {
	*geometry
	f     *funcs8
	scale *gemm.Scaling
	off   []int   // bytes; as many as a filter has elements in FormatI8
	w     []int16 // of all filters, as long each

	x, y    []uint8
	scratch []byte

	image, sums, line int // bytes of scratch a worker
}

func prepareI8(c *kernel.Call, f *funcs8) (any, error) {
	if len(c.In) != 1 || len(c.Out) != 1 || len(c.Consts) != 4 {
		return nil, diag.New(diag.Internal, "dwconv: have %d inputs, %d constants, %d outputs", len(c.In), len(c.Consts), len(c.Out))
	}
	x, y := &c.In[0].Tensor, &c.Out[0].Tensor
	k := c.Attrs.Ints("kernel_shape")
	if len(k) != 2 || y.Rank() != 4 {
		return nil, diag.New(diag.Internal, "dwconv: a kernel of %v to %v", k, y.Type())
	}
	// Before the geometry, which makes a list of the taps.
	if err := gemm.CheckI8(c, y.Dim(1), int(k[0]), int(k[1])); err != nil {
		return nil, err
	}
	g, err := newGeometry(c.Attrs, x.Dims(), []int{y.Dim(1), 1, int(k[0]), int(k[1])}, y.Dims())
	if err != nil {
		return nil, err
	}
	s := &state8{geometry: g, f: f}
	each := 4 * gemm.Groups(g.taps)
	if s.scale, err = gemm.NewScaling(c, &gemm.Micro8{Quant: f.q}, g.m); err != nil {
		return nil, err
	}
	if g.tasks == 0 {
		return s, nil
	}
	for t := range each {
		s.off = append(s.off, g.off[min(t, g.taps-1)]/4) // weights of zero meet the last ones
	}
	for _, v := range tensor.Slice[int8](&c.Consts[0]) {
		s.w = append(s.w, int16(v))
	}
	most := (g.blockRows()-1)*g.width + g.out[1]
	s.image = kernel.WholeBytes(len(g.phases)*g.rows*g.width + 64)
	s.sums, s.line = kernel.WholeBytes(4*(most+16)), kernel.WholeBytes(most+16)
	return s, nil
}

func scratchI8(c *kernel.Call, threads int) int {
	s := c.State.(*state8)
	return (s.image + s.sums + s.line) * threads
}

func runI8(c *kernel.Call) {
	s := c.State.(*state8)
	if s.tasks == 0 {
		return
	}
	s.x, s.y, s.scratch = c.In[0].Tensor.Bytes(), c.Out[0].Tensor.Bytes(), c.Scratch
	c.Pool.Run(s.tasks, s)
	s.x, s.y, s.scratch = nil, nil, nil
}

// Do runs one task; it is for the pool.
func (s *state8) Do(i, worker int) {
	each := s.image + s.sums + s.line
	sc := s.scratch[worker*each : (worker+1)*each]
	for u := i * s.group; u < min((i+1)*s.group, s.n*s.m*s.strips); u++ {
		plane := u / s.strips // of Y
		row := u % s.strips * s.strip
		s.fill(sc[:s.image], plane, row)
		s.sum(sc, plane, row)
	}
}

// fill writes the padded image of the strip that begins at output row y0.
func (s *state8) fill(image []uint8, plane, y0 int) {
	n, m := plane/s.m, plane%s.m
	x := s.x[(n*s.c+m/(s.m/s.c))*s.in[0]*s.in[1]:][:s.in[0]*s.in[1]]
	rows := min(s.strip, s.out[0]-y0) + s.reach
	for p, ph := range s.phases {
		for qy := range rows {
			dst := image[(p*s.rows+qy)*s.width:][:s.width]
			iy := (y0+qy)*s.stride[0] + ph[0] - s.pads[0]
			if iy < 0 || iy >= s.in[0] {
				fill8(dst, s.scale.Zero)
				continue
			}
			s.f.q.Arrange(dst, x[iy*s.in[1]:(iy+1)*s.in[1]], s.stride[1], ph[1]-s.pads[1], s.scale.Zero)
		}
	}
}

func fill8(b []uint8, v uint8) {
	for i := range b {
		b[i] = v
	}
}

// sum computes the strip in blocks of rows, each one long row of the padded
// image, from which the results are taken.
func (s *state8) sum(sc []byte, plane, y0 int) {
	m := plane % s.m
	acc := unsafe.Slice((*int32)(unsafe.Pointer(&sc[s.image])), s.sums/4)
	line := sc[s.image+s.sums:]
	rows, ow, each := min(s.strip, s.out[0]-y0), s.out[1], len(s.off)
	y := s.y[plane*s.out[0]*ow+y0*ow:][:rows*ow]
	for r, step := 0, s.blockRows(); r < rows; r += step {
		step = min(step, rows-r)
		n := ((step-1)*s.width + ow + 15) &^ 15
		s.f.taps(n, &acc[0], &sc[r*s.width], s.scale.Sign, &s.off[0], &s.w[m*each], each/2)
		s.scale.Row(m, n, &acc[0], &line[0])
		for i := range step {
			copy(y[(r+i)*ow:(r+i+1)*ow], line[i*s.width:])
		}
	}
}
