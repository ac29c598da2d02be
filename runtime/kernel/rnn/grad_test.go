package rnn_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
	"github.com/mlc-go/mlc/runtime/kernel/rnn"
)

var (
	opens = []*kernel.Desc{&rnn.Open_14x32_avx512, &rnn.Open_6x16_avx2, &rnn.Open_4x16_neon, &rnn.Open_generic}
	grads = []*kernel.Desc{&rnn.Grad_14x32_avx512, &rnn.Grad_6x16_avx2, &rnn.Grad_4x16_neon, &rnn.Grad_generic}
)

// gradTol is what float32 sums over some hundred steps, each with the rounding
// of those behind it, may be off.
var gradTol = tensor.Custom(2e-5, 1e-4)

// operands are those of ONNX LSTM.
func (s *spec) operands(seed uint64) []tensor.Value {
	dirs := 1
	if s.direction == "bidirectional" {
		dirs = 2
	}
	h4 := 4 * s.hidden
	in := make([]tensor.Value, 8)
	in[0] = kerneltest.Random(seed, false, s.steps, s.batch, s.width)
	in[1], in[2] = scaled(kerneltest.Random(seed+1, false, dirs, h4, s.width)), scaled(kerneltest.Random(seed+2, false, dirs, h4, s.hidden))
	if s.bias {
		in[3] = kerneltest.Random(seed+3, false, dirs, 2*h4)
	}
	if s.lens != nil {
		in[4] = tensor.V(tensor.MustOf(s.lens, s.batch))
	}
	if s.initial {
		in[5], in[6] = kerneltest.Random(seed+4, false, dirs, s.batch, s.hidden), kerneltest.Random(seed+5, false, dirs, s.batch, s.hidden)
	}
	if s.peep {
		in[7] = kerneltest.Random(seed+6, false, dirs, 3*s.hidden)
	}
	return in
}

func (s *spec) attrs() attr.Map {
	return attr.Map{"direction": attr.Str(s.direction), "layout": attr.Int(0), "input_forget": attr.Int(0)}
}

// gradSpecs have lengths, directions, peepholes and sizes around tiles, panels
// and blocks; y, yh and yc say which results' gradients are given.
var gradSpecs = []spec{
	{steps: 1, batch: 1, width: 1, hidden: 1, direction: "forward", y: true, yh: true, yc: true},
	{steps: 5, batch: 1, width: 7, hidden: 12, direction: "forward", bias: true, y: true},
	{steps: 5, batch: 3, width: 7, hidden: 12, direction: "reverse", bias: true, initial: true, y: true, yh: true, yc: true},
	{steps: 6, batch: 2, width: 20, hidden: 17, direction: "bidirectional", bias: true, initial: true, yh: true},
	{steps: 6, batch: 3, width: 5, hidden: 9, direction: "bidirectional", peep: true, initial: true, yc: true, y: true},
	{steps: 6, batch: 13, width: 5, hidden: 9, direction: "bidirectional", bias: true, peep: true, lens: []int32{6, 0, 3, 1, 6, 6, 2, 4, 5, 0, 1, 6, 3}, initial: true, y: true, yh: true, yc: true},
	{steps: 4, batch: 2, width: 5, hidden: 9, direction: "reverse", bias: true, lens: []int32{2, 3}, yh: true},
	{steps: 0, batch: 2, width: 5, hidden: 9, direction: "forward", initial: true, yh: true, yc: true, y: true},
	{steps: 3, batch: 0, width: 5, hidden: 9, direction: "bidirectional", bias: true, y: true},
	{steps: 3, batch: 2, width: 0, hidden: 9, direction: "forward", bias: true, y: true},
	{steps: 3, batch: 2, width: 5, hidden: 0, direction: "bidirectional", bias: true, initial: true, y: true},
	{steps: 3, batch: 2, width: 5, hidden: 4, direction: "forward", bias: true},
	{steps: 9, batch: 30, width: 70, hidden: 24, direction: "forward", bias: true, y: true, yh: true},
	{steps: 2, batch: 9, width: 300, hidden: 5, direction: "reverse", bias: true, yc: true},
}

func TestOpen(t *testing.T) {
	var cases []kerneltest.Case
	for i, s := range gradSpecs {
		c := kerneltest.Case{Name: fmt.Sprintf("%+v", s), In: s.operands(uint64(20 * i)), Attrs: s.attrs(), Tol: tensor.Custom(1e-5, 4e-6)}
		c.Want = kerneltest.Eval(t, ref.LSTM, c.Attrs, 3, c.In...)
		for i, want := range []bool{s.y, s.yh, s.yc} {
			if !want {
				c.Want[i] = tensor.Value{}
			}
		}
		cases = append(cases, c)
	}
	kerneltest.All(t, opens, cases)
}

func gradCase(t *testing.T, s *spec, seed uint64) kerneltest.Case {
	c := kerneltest.Case{Name: fmt.Sprintf("%+v", *s), In: append(s.operands(seed), make([]tensor.Value, 3)...), Attrs: s.attrs(), Tol: gradTol}
	dirs := c.In[1].Tensor.Dim(0)
	if s.y {
		c.In[8] = kerneltest.Random(seed+7, false, s.steps, dirs, s.batch, s.hidden)
	}
	if s.yh {
		c.In[9] = kerneltest.Random(seed+8, false, dirs, s.batch, s.hidden)
	}
	if s.yc {
		c.In[10] = kerneltest.Random(seed+9, false, dirs, s.batch, s.hidden)
	}
	c.Want = kerneltest.Eval(t, ref.LSTMGrad, c.Attrs, 7, c.In...)
	for i, in := range []int{0, 1, 2, 3, 5, 6, 7} {
		if !c.In[in].Present() {
			c.Want[i] = tensor.Value{}
		}
	}
	return c
}

func TestGrad(t *testing.T) {
	var cases []kerneltest.Case
	for i := range gradSpecs {
		cases = append(cases, gradCase(t, &gradSpecs[i], uint64(20*i)))
	}
	// Each result alone.
	for i := range 7 {
		c := gradCase(t, &gradSpecs[5], 500)
		c.Name = fmt.Sprintf("result %d alone", i)
		for j := range c.Want {
			if j != i {
				c.Want[j] = tensor.Value{}
			}
		}
		cases = append(cases, c)
	}
	kerneltest.All(t, grads, cases)
}

// TestPadding: what lies beyond a sequence's length says nothing, NaN neither.
func TestPadding(t *testing.T) {
	s := spec{steps: 4, batch: 9, width: 5, hidden: 7, direction: "bidirectional", bias: true, lens: []int32{2, 3, 0, 4, 1, 2, 3, 4, 1}, y: true, yh: true}
	c := gradCase(t, &s, 3)
	x, dy := tensor.Slice[float32](&c.In[0].Tensor), tensor.Slice[float32](&c.In[8].Tensor)
	for at := range s.steps {
		for b := range s.batch {
			if at < int(s.lens[b]) {
				continue
			}
			for i := range s.width {
				x[(at*s.batch+b)*s.width+i] = float32(math.NaN())
			}
			for i := range 2 * s.hidden {
				dy[((at*2+i/s.hidden)*s.batch+b)*s.hidden+i%s.hidden] = float32(math.NaN())
			}
		}
	}
	kerneltest.All(t, grads, []kerneltest.Case{c})
}
