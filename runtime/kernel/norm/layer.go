package norm

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// OpLayer is LayerNormalization over float32 with its attributes "axis" and
// "epsilon" and its first output: each row, the elements of the axes from axis on,
// becomes
//
//	(x - mean) * (1/sqrt(variance + epsilon)) * scale + bias
//
// scale and, optionally, bias have the elements of one row. The output may be the
// buffer of x.
const OpLayer = "layernorm.f32"

// Layer_generic is the normalization in plain Go.
var Layer_generic = kernel.Desc{ID: "layernorm.f32.generic", Op: OpLayer, Prepare: layerGeneric, Run: runLayer, Scratch: layerScratch}

var generic = funcs{&eltwise.Generic, &reduce.Generic}

func layerGeneric(c *kernel.Call) (any, error) { return prepareLayer(&generic, c) }

const grain = 1 << 13 // elements that are worth a task

// funcs are the vector functions of one instruction set.
type funcs struct {
	elt *eltwise.Funcs
	red *reduce.Funcs
}

// layer is a prepared call, and the pool's Task.
type layer struct {
	f       *funcs
	eps     float32
	rows, n int
	group   int // rows a task
	x, y    []float32
	scale   []float32
	bias    []float32 // nil: none
	scratch []float32
}

func prepareLayer(f *funcs, c *kernel.Call) (any, error) {
	if len(c.In) < 2 || len(c.In) > 3 || len(c.Out) != 1 {
		return nil, diag.New(diag.Internal, "layernorm: have %d inputs, %d outputs, want 2 or 3 and 1", len(c.In), len(c.Out))
	}
	x, y := &c.In[0].Tensor, &c.Out[0].Tensor
	if !slices.Equal(x.Dims(), y.Dims()) {
		return nil, &diag.Error{Kind: diag.Shape, Port: "LayerNormalization output", Have: fmt.Sprint(y.Dims()), Want: fmt.Sprint(x.Dims())}
	}
	axis := c.Attrs.Int("axis")
	if !c.Attrs.Has("axis") {
		axis = -1
	}
	if axis < -x.Rank() || axis >= x.Rank() {
		return nil, &diag.Error{Kind: diag.Shape, Port: "LayerNormalization axis", Have: fmt.Sprint(axis), Want: fmt.Sprintf("%d..%d", -x.Rank(), x.Rank()-1)}
	}
	l := &layer{f: f, eps: 1e-5, rows: 1, n: 1}
	if c.Attrs.Has("epsilon") {
		l.eps = c.Attrs.Float("epsilon")
	}
	for i, d := range x.Dims() {
		if i < (axis+x.Rank())%x.Rank() {
			l.rows *= d
		} else {
			l.n *= d
		}
	}
	for i, v := range append(c.In, c.Out[0]) {
		if i == 2 && len(c.In) > 2 && !v.Present() {
			continue
		}
		if t := &v.Tensor; t.DType() != dtype.F32 {
			return nil, &diag.Error{Kind: diag.Internal, Port: "layernorm", Have: t.DType().String(), Want: "f32"}
		} else if i > 0 && i < len(c.In) && t.Len() != l.n {
			return nil, &diag.Error{Kind: diag.Shape, Port: "LayerNormalization Scale and B", Have: fmt.Sprint(t.Dims()), Want: fmt.Sprintf("%d elements, those of a row of %v", l.n, x.Dims())}
		}
	}
	l.group = max(1, grain/max(1, l.n))
	return l, nil
}

func layerScratch(c *kernel.Call, threads int) int {
	return kernel.WholeFloats(c.State.(*layer).n) * 4 * threads
}

func runLayer(c *kernel.Call) {
	l := c.State.(*layer)
	if l.rows*l.n == 0 {
		return
	}
	l.x, l.y = tensor.Slice[float32](&c.In[0].Tensor), tensor.Slice[float32](&c.Out[0].Tensor)
	l.scale, l.bias = tensor.Slice[float32](&c.In[1].Tensor), nil
	if len(c.In) > 2 && c.In[2].Present() {
		l.bias = tensor.Slice[float32](&c.In[2].Tensor)
	}
	l.scratch = unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(c.Scratch))), len(c.Scratch)/4)
	c.Pool.Run((l.rows+l.group-1)/l.group, l)
}

// Do runs one task; it is for the pool.
func (l *layer) Do(i, worker int) {
	squares := l.scratch[worker*kernel.WholeFloats(l.n):][:l.n]
	for r := i * l.group; r < min((i+1)*l.group, l.rows); r++ {
		x, y := l.x[r*l.n:][:l.n], l.y[r*l.n:][:l.n]
		l.f.elt.AddS(y, x, -(l.f.red.Sum(x) / float32(l.n)))
		l.f.elt.Mul(squares, y, y)
		variance := l.f.red.Sum(squares) / float32(l.n)
		l.f.elt.MulS(y, y, 1/vecmath.Sqrt32(variance+l.eps))
		l.f.elt.Mul(y, y, l.scale)
		if l.bias != nil {
			l.f.elt.Add(y, y, l.bias)
		}
	}
}
