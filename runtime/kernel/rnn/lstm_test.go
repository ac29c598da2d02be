package rnn_test

import (
	"fmt"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/kernel/ref"
	"github.com/mlc-go/mlc/runtime/kernel/rnn"
)

var lstms = []*kernel.Desc{&rnn.LSTMF32_14x32_avx512, &rnn.LSTMF32_6x16_avx2, &rnn.LSTMF32_4x16_neon, &rnn.LSTMF32_generic}

// spec is a layer to test.
type spec struct {
	steps, batch, width, hidden int
	direction                   string
	bias, initial, peep         bool
	lens                        []int32
	y, yh, yc                   bool
}

func packs(w tensor.Value, dirs, k, n int) tensor.Tensor {
	t := tensor.New(dtype.F32, dirs*gemm.PackedB(k, n))
	for d := range dirs {
		gemm.PackB(tensor.Slice[float32](&t)[d*gemm.PackedB(k, n):(d+1)*gemm.PackedB(k, n)], tensor.Slice[float32](&w.Tensor)[d*k*n:], k, n, k, true)
	}
	return t
}

// scaled makes weights small, so that sums stay where gates bend.
func scaled(v tensor.Value) tensor.Value {
	x := tensor.Slice[float32](&v.Tensor)
	for i := range x {
		x[i] *= 0.25
	}
	return v
}

func (s *spec) test(t *testing.T, seed uint64) kerneltest.Case {
	dirs := 1
	if s.direction == "bidirectional" {
		dirs = 2
	}
	h4 := 4 * s.hidden
	a := attr.Map{"direction": attr.Str(s.direction), "layout": attr.Int(0), "input_forget": attr.Int(0)}
	x := kerneltest.Random(seed, false, s.steps, s.batch, s.width)
	w, r := scaled(kerneltest.Random(seed+1, false, dirs, h4, s.width)), scaled(kerneltest.Random(seed+2, false, dirs, h4, s.hidden))
	var b, lens, h0, c0, p tensor.Value
	sum := tensor.New(dtype.F32, dirs, h4)
	if s.bias {
		b = kerneltest.Random(seed+3, false, dirs, 2*h4)
		v, u := tensor.Slice[float32](&b.Tensor), tensor.Slice[float32](&sum)
		for d := range dirs {
			for i := range h4 {
				u[d*h4+i] = v[2*d*h4+i] + v[(2*d+1)*h4+i]
			}
		}
	}
	if s.lens != nil {
		lens = tensor.V(tensor.MustOf(s.lens, s.batch))
	}
	if s.initial {
		h0, c0 = kerneltest.Random(seed+4, false, dirs, s.batch, s.hidden), kerneltest.Random(seed+5, false, dirs, s.batch, s.hidden)
	}
	c := kerneltest.Case{Name: fmt.Sprintf("%+v", *s), In: []tensor.Value{x, lens, h0, c0}, Attrs: a, Tol: tensor.Custom(1e-5, 2e-6),
		Consts: []tensor.Tensor{packs(w, dirs, s.width, h4), packs(r, dirs, s.hidden, h4), sum}}
	if s.peep {
		p = kerneltest.Random(seed+6, false, dirs, 3*s.hidden)
		c.Consts = append(c.Consts, p.Tensor)
	}
	c.Want = kerneltest.Eval(t, ref.LSTM, a, 3, x, w, r, b, lens, h0, c0, p)
	for i, want := range []bool{s.y, s.yh, s.yc} {
		if !want {
			c.Want[i] = tensor.Value{}
		}
	}
	return c
}

func TestLSTM(t *testing.T) {
	var cases []kerneltest.Case
	for i, s := range []spec{
		{steps: 1, batch: 1, width: 1, hidden: 1, direction: "forward", y: true, yh: true, yc: true},
		{steps: 5, batch: 1, width: 7, hidden: 12, direction: "forward", bias: true, y: true},
		{steps: 5, batch: 3, width: 7, hidden: 12, direction: "reverse", bias: true, initial: true, y: true, yh: true, yc: true},
		{steps: 6, batch: 2, width: 20, hidden: 17, direction: "bidirectional", bias: true, initial: true, y: true, yh: true, yc: true},
		{steps: 6, batch: 3, width: 5, hidden: 9, direction: "bidirectional", peep: true, initial: true, yc: true, y: true},
		{steps: 6, batch: 4, width: 5, hidden: 9, direction: "bidirectional", bias: true, lens: []int32{6, 0, 3, 1}, y: true, yh: true, yc: true},
		{steps: 4, batch: 2, width: 5, hidden: 9, direction: "forward", bias: true, lens: []int32{2, 4}, yh: true},
		{steps: 0, batch: 2, width: 5, hidden: 9, direction: "forward", initial: true, yh: true, yc: true, y: true},
		{steps: 3, batch: 30, width: 40, hidden: 80, direction: "forward", bias: true, y: true, yh: true},
	} {
		cases = append(cases, s.test(t, uint64(20*i)))
	}
	kerneltest.All(t, lstms, cases)
}

func TestLengthsChecked(t *testing.T) {
	s := spec{steps: 2, batch: 1, width: 3, hidden: 4, direction: "forward", yh: true, lens: []int32{2}}
	c := s.test(t, 1)
	call := &kernel.Call{In: c.In, Out: c.Want, Consts: c.Consts, Attrs: c.Attrs}
	st, err := rnn.LSTMF32_generic.Prepare(call)
	if err != nil {
		t.Fatal(err)
	}
	call.State, call.Scratch = st, make([]byte, 1<<16)
	tensor.Slice[int32](&c.In[1].Tensor)[0] = 3
	defer func() {
		if err, ok := recover().(error); !ok || err.Error() != "sequence_lens: have 3, want 0..2" {
			t.Errorf("have %v", err)
		}
	}()
	rnn.LSTMF32_generic.Run(call)
	t.Error("a length beyond the sequence ran")
}
