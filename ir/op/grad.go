package op

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
)

// sumTo undoes broadcasting in a gradient: it sums dy over the axes along
// which x was stretched and gives it x's shape. nil stays nil. An axis of x
// that may or may not have been stretched, as only the run will tell, is
// summed by indices that are all 0 where x's extent is 1 and those of dy
// elsewhere.
func sumTo(e ir.Emitter, dy, x *ir.Value) *ir.Value {
	if dy == nil || dy.Type.Equal(x.Type) {
		return dy
	}
	lead := dy.Type.Rank() - x.Type.Rank()
	var axes, open []int64
	for i, d := range dy.Type.Dims {
		switch {
		case i < lead:
			axes = append(axes, int64(i))
		case d.Equal(x.Type.Dims[i-lead]):
		case x.Type.Dims[i-lead].Is(1):
			axes = append(axes, int64(i))
		default:
			open = append(open, int64(i))
		}
	}
	for _, a := range open {
		xa := int(a) - lead
		pos := e.Op("Min", nil, positions(e, dy, int(a)), e.Op("Sub", nil, dimVec(e, x, xa), e.Ints(1)))
		dy = e.Op("mlc.GatherGrad", attr.Map{"axis": attr.Int(a)}, dy, pos, dimVec(e, x, xa))
	}
	if len(axes) > 0 {
		dy = e.Op("ReduceSum", attr.Map{"keepdims": attr.Int(1)}, dy, e.Ints(axes...))
	}
	return reshapeLike(e, dy, x)
}
