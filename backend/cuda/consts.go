package cuda

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/plan"
)

// empty says whether result 0 is known to have no element: kernels that divide by
// its extents leave it to the host.
func (o *op) empty() bool { return shape.Prod(o.output(0).Dims).Is(0) }

// constValue is operand i where it is constant and plain; it is not present
// where the operand is absent.
func (o *op) constValue(i int) (v tensor.Value, ok bool, err error) {
	if !o.given(i) {
		return v, true, nil
	}
	s := &o.old.Slots[o.old.Root(o.in.In[i])]
	if s.Kind != plan.Fixed {
		return v, false, nil
	}
	c := &o.p.Consts[s.Index]
	if c.Format != "" || c.DType == dtype.String {
		return v, false, nil
	}
	b, err := c.Data()
	if err != nil {
		return v, false, err
	}
	t, err := tensor.FromBytes(c.DType, c.Dims, b)
	return tensor.V(t), err == nil, err
}

// ints are the values of operand i where they are constant integers, brought
// within 32 bits; none where it is absent.
func (o *op) ints(i int) (v []int, ok bool, err error) {
	c, ok, err := o.constValue(i)
	if err != nil || !ok || !c.Present() {
		return nil, ok, err
	}
	t := &c.Tensor
	if !t.DType().IsInt() {
		return nil, false, nil
	}
	for j := range t.Len() {
		v = append(v, int(min(max(t.Int(j), -math.MaxInt32), math.MaxInt32)))
	}
	return v, true, nil
}

// table is the address of a constant that the generator made.
func (k *kern) table(t tensor.Tensor) ptx.Ptr {
	p := k.o.p
	p.Consts = append(p.Consts, plan.Const{Name: fmt.Sprintf("table%d", len(p.Consts)), DType: t.DType(), Dims: t.Dims(),
		Data: func() ([]byte, error) { return t.Bytes(), nil }})
	k.args = append(k.args, k.operand(k.o.placer.constant(len(p.Consts)-1)))
	return k.ParamPtr(fmt.Sprintf("a%d", len(k.args)-1)).NC()
}
