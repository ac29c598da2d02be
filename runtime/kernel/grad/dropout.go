package grad

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// OpMask is a mask of dropout: In[0] is the key, i64; Out[0], f32, is 0 with
// the probability that the attribute ratio states, else 1/(1-ratio). Element i
// follows from SplitMix64 of the key and i alone.
const OpMask = "dropoutmask.f32"

// Mask is the mask in plain Go.
var Mask = kernel.Desc{ID: "dropoutmask.f32.go", Op: OpMask, Fast: true, Prepare: prepareMask, Run: runMask}

// mask is the state of a call. An element is 0 where the upper 53 bits of its
// number are below the limit.
type mask struct {
	limit uint64
	keep  uint32 // bits of what is no 0
	key   uint64 // of the run in progress
	call  *kernel.Call
}

// maskBlock is how many elements are a chunk of work.
const maskBlock = 1 << 13

func prepareMask(c *kernel.Call) (any, error) {
	if err := checkCount(c, "mask", 1, false); err != nil {
		return nil, err
	}
	if k, y := &c.In[0].Tensor, &c.Out[0].Tensor; k.DType() != dtype.I64 || y.DType() != dtype.F32 {
		return nil, diag.New(diag.Internal, "mask %v of key %v", y.Type(), k.Type())
	}
	ratio := float64(c.Attrs.Float("ratio"))
	if !(ratio >= 0 && ratio < 1) {
		return nil, &diag.Error{Kind: diag.Internal, Port: "ratio of a mask", Have: fmt.Sprint(ratio), Want: "0 to below 1"}
	}
	// n/2^53 < ratio says the same of integers, and of whole limits.
	return &mask{limit: uint64(math.Ceil(ratio * (1 << 53))), keep: math.Float32bits(float32(1 / (1 - ratio)))}, nil
}

func runMask(c *kernel.Call) {
	s := c.State.(*mask)
	s.call, s.key = c, 0
	for _, v := range tensor.Slice[int64](&c.In[0].Tensor) {
		s.key = splitMix((s.key ^ uint64(v)) + golden)
	}
	c.Pool.Run((c.Out[0].Tensor.Len()+maskBlock-1)/maskBlock, s)
	s.call = nil
}

// Do implements pool.Task.
func (s *mask) Do(i, _ int) {
	y := tensor.Slice[uint32](&s.call.Out[0].Tensor)
	from := i * maskBlock
	y = y[from:min(from+maskBlock, len(y))]
	state := s.key + uint64(from+1)*golden
	for i := range y {
		// The difference of two numbers of 53 bits is negative or not: no branch
		// on what is as good as random.
		below := int64(splitMix(state)>>11-s.limit) >> 63
		y[i] = s.keep &^ uint32(below)
		state += golden
	}
}

// golden is the increment of SplitMix64.
const golden = 0x9e3779b97f4a7c15

// splitMix is the output function of SplitMix64.
func splitMix(s uint64) uint64 {
	s = (s ^ s>>30) * 0xbf58476d1ce4e5b9
	s = (s ^ s>>27) * 0x94d049bb133111eb
	return s ^ s>>31
}
