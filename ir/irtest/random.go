package irtest

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Sample is one set of attributes and inputs for an operator.
type Sample struct {
	Attrs attr.Map
	In    []tensor.Value // zero Values are absent
}

// Clone copies everything that Mutate changes.
func (s Sample) Clone() Sample {
	c := Sample{Attrs: s.Attrs.Clone(), In: make([]tensor.Value, len(s.In))}
	for i, v := range s.In {
		c.In[i] = v.Clone()
	}
	return c
}

// RandomSample draws inputs that fit the ports of d: element types that agree,
// shapes that broadcast, attributes from their kinds. They need not be legal;
// ask SampleQuery and ir.Infer.
func RandomSample(r *rand.Rand, d *ir.OpDef) Sample {
	s := Sample{Attrs: RandomAttrs(r, d)}
	vars := map[string]dtype.DType{}
	base := RandomDims(r, r.IntN(5))
	for i, p := range d.In {
		n := 1
		if p.Variadic {
			n = max(p.MinCount, 1) + r.IntN(3)
		}
		for range n {
			if p.Optional && r.IntN(2) == 0 {
				s.In = append(s.In, tensor.Value{})
				continue
			}
			dt := pick(r, p, vars)
			dims := base
			switch {
			case i > 0 && len(p.DTypes) == 1 && p.DTypes[0] == dtype.I64: // axes, shapes, counts
				dims = []int{r.IntN(len(base) + 2)}
			case i > 0 || p.Variadic:
				dims = Narrow(r, base)
			}
			s.In = append(s.In, tensor.V(RandomTensor(r, dt, dims...)))
		}
	}
	for len(s.In) > 0 && !s.In[len(s.In)-1].Present() {
		s.In = s.In[:len(s.In)-1]
	}
	return s
}

func pick(r *rand.Rand, p ir.Port, vars map[string]dtype.DType) dtype.DType {
	if d, ok := vars[p.Var]; ok && p.Var != "" {
		return d
	}
	types := p.DTypes
	if types == nil {
		types = []dtype.DType{dtype.F32, dtype.F64, dtype.F16, dtype.I64, dtype.I32, dtype.U8, dtype.Bool, dtype.String}
	}
	d := types[r.IntN(len(types))]
	if slices.Contains(types, dtype.F32) && r.IntN(2) == 0 {
		d = dtype.F32
	}
	vars[p.Var] = d
	return d
}

// RandomAttrs keeps most attributes at their defaults and draws the others.
func RandomAttrs(r *rand.Rand, d *ir.OpDef) attr.Map {
	m := attr.Map{}
	for _, a := range d.Attrs {
		if !a.Required && r.IntN(3) > 0 {
			continue
		}
		for range 20 {
			v := randomAttr(r, a.Kind)
			if v.Kind != attr.KindNone && (a.Check == nil || a.Check(v) == nil) {
				m[a.Name] = v
				break
			}
		}
	}
	return d.Complete(m)
}

func randomAttr(r *rand.Rand, k attr.Kind) attr.Value {
	switch k {
	case attr.KindInt:
		if r.IntN(4) == 0 { // type codes
			return attr.Int(r.IntN(27))
		}
		return attr.Int(r.IntN(7) - 3)
	case attr.KindFloat:
		return attr.Float(float32(r.IntN(9)-4) / 4)
	case attr.KindInts:
		v := make([]int64, r.IntN(5))
		for i := range v {
			v[i] = int64(r.IntN(4))
		}
		return attr.Ints(v...)
	case attr.KindFloats:
		v := make([]float32, r.IntN(4))
		for i := range v {
			v[i] = float32(r.IntN(5)) / 2
		}
		return attr.Floats(v...)
	}
	return attr.Value{}
}

// RandomDims draws extents of 1 to 4, now and then 0.
func RandomDims(r *rand.Rand, rank int) []int {
	dims := make([]int, rank)
	for i := range dims {
		dims[i] = 1 + r.IntN(4)
		if r.IntN(24) == 0 {
			dims[i] = 0
		}
	}
	return dims
}

// Narrow draws a shape that broadcasts to dims.
func Narrow(r *rand.Rand, dims []int) []int {
	out := slices.Clone(dims)
	for i := range out {
		if r.IntN(5) == 0 {
			out[i] = 1
		}
	}
	if len(out) > 0 && r.IntN(3) == 0 {
		out = out[r.IntN(len(out)+1):]
	}
	return out
}

// RandomTensor fills a tensor with small numbers.
func RandomTensor(r *rand.Rand, d dtype.DType, dims ...int) tensor.Tensor {
	t := tensor.New(d, dims...)
	switch {
	case d == dtype.String:
		for i := range t.Strings() {
			t.Strings()[i] = strconv.Itoa(r.IntN(30) - 9)
		}
	case d == dtype.Bool:
		for i := range t.Len() {
			t.SetInt(i, int64(r.IntN(2)))
		}
	case d.IsInt():
		for i := range t.Len() {
			v := int64(r.IntN(5))
			if d.IsSigned() && r.IntN(3) == 0 {
				v = -1 - int64(r.IntN(2))
			}
			t.SetInt(i, v)
		}
	case d.IsFloat() && d.Bits() >= 16:
		for i := range t.Len() {
			t.SetFloat(i, math.Round((float64(r.Float64()*8)-4)*64)/64)
		}
	default:
		for i := range t.Bytes() {
			t.Bytes()[i] = byte(r.IntN(100))
		}
	}
	return t
}

// SampleQuery describes a sample with every extent and every small constant known.
// Run-time dims that inference invents are called ?1, ?2, ...
func SampleQuery(d *ir.OpDef, s Sample, nout int) *ir.Query {
	q := &ir.Query{Def: d, Attrs: s.Attrs, NOut: nout, Fresh: freshDims(), Bounds: func(string) (int64, int64) { return 0, shape.Unbounded }}
	for i := range s.In {
		v := &s.In[i]
		f := ir.Fact{Type: v.Type()}
		if v.Kind == tensor.KindTensor && v.Tensor.Len() <= ir.SmallConst {
			f.Const = &v.Tensor
			f.Ints = ir.IntsOf(v.Tensor)
		}
		q.In = append(q.In, f)
	}
	return q
}

func freshDims() func() shape.Dim {
	n := 0
	return func() shape.Dim {
		n++
		return shape.Sym("?" + strconv.Itoa(n))
	}
}

// Blur forgets at random what q knows: extents and elements become symbols
// (whose values env holds), or elements are not known at all.
func Blur(r *rand.Rand, q *ir.Query) (env map[string]int64) {
	env = map[string]int64{}
	symbol := func(n int64) shape.Dim {
		if n < 0 || r.IntN(3) == 0 { // symbols are not negative
			return shape.Int(n)
		}
		name := "s" + strconv.Itoa(len(env))
		for k := range len(env) { // equal extents sometimes share a symbol
			if k := "s" + strconv.Itoa(k); env[k] == n && r.IntN(2) == 0 {
				return shape.Sym(k)
			}
		}
		env[name] = n
		return shape.Sym(name)
	}
	for i := range q.In {
		f := &q.In[i]
		if f.Type.Ranked() {
			dims := make([]shape.Dim, len(f.Type.Dims))
			for k, d := range f.Type.Dims {
				n, _ := d.Const()
				dims[k] = symbol(n)
			}
			f.Type.Dims = dims
		}
		switch {
		case f.Const == nil || r.IntN(3) == 0: // stays known
			if f.Const != nil {
				f.Type = f.Const.Type()
			}
			continue
		case f.Ints != nil && r.IntN(2) == 0:
			f.Type = f.Const.Type()
			ints := make([]shape.Dim, len(f.Ints))
			for k, d := range f.Ints {
				n, _ := d.Const()
				ints[k] = symbol(n)
			}
			f.Ints = ints
		default:
			f.Ints = nil
		}
		f.Const = nil
	}
	if r.IntN(8) == 0 && len(q.In) > 0 {
		if f := &q.In[r.IntN(len(q.In))]; f.Type.Ranked() {
			*f = ir.Fact{Type: tensor.TUnranked(f.Type.DType)}
		}
	}
	return env
}

// Mutate changes one thing of a sample: an extent, a rank, a type, elements of
// an integer operand, an attribute, an input's presence.
func Mutate(r *rand.Rand, d *ir.OpDef, s Sample) Sample {
	s = s.Clone()
	for range 1 + r.IntN(2) {
		if len(d.Attrs) > 0 && (len(s.In) == 0 || r.IntN(3) == 0) {
			mutateAttr(r, d.Attrs[r.IntN(len(d.Attrs))], s.Attrs)
			continue
		}
		if len(s.In) == 0 {
			return s
		}
		i := r.IntN(len(s.In))
		v := &s.In[i]
		if v.Kind != tensor.KindTensor {
			p := d.In[min(i, len(d.In)-1)]
			*v = tensor.V(RandomTensor(r, pick(r, p, map[string]dtype.DType{}), RandomDims(r, r.IntN(4))...))
			continue
		}
		mutateTensor(r, v)
	}
	return s
}

func mutateTensor(r *rand.Rand, v *tensor.Value) {
	t := &v.Tensor
	dims := slices.Clone(t.Dims())
	switch k := r.IntN(6); {
	case k == 0 && t.DType().IsInt() && t.Len() > 0, k == 1 && t.DType().IsInt() && t.Len() > 0:
		t.SetInt(r.IntN(t.Len()), []int64{-100, -3, -1, 0, 1, 2, 100}[r.IntN(7)])
		return
	case k == 2 && len(dims) > 0:
		dims = slices.Delete(dims, 0, 1+r.IntN(len(dims)))
	case k == 3:
		dims = slices.Insert(dims, r.IntN(len(dims)+1), 1+r.IntN(3))
	case len(dims) > 0:
		dims[r.IntN(len(dims))] = r.IntN(7)
	}
	n := RandomTensor(r, t.DType(), dims...)
	if t.DType().IsInt() {
		for i := range min(n.Len(), t.Len()) {
			n.SetInt(i, t.Int(i))
		}
	}
	*t = n
}

func mutateAttr(r *rand.Rand, a ir.Attr, m attr.Map) {
	switch a.Kind {
	case attr.KindInt:
		m[a.Name] = attr.Int(int64([]int{-9, -1, 0, 1, 2, 3, 9, r.IntN(27)}[r.IntN(8)]))
	case attr.KindInts:
		v := slices.Clone(m[a.Name].Ints)
		switch k := r.IntN(3); {
		case k == 0 && len(v) > 0:
			v[r.IntN(len(v))] = []int64{-1, 0, 1, 2, 9}[r.IntN(5)]
		case k == 1 && len(v) > 0:
			v = v[:len(v)-1]
		default:
			v = append(v, int64(r.IntN(3)))
		}
		m[a.Name] = attr.Ints(v...)
	default:
		if v := randomAttr(r, a.Kind); v.Kind != attr.KindNone {
			m[a.Name] = v
		}
	}
}
