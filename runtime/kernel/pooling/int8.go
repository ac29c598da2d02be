package pooling

import (
	"fmt"
	"math"
	"strconv"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
)

// What the 8-bit kernels compute, over u8 and i8 of rank 3 and 4.
const (
	// OpMaxI8 is MaxPool of bytes of one type, with its attributes.
	OpMaxI8 = "maxpool.i8"
	// OpMeanI8 is AveragePool with its attributes, or GlobalAveragePool with
	// AttrGlobal, of quantized values; scales and zero points are attributes of
	// package quant. A mean is an exact sum of differences to the zero point,
	// times x_scale / (y_scale * count) in float32.
	OpMeanI8 = "avgpool.i8"
	// AttrGlobal says that the window is the whole plane.
	AttrGlobal = "global"
)

// The 8-bit pools. The first is for every architecture.
var (
	MaxI8_generic = kernel.Desc{ID: "maxpool.i8.generic", Op: OpMaxI8, Prepare: maxI8Generic, Run: runMaxI8}
	MeanI8        = kernel.Desc{ID: "avgpool.i8", Op: OpMeanI8, Fast: true, Prepare: prepareMeanI8, Run: runMeanI8}
)

func maxI8Generic(c *kernel.Call) (any, error) { return prepareMaxI8(c, &quant.Generic) }

func checkBytes(c *kernel.Call) (x, y *tensor.Tensor, err error) {
	if len(c.In) != 1 || len(c.Out) != 1 {
		return nil, nil, diag.New(diag.Internal, "pool: have %d inputs, %d outputs, want one each", len(c.In), len(c.Out))
	}
	x, y = &c.In[0].Tensor, &c.Out[0].Tensor
	for _, t := range []*tensor.Tensor{x, y} {
		if t.DType() != dtype.U8 && t.DType() != dtype.I8 {
			return nil, nil, &diag.Error{Kind: diag.Internal, Port: "pool", Have: t.DType().String(), Want: "u8 or i8"}
		}
	}
	return x, y, nil
}

// maxes is a prepared OpMaxI8, and the pool's Task: one plane a unit.
type maxes struct {
	window
	q      *quant.Funcs
	larger func(n int, dst, src *uint8)
	least  uint8
	group  int
	rows   []rowBuffers // by worker
	x, y   []uint8
}

// rowBuffers hold a padded row of largest values over the window's rows, its
// even and odd columns, and a row of results.
type rowBuffers struct {
	row, out []uint8
	half     [2][]uint8
}

// maxBeyond bounds what the padded row has beyond the row itself, as its
// buffers are made when a call is prepared.
const maxBeyond = 1 << 26

func prepareMaxI8(c *kernel.Call, f *quant.Funcs) (any, error) {
	x, y, err := checkBytes(c)
	if err != nil {
		return nil, err
	}
	if x.DType() != y.DType() {
		return nil, diag.New(diag.Internal, "largest values of %v as %v", x.DType(), y.DType())
	}
	w, err := newWindow(c.Attrs, x.Dims(), y.Dims())
	if err != nil {
		return nil, err
	}
	if y.Len() == 0 { // whatever the number of planes
		return &maxes{group: 1}, nil
	}
	s := &maxes{window: w, q: f, larger: f.MaxU8, rows: make([]rowBuffers, c.Pool.Threads())}
	if x.DType() == dtype.I8 {
		s.larger, s.least = f.MaxS8, 0x80
	}
	s.group = max(1, grain/max(1, w.out[0]*w.out[1]*w.ax[0].K))
	// Vectors are whole: they run over into what nobody looks at.
	width := max(w.ax[1].Pad+w.ax[1].In, w.width()) + 80
	if width-w.ax[1].In > maxBeyond {
		return nil, &diag.Error{Kind: diag.Limit, Port: "padded row of a pool", Have: strconv.Itoa(width), Want: strconv.Itoa(w.ax[1].In + maxBeyond)}
	}
	for i := range s.rows {
		row := make([]uint8, width) // its padding stays as it is made here
		for j := range row {
			row[j] = s.least
		}
		s.rows[i] = rowBuffers{row: row, out: make([]uint8, w.out[1]+16), half: [2][]uint8{make([]uint8, width), make([]uint8, width)}}
	}
	return s, nil
}

func runMaxI8(c *kernel.Call) {
	s := c.State.(*maxes)
	s.x, s.y = c.In[0].Tensor.Bytes(), c.Out[0].Tensor.Bytes()
	c.Pool.Run((s.planes+s.group-1)/s.group, s)
	s.x, s.y = nil, nil
}

// Do runs one task; it is for the pool.
func (s *maxes) Do(i, worker int) {
	b := &s.rows[worker]
	for p := i * s.group; p < min((i+1)*s.group, s.planes); p++ {
		x := s.x[p*s.ax[0].In*s.ax[1].In:][:s.ax[0].In*s.ax[1].In]
		y := s.y[p*s.out[0]*s.out[1]:][:s.out[0]*s.out[1]]
		for o := range s.out[0] {
			s.column(b.row, x, o)
			s.across(b)
			copy(y[o*s.out[1]:(o+1)*s.out[1]], b.out)
		}
	}
}

// column writes the largest values over the rows that output row o meets into
// the part of row between its padding.
func (s *maxes) column(row, x []uint8, o int) {
	lo, hi := s.ax[0].Taps(o)
	w := s.ax[1].In
	dst := row[s.ax[1].Pad:][:w]
	if lo == hi {
		for i := range dst {
			dst[i] = s.least
		}
	}
	for t := lo; t < hi; t++ {
		iy := o*s.ax[0].Stride - s.ax[0].Pad + t*s.ax[0].Dil
		src := x[iy*w : (iy+1)*w]
		if t == lo {
			copy(dst, src)
			continue
		}
		if n := w &^ 15; n > 0 {
			s.larger(n, &dst[0], &src[0])
		}
		for i := w &^ 15; i < w; i++ {
			dst[i] = s.pick(dst[i], src[i])
		}
	}
}

// pick is the larger of two bytes in the pool's type.
func (s *maxes) pick(a, b uint8) uint8 {
	if a^s.least >= b^s.least { // the order of bytes, once signs are turned
		return a
	}
	return b
}

// across takes the largest values along the row.
func (s *maxes) across(b *rowBuffers) {
	n, step := (s.out[1]+15)&^15, s.ax[1].Stride
	if step > 2 {
		for o := range s.out[1] {
			v := s.least
			for k := range s.ax[1].K {
				v = s.pick(v, b.row[o*step+k*s.ax[1].Dil])
			}
			b.out[o] = v
		}
		return
	}
	from := [2][]uint8{b.row, nil}
	if step == 2 {
		m := (len(b.row) - 2) / 2 &^ 15
		s.q.Evens(m, &b.half[0][0], &b.row[0])
		s.q.Evens(m, &b.half[1][0], &b.row[1])
		from = b.half
	}
	for k := range s.ax[1].K {
		at := k * s.ax[1].Dil
		src := from[at%step][at/step:]
		if k == 0 {
			copy(b.out[:n], src)
			continue
		}
		s.larger(n, &b.out[0], &src[0])
	}
}

// means is a prepared OpMeanI8, and the pool's Task: one plane a unit.
type means struct {
	window
	rule   quant.Rule
	xor    uint8
	zero   int32
	factor []float32 // by output position
	group  int
	x, y   []uint8
}

func prepareMeanI8(c *kernel.Call) (any, error) {
	x, y, err := checkBytes(c)
	if err != nil {
		return nil, err
	}
	if err := quant.CheckRule(y.DType(), c.Attrs); err != nil {
		return nil, err
	}
	if err := quant.CheckRange(x.DType(), c.Attrs, quant.AttrXZero); err != nil {
		return nil, err
	}
	s := &means{rule: quant.RuleOf(y.DType(), c.Attrs), xor: uint8(quant.Sign(x.DType())), zero: int32(c.Attrs.Int(quant.AttrXZero))}
	if x.DType() == dtype.I8 {
		s.zero += 128
	}
	if c.Attrs.Bool(AttrGlobal) {
		if s.window, err = wholePlane(x.Dims(), y.Dims()); err != nil {
			return nil, err
		}
	} else if s.window, err = newWindow(c.Attrs, x.Dims(), y.Dims()); err != nil {
		return nil, err
	}
	if y.Len() == 0 { // whatever the number of planes
		return &means{group: 1}, nil
	}
	if taps, ok := tensor.Count([]int{s.ax[0].K, s.ax[1].K}); !ok || taps > math.MaxInt32/255 {
		return nil, &diag.Error{Kind: diag.Limit, Port: "elements of a window", Have: fmt.Sprintf("%d by %d", s.ax[0].K, s.ax[1].K), Want: strconv.Itoa(math.MaxInt32 / 255)}
	}
	s.factors(c.Attrs)
	s.group = max(1, grain/max(1, s.out[0]*s.out[1]*s.ax[0].K*s.ax[1].K))
	return s, nil
}

// wholePlane is the window that covers each plane, of any rank from 2 on.
func wholePlane(x, y []int) (window, error) {
	one := kernel.Window{In: 1, K: 1, Stride: 1, Dil: 1}
	w := window{planes: 1, ax: [2]kernel.Window{one, one}, out: [2]int{1, 1}}
	ok := len(x) == len(y) && len(x) >= 2
	for i := range x {
		if i < 2 {
			w.planes *= x[i]
			ok = ok && x[i] == y[i]
			continue
		}
		w.ax[1].In *= x[i]
		ok = ok && y[i] == 1
	}
	if w.ax[1].K = w.ax[1].In; !ok {
		return w, diag.New(diag.Shape, "means of the planes of %v as %v", x, y)
	}
	return w, nil
}

func (s *means) factors(a attr.Map) {
	ratio := float64(a.Float(quant.AttrXScale))
	scale := float64(a.Float(quant.AttrYScale))
	padded := a.Bool("count_include_pad")
	for oy := range s.out[0] {
		for ox := range s.out[1] {
			s.factor = append(s.factor, float32(ratio/float64(scale*float64(max(1, s.ax[0].Share(oy, padded)*s.ax[1].Share(ox, padded))))))
		}
	}
}

func runMeanI8(c *kernel.Call) {
	s := c.State.(*means)
	s.x, s.y = c.In[0].Tensor.Bytes(), c.Out[0].Tensor.Bytes()
	c.Pool.Run((s.planes+s.group-1)/s.group, s)
	s.x, s.y = nil, nil
}

// Do runs one task; it is for the pool.
func (s *means) Do(i, _ int) {
	for p := i * s.group; p < min((i+1)*s.group, s.planes); p++ {
		x := s.x[p*s.ax[0].In*s.ax[1].In:][:s.ax[0].In*s.ax[1].In]
		y := s.y[p*s.out[0]*s.out[1]:][:s.out[0]*s.out[1]]
		for oy := range s.out[0] {
			y0, y1 := s.ax[0].Taps(oy)
			for ox := range s.out[1] {
				x0, x1 := s.ax[1].Taps(ox)
				sum := int32(0)
				end := y1
				if x0 == x1 { // all in the padding
					end = y0
				}
				for ky := y0; ky < end; ky++ {
					row := x[(oy*s.ax[0].Stride-s.ax[0].Pad+ky*s.ax[0].Dil)*s.ax[1].In:][:s.ax[1].In]
					at := ox*s.ax[1].Stride - s.ax[1].Pad
					if s.ax[1].Dil == 1 {
						for _, v := range row[at+x0 : at+x1] {
							sum += int32(v ^ s.xor)
						}
						continue
					}
					for kx := x0; kx < x1; kx++ {
						sum += int32(row[at+kx*s.ax[1].Dil] ^ s.xor)
					}
				}
				sum -= int32((y1-y0)*(x1-x0)) * s.zero
				at := oy*s.out[1] + ox
				y[at] = s.rule.Byte(float32(float32(sum) * s.factor[at]))
			}
		}
	}
}
