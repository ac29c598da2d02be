package copy

import (
	"slices"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// What the kernels of this package compute: the ONNX operators of these names
// with their attributes and operands; Pad in mode constant only.
const (
	OpTranspose = "transpose"
	OpConcat    = "concat"
	OpSlice     = "slice"
	OpPad       = "pad"
)

// The kernels.
var (
	Transpose = kernel.Desc{ID: "transpose.any", Op: OpTranspose, Fast: true, Prepare: prepareTranspose, Run: runMove}
	Concat    = kernel.Desc{ID: "concat.any", Op: OpConcat, Fast: true, Prepare: prepareConcat, Run: runConcat}
	Slice     = kernel.Desc{ID: "slice.any", Op: OpSlice, Fast: true, Prepare: prepareSlice, Run: runMove}
	Pad       = kernel.Desc{ID: "pad.any", Op: OpPad, Fast: true, Prepare: preparePad, Run: runPad}
)

func runMove(c *kernel.Call) { c.State.(*move).run(c, bytesOf(&c.Out[0]), bytesOf(&c.In[0])) }

func prepareTranspose(c *kernel.Call) (any, error) {
	size, err := sized(c, OpTranspose, 1)
	if err != nil {
		return nil, err
	}
	x, y := c.In[0].Tensor.Dims(), c.Out[0].Tensor.Dims()
	perm := make([]int, len(x))
	for i := range perm {
		perm[i] = len(x) - 1 - i
	}
	if c.Attrs.Has("perm") {
		p := c.Attrs.Ints("perm")
		if len(p) != len(x) {
			return nil, diag.New(diag.Shape, "transpose: perm %v of rank %d", p, len(x))
		}
		seen := make([]bool, len(x))
		for i, v := range p {
			if v < 0 || v >= int64(len(x)) || seen[v] {
				return nil, diag.New(diag.Shape, "transpose: perm %v of rank %d", p, len(x))
			}
			perm[i], seen[v] = int(v), true
		}
	}
	xs, ys := strides(x), strides(y)
	want, axes := make([]int, len(x)), make([]axis, len(x))
	for i, p := range perm {
		want[i] = x[p]
		if len(y) == len(x) {
			axes[i] = axis{x[p], ys[i], xs[p]}
		}
	}
	if !slices.Equal(want, y) {
		return nil, wrongOut(OpTranspose, y, want)
	}
	return newMove(size, axes, 0, 0)
}

func prepareSlice(c *kernel.Call) (any, error) {
	size, err := sized(c, OpSlice, 1)
	if err != nil {
		return nil, err
	}
	x, y := c.In[0].Tensor.Dims(), c.Out[0].Tensor.Dims()
	var lists [4][]int // starts, ends, axes, steps
	for i := range lists {
		v, ok, err := operand(c, 1+i)
		if err != nil {
			return nil, err
		}
		if !ok && i < 2 {
			return nil, diag.New(diag.Internal, "slice: no starts or ends")
		}
		if ok && len(v) != len(lists[0]) && i > 0 {
			return nil, diag.New(diag.Shape, "slice: %d starts, %d in operand %d", len(lists[0]), len(v), 1+i)
		}
		for k := range lists[0] {
			if !ok && i == 2 {
				v = append(v, k)
			} else if !ok {
				v = append(v, 1)
			}
		}
		lists[i] = v
	}
	start, step := make([]int, len(x)), make([]int, len(x))
	want := slices.Clone(x)
	for i := range step {
		step[i] = 1
	}
	for k, a := range lists[2] {
		if a < -len(x) || a >= len(x) || lists[3][k] == 0 {
			return nil, diag.New(diag.Shape, "slice: axis %d by step %d of rank %d", a, lists[3][k], len(x))
		}
		a = (a + len(x)) % len(x)
		start[a], want[a] = span(lists[0][k], lists[1][k], lists[3][k], x[a])
		step[a] = lists[3][k]
	}
	if !slices.Equal(want, y) {
		return nil, wrongOut(OpSlice, y, want)
	}
	xs, ys := strides(x), strides(y)
	axes, off := make([]axis, len(x)), 0
	for i := range x {
		axes[i] = axis{want[i], ys[i], xs[i] * step[i]}
		off += start[i] * xs[i]
	}
	return newMove(size, axes, 0, off)
}

// span clamps start and end as ONNX does and counts the elements taken.
func span(start, end, step, n int) (from, count int) {
	if start < 0 {
		start += n
	}
	if end < 0 {
		end += n
	}
	if step > 0 {
		start, end = min(max(start, 0), n), min(max(end, 0), n)
		return start, max(0, (end-start+step-1)/step)
	}
	start, end = min(max(start, 0), n-1), min(max(end, -1), n-1)
	return start, max(0, (start-end-step-1)/-step)
}

// concat is a prepared Concat: one move an input.
type concat []*move

func prepareConcat(c *kernel.Call) (any, error) {
	size, err := sized(c, OpConcat, len(c.In))
	if err != nil {
		return nil, err
	}
	y := c.Out[0].Tensor.Dims()
	k := c.Attrs.Int("axis")
	if k < -len(y) || k >= len(y) {
		return nil, diag.New(diag.Shape, "concat: axis %d of rank %d", k, len(y))
	}
	k = (k + len(y)) % len(y)
	ys, at := strides(y), 0
	var out concat
	for i := range c.In {
		x := c.In[i].Tensor.Dims()
		if len(x) != len(y) {
			return nil, wrongOut(OpConcat, y, x)
		}
		xs, axes := strides(x), make([]axis, len(x))
		for a, n := range x {
			if a != k && n != y[a] {
				return nil, wrongOut(OpConcat, y, x)
			}
			axes[a] = axis{n, ys[a], xs[a]}
		}
		m, err := newMove(size, axes, at*ys[k], 0)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
		at += x[k]
	}
	if at != y[k] {
		return nil, diag.New(diag.Shape, "concat: inputs have %d along axis %d, output %d", at, k, y[k])
	}
	return &out, nil
}

func runConcat(c *kernel.Call) {
	for i, m := range *c.State.(*concat) {
		m.run(c, bytesOf(&c.Out[0]), bytesOf(&c.In[i]))
	}
}

// pad is a prepared Pad: fill, then move what is left of the input.
type pad struct {
	*move
	size int
}

func preparePad(c *kernel.Call) (any, error) {
	size, err := sized(c, OpPad, 1)
	if err != nil {
		return nil, err
	}
	if m := c.Attrs.Str("mode"); m != "" && m != "constant" {
		return nil, diag.New(diag.Unsupported, "pad in mode %s (supported: constant)", m)
	}
	x, y := c.In[0].Tensor.Dims(), c.Out[0].Tensor.Dims()
	pads, ok, err := operand(c, 1)
	if err != nil {
		return nil, err
	}
	named, given, err := operand(c, 3)
	if err != nil {
		return nil, err
	}
	if !given {
		named = nil
		for i := range x {
			named = append(named, i)
		}
	}
	if !ok || len(pads) != 2*len(named) {
		return nil, diag.New(diag.Shape, "pad: %d pads for %d axes", len(pads), len(named))
	}
	before, want := make([]int, len(x)), slices.Clone(x)
	for i, a := range named {
		if a < -len(x) || a >= len(x) {
			return nil, diag.New(diag.Shape, "pad: axis %d of rank %d", a, len(x))
		}
		a = (a + len(x)) % len(x)
		before[a] += pads[i]
		want[a] += pads[i] + pads[len(named)+i]
	}
	if !slices.Equal(want, y) {
		return nil, wrongOut(OpPad, y, want)
	}
	xs, ys := strides(x), strides(y)
	axes, to, from := make([]axis, len(x)), 0, 0
	for i := range x {
		first, skip := max(before[i], 0), max(-before[i], 0)
		axes[i] = axis{max(0, min(x[i]-skip, y[i]-first)), ys[i], xs[i]}
		to += first * ys[i]
		from += skip * xs[i]
	}
	m, err := newMove(size, axes, to, from)
	if err != nil {
		return nil, err
	}
	return &pad{m, size}, nil
}

func runPad(c *kernel.Call) {
	p := c.State.(*pad)
	y := bytesOf(&c.Out[0])
	if len(y) == 0 {
		return
	}
	if len(c.In) > 2 && c.In[2].Present() && c.In[2].Tensor.Len() > 0 {
		n := copy(y, bytesOf(&c.In[2])[:p.size])
		for n < len(y) { // doubling
			n += copy(y[n:], y[:n])
		}
	} else {
		clear(y)
	}
	p.run(c, y, bytesOf(&c.In[0]))
}
