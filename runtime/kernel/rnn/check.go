package rnn

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// The operands of ONNX LSTM, then those of its gradient.
const (
	inX = iota
	inW
	inR
	inB
	inLens
	inH
	inC
	inP
	inDY
	inDH
	inDC
)

// part is an operand or a result with the elements that it has.
type part struct {
	name string
	v    *tensor.Tensor // nil where absent
	want int
}

// constant takes the extents of an OpLSTM and compares all others with them.
func (s *layer) constant(c *kernel.Call) error {
	if len(c.In) < 1 || len(c.In) > 4 || len(c.Out) > 3 || len(c.Consts) < 3 || len(c.Consts) > 4 {
		return diag.New(diag.Internal, "lstm with %d inputs, %d constants and %d outputs", len(c.In), len(c.Consts), len(c.Out))
	}
	s.direct(c)
	if err := s.extents(&c.In[0].Tensor, c.Consts[2].Len()/(4*s.dirs)); err != nil {
		return err
	}
	h4, n := 4*s.hidden, s.dirs*s.batch*s.hidden
	list := []part{{"packed elements of W", &c.Consts[0], s.dirs * gemm.PackedB(s.width, h4)},
		{"packed elements of R", &c.Consts[1], s.dirs * gemm.PackedB(s.hidden, h4)}, {"biases", &c.Consts[2], s.dirs * h4},
		operand(c.In, 1, "sequence_lens", s.batch), operand(c.In, 2, "initial_h", n), operand(c.In, 3, "initial_c", n)}
	if len(c.Consts) > 3 {
		list = append(list, part{"P", &c.Consts[3], s.dirs * 3 * s.hidden})
	}
	return compare(append(list, s.states(c)...))
}

// given takes the extents of a call whose operands are at most ins, in the
// order of ONNX, and compares all others with them.
func (s *layer) given(c *kernel.Call, ins int, outs func(s *layer, c *kernel.Call) []part) error {
	if len(c.In) <= inR || len(c.In) > ins {
		return diag.New(diag.Internal, "lstm with %d inputs", len(c.In))
	}
	s.direct(c)
	r := &c.In[inR].Tensor
	if r.Rank() != 3 {
		return diag.New(diag.Internal, "lstm with R of %v", r.Type())
	}
	if err := s.extents(&c.In[inX].Tensor, r.Dim(2)); err != nil {
		return err
	}
	// A product of extents that fits no int is none of a tensor's.
	h, d, n := s.hidden, s.dirs, s.dirs*s.batch*s.hidden
	w, ok1 := tensor.Count([]int{d, 4, h, s.width})
	rr, ok2 := tensor.Count([]int{d, 4, h, h})
	if !ok1 || !ok2 {
		return &diag.Error{Kind: diag.Shape, Port: "R", Have: fmt.Sprint(r.Dims()), Want: "extents that fit"}
	}
	list := []part{{"W", &c.In[inW].Tensor, w}, {"R", r, rr}, operand(c.In, inB, "B", 8*d*h), operand(c.In, inLens, "sequence_lens", s.batch),
		operand(c.In, inH, "initial_h", n), operand(c.In, inC, "initial_c", n), operand(c.In, inP, "P", 3*d*h),
		operand(c.In, inDY, "dY", s.steps*n), operand(c.In, inDH, "dY_h", n), operand(c.In, inDC, "dY_c", n)}
	return compare(append(list, outs(s, c)...))
}

// extents takes those of X[T, B, I] and the number of hidden units.
func (s *layer) extents(x *tensor.Tensor, hidden int) error {
	if x.Rank() != 3 || x.DType() != dtype.F32 {
		return diag.New(diag.Internal, "lstm of %v", x.Type())
	}
	s.steps, s.batch, s.width, s.hidden = x.Dim(0), x.Dim(1), x.Dim(2), hidden
	// What a call keeps by step is below 16 times the largest of these.
	for _, d := range [][]int{{s.dirs, s.steps, s.batch, 4 * 16, s.hidden}, {s.steps, s.batch, 16, s.width}, {s.dirs, s.steps, s.batch, 16},
		{s.dirs, s.batch, 16, s.hidden}, {s.dirs, 16, s.hidden, s.hidden}, {s.dirs, 4 * 16, s.hidden, s.width}} {
		if _, ok := tensor.Count(d); !ok {
			return &diag.Error{Kind: diag.Shape, Port: "gates", Have: fmt.Sprintf("%v with %d hidden units", x.Dims(), hidden), Want: "extents that fit"}
		}
	}
	return nil
}

// states are the results of a layer.
func states(s *layer, c *kernel.Call) []part { return s.states(c) }

func (s *layer) states(c *kernel.Call) []part {
	n := s.dirs * s.batch * s.hidden
	return []part{operand(c.Out, 0, "Y", s.steps*n), operand(c.Out, 1, "Y_h", n), operand(c.Out, 2, "Y_c", n)}
}

func operand(v []tensor.Value, i int, name string, want int) part {
	p := part{name, nil, want}
	if i < len(v) && v[i].Present() {
		p.v = &v[i].Tensor
	}
	return p
}

func compare(list []part) error {
	for _, p := range list {
		want := dtype.F32
		if p.name == "sequence_lens" {
			want = dtype.I32
		}
		switch {
		case p.v == nil:
		case p.v.DType() != want:
			return &diag.Error{Kind: diag.Internal, Port: p.name, Have: p.v.DType().String(), Want: want.String()}
		case p.v.Len() != p.want:
			return &diag.Error{Kind: diag.Shape, Port: p.name, Have: fmt.Sprint(p.v.Dims()), Want: fmt.Sprintf("%d elements", p.want)}
		}
	}
	return nil
}
