package op

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
)

// sumTo undoes broadcasting in a gradient: it sums dy over the axes along
// which x was stretched and gives it x's shape. nil stays nil.
func sumTo(e ir.Emitter, dy, x *ir.Value) *ir.Value {
	if dy == nil || dy.Type.Equal(x.Type) {
		return dy
	}
	lead := dy.Type.Rank() - x.Type.Rank()
	var axes []int64
	for i, d := range dy.Type.Dims {
		if i < lead || !d.Equal(x.Type.Dims[i-lead]) {
			axes = append(axes, int64(i))
		}
	}
	if len(axes) > 0 {
		dy = e.Op("ReduceSum", attr.Map{"keepdims": attr.Int(1)}, dy, e.Ints(axes...))
	}
	return reshapeLike(e, dy, x)
}
