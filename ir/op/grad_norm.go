package op

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
)

// castLike emits v as type d, v itself if it is that already; nil stays nil.
func castLike(e ir.Emitter, v *ir.Value, d dtype.DType) *ir.Value {
	if v == nil || v.Type.DType == d {
		return v
	}
	return e.Op("Cast", attr.Map{"to": attr.Int(int64(d.ONNX()))}, v)
}

// arith emits formulas of one element type.
type arith struct {
	e ir.Emitter
	d dtype.DType
}

func (m arith) add(x, y *ir.Value) *ir.Value { return m.e.Op("Add", nil, x, y) }
func (m arith) sub(x, y *ir.Value) *ir.Value { return m.e.Op("Sub", nil, x, y) }
func (m arith) mul(x, y *ir.Value) *ir.Value { return m.e.Op("Mul", nil, x, y) }
func (m arith) div(x, y *ir.Value) *ir.Value { return m.e.Op("Div", nil, x, y) }
func (m arith) num(v float64) *ir.Value      { return m.e.Scalar(m.d, v) }

// sum and mean keep the reduced axes as 1.
func (m arith) sum(x *ir.Value, axes []int64) *ir.Value {
	return m.e.Op("ReduceSum", attr.Map{"keepdims": attr.Int(1)}, x, m.e.Ints(axes...))
}

func (m arith) mean(x *ir.Value, axes []int64) *ir.Value {
	return m.e.Op("ReduceMean", attr.Map{"keepdims": attr.Int(1)}, x, m.e.Ints(axes...))
}

// invDev is 1/sqrt(v + eps).
func (m arith) invDev(v *ir.Value, eps float32) *ir.Value {
	return m.div(m.num(1), m.e.Op("Sqrt", nil, m.add(v, m.num(float64(eps)))))
}

// plus adds where y is there; nil x gives y.
func (m arith) plus(x, y *ir.Value) *ir.Value {
	switch {
	case x == nil:
		return y
	case y == nil:
		return x
	}
	return m.add(x, y)
}

// gradBatchNorm differentiates the definition. In training mode mean and
// variance depend on X, which mlc.BatchNormGrad takes into account, and the
// running statistics pass their share on to X and to the inputs.
func gradBatchNorm(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
	dx := make([]*ir.Value, 5)
	x := n.In[0]
	r := x.Type.Rank()
	if r < 1 {
		e.Fail(diag.New(diag.Unsupported, "gradient of BatchNormalization with X of unknown rank"))
		return dx
	}
	axes := otherAxes(r)
	m := arith{e, x.Type.DType}
	// A vector over channels is given the axes of X.
	view := make([]int64, r)
	for i := range view {
		view[i] = 1
	}
	if r > 1 {
		view[1] = -1
	}
	channel := func(v *ir.Value) *ir.Value {
		if v == nil {
			return nil
		}
		return castLike(e, e.Op("Reshape", nil, v, e.Ints(view...)), m.d)
	}
	vector := func(v *ir.Value, like *ir.Value) *ir.Value {
		return castLike(e, e.Op("Reshape", nil, v, e.Ints(-1)), like.Type.DType)
	}
	training := n.Attrs.Bool("training_mode")
	mean, variance := channel(n.In[3]), channel(n.In[4])
	if training {
		mean = m.mean(x, axes)
		dev := m.sub(x, mean)
		variance = m.mean(m.mul(dev, dev), axes)
	}
	dev := m.sub(x, mean)
	inv := m.invDev(variance, n.Attrs.Float("epsilon"))
	xhat := m.mul(dev, inv)
	if dy[0] != nil && training {
		copy(dx, e.OpN("mlc.BatchNormGrad", 3, attr.Map{"epsilon": n.Attrs["epsilon"]}, nil, dy[0], x, n.In[1]))
	} else if dy[0] != nil {
		g := m.mul(dy[0], channel(n.In[1]))
		sumG, sumGX := m.sum(g, axes), m.sum(m.mul(g, xhat), axes)
		dx[1] = vector(m.sum(m.mul(dy[0], xhat), axes), n.In[1])
		dx[2] = vector(m.sum(dy[0], axes), n.In[2])
		dx[0] = m.mul(g, inv)
		dx[3] = vector(m.mul(sumG, m.mul(inv, m.num(-1))), n.In[3])
		dx[4] = vector(m.mul(sumGX, m.mul(m.mul(inv, inv), m.num(-0.5))), n.In[4])
	}
	if !training {
		return dx
	}
	momentum := float64(n.Attrs.Float("momentum"))
	for i := 1; i < len(dy); i++ {
		if dy[i] == nil {
			continue
		}
		d := castLike(e, dy[i], m.d)
		dx[2+i] = castLike(e, m.mul(d, m.num(momentum)), n.In[2+i].Type.DType)
		share := m.div(m.mul(channel(dy[i]), m.num(1-momentum)), extentProduct(e, x, axes, m.d))
		if i == 1 {
			share = e.Op("Expand", nil, share, emitShape(e, x))
		} else {
			share = m.mul(share, m.mul(dev, m.num(2)))
		}
		dx[0] = m.plus(dx[0], share)
	}
	return dx
}

// gradLayerNorm differentiates the definition: with g = dY*Scale,
//
//	dX = inv*(g - mean(g) - xhat*mean(g*xhat)) + dMean/n - dInv*inv^3*(X - mean)/n
func gradLayerNorm(e ir.Emitter, n *ir.Node, dy []*ir.Value) []*ir.Value {
	dx := make([]*ir.Value, len(n.In))
	x := n.In[0]
	axis, err := axisOf(n.Attrs.Int("axis"), x.Type.Rank())
	if err != nil {
		e.Fail(diag.New(diag.Unsupported, "gradient of LayerNormalization with X of unknown rank"))
		return dx
	}
	var axes []int64
	for i := axis; i < x.Type.Rank(); i++ {
		axes = append(axes, int64(i))
	}
	m := arith{e, x.Type.DType}
	mean := m.mean(x, axes)
	dev := m.sub(x, mean)
	inv := m.invDev(m.mean(m.mul(dev, dev), axes), n.Attrs.Float("epsilon"))
	if dy[0] != nil {
		xhat := m.mul(dev, inv)
		g := m.mul(dy[0], n.In[1])
		dx[0] = m.mul(inv, m.sub(m.sub(g, m.mean(g, axes)), m.mul(xhat, m.mean(m.mul(g, xhat), axes))))
		dx[1] = sumTo(e, m.mul(dy[0], xhat), n.In[1])
		if len(n.In) > 2 && n.In[2] != nil {
			dx[2] = sumTo(e, dy[0], n.In[2])
		}
	}
	count := func() *ir.Value { return extentProduct(e, x, axes, m.d) }
	if len(dy) > 1 && dy[1] != nil {
		d := m.div(castLike(e, dy[1], m.d), count())
		dx[0] = m.plus(dx[0], e.Op("Expand", nil, d, emitShape(e, x)))
	}
	if len(dy) > 2 && dy[2] != nil {
		cube := m.mul(inv, m.mul(inv, inv))
		d := m.div(m.mul(castLike(e, dy[2], m.d), cube), count())
		dx[0] = m.plus(dx[0], m.mul(m.mul(d, dev), m.num(-1)))
	}
	return dx
}
