package quant

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// What the kernels of this package compute, over tensors of one shape. u8 and
// i8 may be mixed.
const (
	OpQuantize   = "quantize.i8"   // In[0] f32, Out[0] u8 or i8: AttrYScale and the attributes of RuleOf
	OpDequantize = "dequantize.i8" // In[0] u8 or i8, Out[0] f32: AttrXScale, AttrXZero
	OpAdd        = "add.i8"        // In[0], In[1], Out[0] u8 or i8: scales and zeros of all, RuleOf
	OpTable      = "table.i8"      // In[0], Out[0] u8 or i8, Consts[0] u8[256]: Out by the byte of In
)

// Attributes of quantized calls.
const (
	AttrXScale = "x_scale" // of In[0]
	AttrXZero  = "x_zero"
	AttrBScale = "b_scale" // of In[1]
	AttrBZero  = "b_zero"
	AttrYScale = "y_scale" // of Out[0]
	AttrYZero  = "y_zero"
	AttrYLow   = "y_low"  // least value of Out[0]: the type's, or what an activation leaves
	AttrYHigh  = "y_high" // largest value
)

// RuleOf reads the attributes of the result, which is of type y.
func RuleOf(y dtype.DType, a attr.Map) Rule {
	return NewRule(y, a.Int(AttrYZero), a.Int(AttrYLow), a.Int(AttrYHigh))
}

// CheckRule says whether RuleOf makes sense of the attributes of the result:
// all within the range of y, which is u8 or i8, and the bounds in order. A plan
// may come from a hostile file.
func CheckRule(y dtype.DType, a attr.Map) error {
	if err := CheckRange(y, a, AttrYZero, AttrYLow, AttrYHigh); err != nil {
		return err
	}
	if lo, hi := a.Int(AttrYLow), a.Int(AttrYHigh); lo > hi {
		return &diag.Error{Kind: diag.Internal, Port: "bounds of a quantized result", Have: fmt.Sprintf("%d to %d", lo, hi), Want: "the lower one first"}
	}
	return nil
}

// CheckRange says whether attributes are values of type d; a missing one is 0.
func CheckRange(d dtype.DType, a attr.Map, names ...string) error {
	lo, hi := int64(0), int64(math.MaxUint8)
	if d == dtype.I8 {
		lo, hi = math.MinInt8, math.MaxInt8
	}
	for _, n := range names {
		if v := a[n].Int; v < lo || v > hi {
			return &diag.Error{Kind: diag.Internal, Port: n, Have: fmt.Sprint(v), Want: fmt.Sprintf("%d to %d", lo, hi)}
		}
	}
	return nil
}

// The kernels in plain Go.
var (
	Quantize_generic   = kernel.Desc{ID: "quantize.i8.generic", Op: OpQuantize, Prepare: quantizeGeneric, Run: run}
	Dequantize_generic = kernel.Desc{ID: "dequantize.i8.generic", Op: OpDequantize, Prepare: dequantizeGeneric, Run: run}
	Add_generic        = kernel.Desc{ID: "add.i8.generic", Op: OpAdd, Prepare: addGeneric, Run: run}
	// Table is the only kernel of OpTable.
	Table = kernel.Desc{ID: "table.i8", Op: OpTable, Fast: true, Prepare: prepareTable, Run: run}
)

func quantizeGeneric(c *kernel.Call) (any, error)   { return prepare(c, &Generic, quantizing) }
func dequantizeGeneric(c *kernel.Call) (any, error) { return prepare(c, &Generic, dequantizing) }
func addGeneric(c *kernel.Call) (any, error)        { return prepare(c, &Generic, adding) }
func prepareTable(c *kernel.Call) (any, error)      { return prepare(c, &Generic, looking) }

type kind int

const (
	quantizing kind = iota
	dequantizing
	adding
	looking
)

// chunk is the number of elements of a task.
const chunk = 16 << 10

// flat is a prepared call, and the pool's Task.
type flat struct {
	kind  kind
	f     *Funcs
	n     int
	rule  Rule
	sum   Sum
	scale float32
	zero  int32
	xor   uint32
	tails []tail // by worker
	call  *kernel.Call
}

// tail holds the last elements of a chunk, less than 16.
type tail struct {
	f       [16]float32
	a, b, d [16]uint8
}

// fits says whether d is f32, or u8 or i8.
func fits(d dtype.DType, real bool) bool {
	if real {
		return d == dtype.F32
	}
	return isByte(d)
}

func isByte(d dtype.DType) bool { return d == dtype.U8 || d == dtype.I8 }

func prepare(c *kernel.Call, f *Funcs, k kind) (any, error) {
	ins := 1
	if k == adding {
		ins = 2
	}
	if len(c.In) != ins || len(c.Out) != 1 {
		return nil, diag.New(diag.Internal, "quantized call with %d inputs, %d outputs", len(c.In), len(c.Out))
	}
	x, y := &c.In[0].Tensor, &c.Out[0].Tensor
	ok := fits(x.DType(), k == quantizing) && fits(y.DType(), k == dequantizing) && x.Len() == y.Len()
	if k == adding {
		b := &c.In[1].Tensor
		ok = ok && isByte(b.DType()) && b.Len() == y.Len()
	}
	if k == looking {
		ok = ok && len(c.Consts) == 1 && c.Consts[0].DType() == dtype.U8 && len(c.Consts[0].Bytes()) == 256
	}
	if !ok {
		return nil, &diag.Error{Kind: diag.Shape, Port: "quantized operands", Have: fmt.Sprint(x.Type(), y.Type()), Want: "one shape"}
	}
	if err := checkAttrs(c, k); err != nil {
		return nil, err
	}
	s := &flat{kind: k, f: f, n: x.Len(), tails: make([]tail, c.Pool.Threads())}
	a := c.Attrs
	unsigned := func(v *tensor.Tensor, name string) int32 {
		z := int32(a.Int(name))
		if v.DType() == dtype.I8 {
			z += 128
		}
		return z
	}
	if k == quantizing || k == adding {
		s.rule, s.scale = RuleOf(y.DType(), a), a.Float(AttrYScale)
	}
	if k == dequantizing || k == adding {
		s.xor, s.zero = Sign(x.DType()), unsigned(x, AttrXZero)
	}
	switch k {
	case dequantizing:
		s.scale = a.Float(AttrXScale)
	case adding:
		b := &c.In[1].Tensor
		s.sum = Sum{XorA: s.xor, ZeroA: s.zero, XorB: Sign(b.DType()), ZeroB: unsigned(b, AttrBZero),
			A: a.Float(AttrXScale), B: a.Float(AttrBScale), Y: s.scale}
	}
	return s, nil
}

// checkAttrs checks the zero points and bounds that kind k reads.
func checkAttrs(c *kernel.Call, k kind) error {
	if k == quantizing || k == adding {
		if err := CheckRule(c.Out[0].Tensor.DType(), c.Attrs); err != nil {
			return err
		}
	}
	if k == adding {
		if err := CheckRange(c.In[1].Tensor.DType(), c.Attrs, AttrBZero); err != nil {
			return err
		}
	}
	if k == dequantizing || k == adding {
		return CheckRange(c.In[0].Tensor.DType(), c.Attrs, AttrXZero)
	}
	return nil
}

func run(c *kernel.Call) {
	s := c.State.(*flat)
	s.call = c
	c.Pool.Run((s.n+chunk-1)/chunk, s)
	s.call = nil
}

// Do implements pool.Task.
func (s *flat) Do(i, worker int) {
	from, to := i*chunk, min((i+1)*chunk, s.n)
	whole := from + (to-from)&^15
	if s.kind == looking {
		s.look(from, to)
		return
	}
	if whole > from {
		s.part(from, whole)
	}
	if whole < to {
		s.rest(whole, to, &s.tails[worker])
	}
}

func (s *flat) look(from, to int) {
	c := s.call
	t := (*[256]uint8)(c.Consts[0].Bytes())
	y := c.Out[0].Tensor.Bytes()[from:to]
	for i, v := range c.In[0].Tensor.Bytes()[from:to] {
		y[i] = t[v]
	}
}

// part computes whole vectors in place.
func (s *flat) part(from, to int) {
	c, n := s.call, to-from
	switch s.kind {
	case quantizing:
		s.f.Quantize(n, &tensor.Slice[float32](&c.In[0].Tensor)[from], s.scale, &s.rule, &c.Out[0].Tensor.Bytes()[from])
	case dequantizing:
		s.f.Dequantize(n, &c.In[0].Tensor.Bytes()[from], s.xor, s.zero, s.scale, &tensor.Slice[float32](&c.Out[0].Tensor)[from])
	case adding:
		s.f.Add(n, &c.In[0].Tensor.Bytes()[from], &c.In[1].Tensor.Bytes()[from], &s.sum, &s.rule, &c.Out[0].Tensor.Bytes()[from])
	}
}

// rest computes less than a vector, through t.
func (s *flat) rest(from, to int, t *tail) {
	c, n := s.call, to-from
	switch s.kind {
	case quantizing:
		copy(t.f[:n], tensor.Slice[float32](&c.In[0].Tensor)[from:])
		s.f.Quantize(16, &t.f[0], s.scale, &s.rule, &t.d[0])
	case dequantizing:
		copy(t.a[:n], c.In[0].Tensor.Bytes()[from:])
		s.f.Dequantize(16, &t.a[0], s.xor, s.zero, s.scale, &t.f[0])
		copy(tensor.Slice[float32](&c.Out[0].Tensor)[from:to], t.f[:])
		return
	case adding:
		copy(t.a[:n], c.In[0].Tensor.Bytes()[from:])
		copy(t.b[:n], c.In[1].Tensor.Bytes()[from:])
		s.f.Add(16, &t.a[0], &t.b[0], &s.sum, &s.rule, &t.d[0])
	}
	copy(c.Out[0].Tensor.Bytes()[from:to], t.d[:])
}
