package grad

import (
	"math"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// OpGate is the gradient of max(x, 0): Out[0] is In[1], dY, where In[0], X, is
// above 0, else 0. All are f32 of equal extents.
const OpGate = "gate.f32"

// Gate is the gate in plain Go.
var Gate = kernel.Desc{ID: "gate.f32.go", Op: OpGate, Fast: true, Prepare: prepareGate, Run: runGate}

type gate struct{ call *kernel.Call }

// gateBlock is how many elements are a chunk of work.
const gateBlock = 1 << 14

func prepareGate(c *kernel.Call) (any, error) {
	if err := checkCount(c, "gate", 2, false); err != nil {
		return nil, err
	}
	x, dy, dx := &c.In[0].Tensor, &c.In[1].Tensor, &c.Out[0].Tensor
	if x.DType() != dtype.F32 || dy.DType() != dtype.F32 || dx.DType() != dtype.F32 || x.Len() != dx.Len() || dy.Len() != dx.Len() {
		return nil, diag.New(diag.Shape, "gate of %v by %v to %v", dy.Type(), x.Type(), dx.Type())
	}
	return &gate{}, nil
}

func runGate(c *kernel.Call) {
	s := c.State.(*gate)
	s.call = c
	c.Pool.Run((c.Out[0].Tensor.Len()+gateBlock-1)/gateBlock, s)
	s.call = nil
}

// Do implements pool.Task.
func (s *gate) Do(i, _ int) {
	dx := floats(&s.call.Out[0])
	from, to := i*gateBlock, min((i+1)*gateBlock, len(dx))
	dx = dx[from:to]
	x, dy := floats(&s.call.In[0])[from:to][:len(dx)], floats(&s.call.In[1])[from:to][:len(dx)]
	for i, v := range x {
		// Signs are as good as random, so masks and no branch: b is above 0 and
		// at most the bits of infinity.
		b := int32(math.Float32bits(v))
		mask := (b - 1) >> 31 // -1 for 0 and for negative numbers but the lowest, -0
		mask |= b >> 31
		mask |= (0x7f800000 - b&0x7fffffff) >> 31
		dx[i] = math.Float32frombits(math.Float32bits(dy[i]) &^ uint32(mask))
	}
}
