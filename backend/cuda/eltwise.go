package cuda

import (
	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
)

// eltwiseF32 computes a chain of elementwise functions, a thread an element.
// Operands broadcast to the result as ONNX says.
func eltwiseF32(o *op) (bool, error) {
	if len(o.in.Out) != 1 || !floats(o.output(0).DType) {
		return false, nil
	}
	prog, err := eltwise.Decode(len(o.in.In), o.attrs().Strs(eltwise.AttrProg))
	if err != nil {
		return false, err
	}
	out := o.output(0).Dims
	for i := range o.in.In {
		if !o.given(i) || !eltwise.Reads(o.input(i).DType) || !broadcasts(o.input(i).Dims, out) {
			return false, nil
		}
	}
	k := o.kernel("eltwise")
	k.each(out, func(i ptx.U32, at []ptx.U32) {
		vals := make([]ptx.F32, len(o.in.In))
		for j := range vals {
			d := o.input(j).Dims
			e := i
			if !shape.EqualAll(d, out) {
				e = k.index(d, out, at)
			}
			vals[j] = loadFloat(k.share(j), e, o.input(j).DType)
		}
		storeFloat(k.store(0), i, o.output(0).DType, program(prog, vals))
	})
	return true, nil
}

// floats says whether kernels compute values of type d in float32.
func floats(d dtype.DType) bool { return d == dtype.F32 || d == dtype.F16 }

// loadFloat reads element i of an array of floats or small integers.
func loadFloat(p ptx.Ptr, i ptx.U32, d dtype.DType) ptx.F32 {
	switch d {
	case dtype.F32:
		return p.At(i, 4).LdF32()
	case dtype.F16:
		return p.At(i, 2).LdF16()
	}
	t := integers[d]
	v := t.load(p.At(i, t.bytes))
	if !t.signed {
		return v.ToF32()
	}
	return v.ToF32S()
}

func storeFloat(p ptx.Ptr, i ptx.U32, d dtype.DType, v ptx.F32) {
	if d == dtype.F16 {
		p.At(i, 2).StF16(v)
		return
	}
	p.At(i, 4).StF32(v)
}

// broadcasts says whether each axis of d is known to be of extent 1 or that of
// the axis of out that it stands under. Which of them it is may be open.
func broadcasts(d, out []shape.Dim) bool {
	lead := len(out) - len(d)
	if lead < 0 {
		return false
	}
	for i := range d {
		if !out[lead+i].Covers(d[i]) {
			return false
		}
	}
	return true
}

// index is the element of an operand of extents d that stands at the
// coordinates at of what it broadcasts to, whose extents are out.
func (k *kern) index(d, out []shape.Dim, at []ptx.U32) ptx.U32 {
	lead := len(at) - len(d)
	strides := ptx.Strides(k.extents(d)...)
	var coords, steps []ptx.U32
	for i := range d {
		if d[i].Is(1) {
			continue
		}
		c := at[lead+i]
		if !d[i].Equal(out[lead+i]) {
			c = k.extent(d[i]).Eq(ptx.I(1)).SelU32(ptx.I(0), c)
		}
		coords, steps = append(coords, c), append(steps, strides[i])
	}
	return ptx.Linear(coords, steps)
}

// program is the value of p for one element; vals are those of its operands.
func program(p *eltwise.Prog, vals []ptx.F32) ptx.F32 {
	vals = append([]ptx.F32(nil), vals...)
	arg := func(a eltwise.Arg) ptx.F32 {
		if a.Val < 0 {
			return ptx.F(a.Imm)
		}
		return vals[a.Val]
	}
	for _, s := range p.Steps {
		x, y := arg(s.X), ptx.F32{}
		if s.Op.Values() > 1 {
			y = arg(s.Y)
		}
		vals = append(vals, step(s, x, y))
	}
	return vals[len(vals)-1]
}

func step(s eltwise.Step, x, y ptx.F32) ptx.F32 {
	slope := func(a ptx.F32) ptx.F32 { return x.Lt(ptx.F(0)).SelF32(x.Mul(a), x) }
	switch s.Op {
	case eltwise.Neg:
		return x.Neg()
	case eltwise.Abs:
		return x.Abs()
	case eltwise.Sqrt:
		return x.Sqrt()
	case eltwise.Floor:
		return x.Floor()
	case eltwise.Ceil:
		return x.Ceil()
	case eltwise.Round:
		return x.RoundEven()
	case eltwise.Relu:
		return x.Relu()
	case eltwise.Exp:
		return x.Exp()
	case eltwise.Log:
		return x.Log()
	case eltwise.Tanh:
		return x.Tanh()
	case eltwise.Sigmoid:
		return x.Sigmoid()
	case eltwise.Erf:
		return x.Erf()
	case eltwise.Gelu:
		return x.Gelu()
	case eltwise.GeluTanh:
		return x.GeluTanh()
	case eltwise.Clip:
		return x.Clip(ptx.F(s.P), ptx.F(s.Q))
	case eltwise.LeakyRelu:
		return slope(ptx.F(s.P))
	case eltwise.Add:
		return x.Add(y)
	case eltwise.Sub:
		return x.Sub(y)
	case eltwise.Mul:
		return x.Mul(y)
	case eltwise.Div:
		return x.Div(y)
	case eltwise.Min:
		return x.Min(y)
	case eltwise.Max:
		return x.Max(y)
	case eltwise.PRelu:
		return slope(y)
	}
	return x // Copy
}
