package artifact

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// codec moves values in one direction: into b (writing) or out of it. Every
// method takes a pointer that it reads or sets. After the first error it does
// nothing.
type codec struct {
	b       []byte
	reading bool
	err     error
	depth   int
}

// maxDepth bounds nested types; maxCount the length of any list, beyond what
// the remaining bytes already bound.
const (
	maxDepth = 32
	maxCount = 1 << 24
)

func (c *codec) fail(format string, a ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, a...)
	}
	c.b = nil
}

func (c *codec) uint(v *uint64) {
	if !c.reading {
		c.b = binary.AppendUvarint(c.b, *v)
		return
	}
	x, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.fail("index ends in the middle")
		*v = 0
		return
	}
	*v, c.b = x, c.b[n:]
}

func (c *codec) int64(v *int64) {
	u := uint64(*v)<<1 ^ uint64(*v>>63)
	c.uint(&u)
	*v = int64(u>>1) ^ -int64(u&1)
}

func (c *codec) int(v *int) {
	x := int64(*v)
	c.int64(&x)
	*v = int(x)
}

func (c *codec) u8(v *uint8) {
	x := uint64(*v)
	c.uint(&x)
	if x > math.MaxUint8 {
		c.fail("a small number is %d", x)
		x = 0
	}
	*v = uint8(x)
}

func (c *codec) bool(v *bool) {
	var x uint8
	if *v {
		x = 1
	}
	c.u8(&x)
	*v = x != 0
}

func (c *codec) bytes(v *[]byte) {
	n := uint64(len(*v))
	c.uint(&n)
	if !c.reading {
		c.b = append(c.b, *v...)
		return
	}
	if n > uint64(len(c.b)) {
		c.fail("index ends in the middle")
		return
	}
	*v, c.b = c.b[:n:n], c.b[n:]
}

func (c *codec) str(v *string) {
	b := []byte(*v)
	c.bytes(&b)
	*v = string(b)
}

// list codes the length of a slice and each element. An element takes at least
// one byte, so a length beyond the remaining bytes is a lie.
func list[T any](c *codec, v *[]T, each func(*T)) {
	n := uint64(len(*v))
	c.uint(&n)
	if c.reading {
		if n > uint64(len(c.b)) || n > maxCount {
			c.fail("a list of %d in %d bytes", n, len(c.b))
			return
		}
		// The slice grows as elements come in: what the length says may be a lie,
		// and an element may be much larger than its bytes here.
		*v = make([]T, 0, min(n, 64))
		for range n {
			if c.err != nil {
				return
			}
			*v = append(*v, *new(T))
			each(&(*v)[len(*v)-1])
		}
		if n == 0 {
			*v = nil
		}
		return
	}
	for i := range *v {
		each(&(*v)[i])
	}
}

func (c *codec) dtype(d *dtype.DType) {
	x := uint8(*d)
	c.u8(&x)
	*d = dtype.DType(x)
	if *d != dtype.Invalid && !d.Valid() {
		c.fail("element type %d", x)
	}
}

func (c *codec) dim(d *shape.Dim) {
	if !c.reading {
		s := d.String()
		c.str(&s)
		return
	}
	var s string
	c.str(&s)
	x, err := shape.Parse(s)
	if err != nil && c.err == nil {
		c.fail("%v", err)
	}
	*d = x
}

func (c *codec) typ(t *tensor.Type) {
	if c.depth++; c.depth > maxDepth {
		c.fail("a type is nested more than %d deep", maxDepth)
	}
	defer func() { c.depth-- }()
	k := uint8(t.Kind)
	c.u8(&k)
	t.Kind = tensor.Kind(k)
	if c.err != nil {
		return
	}
	switch t.Kind {
	case tensor.KindNone:
	case tensor.KindTensor:
		c.dtype(&t.DType)
		c.bool(&t.Unranked)
		list(c, &t.Dims, c.dim)
	case tensor.KindSeq, tensor.KindOptional, tensor.KindMap:
		c.dtype(&t.DType)
		if c.reading {
			t.Elem = new(tensor.Type)
		}
		c.typ(t.Elem)
	default:
		c.fail("kind of type %d", k)
	}
}

// attrs codes a map in name order.
func (c *codec) attrs(m *attr.Map) {
	names := m.Names()
	list(c, &names, c.str)
	if c.reading {
		*m = make(attr.Map, len(names))
	}
	for _, n := range names {
		v := (*m)[n]
		c.attr(&v)
		if c.err != nil {
			return
		}
		(*m)[n] = v
	}
}

func (c *codec) attr(v *attr.Value) {
	k := uint8(v.Kind)
	c.u8(&k)
	v.Kind = attr.Kind(k)
	if c.err != nil {
		return
	}
	switch v.Kind {
	case attr.KindInt:
		c.int64(&v.Int)
	case attr.KindFloat:
		c.f32(&v.Float)
	case attr.KindString:
		c.str(&v.Str)
	case attr.KindInts:
		list(c, &v.Ints, c.int64)
	case attr.KindFloats:
		list(c, &v.Floats, c.f32)
	case attr.KindStrings:
		list(c, &v.Strs, c.str)
	case attr.KindTensor:
		c.tensor(&v.Tensor)
	case attr.KindType:
		if c.reading {
			v.TypeVal = new(tensor.Type)
		}
		c.typ(v.TypeVal)
	default:
		c.fail("kind of attribute %d", k)
	}
}

func (c *codec) f32(f *float32) {
	u := uint64(math.Float32bits(*f))
	c.uint(&u)
	*f = math.Float32frombits(uint32(u))
}

func (c *codec) tensor(t **tensor.Tensor) {
	var d dtype.DType
	var dims []int
	var b []byte
	var ss []string
	if !c.reading {
		d, dims, b, ss = (*t).DType(), (*t).Dims(), (*t).Bytes(), (*t).Strings()
	}
	c.dtype(&d)
	list(c, &dims, c.int)
	c.bytes(&b)
	list(c, &ss, c.str)
	if !c.reading || c.err != nil {
		return
	}
	var x tensor.Tensor
	var err error
	if d == dtype.String {
		x, err = tensor.OfStrings(ss, dims...)
	} else {
		x, err = tensor.FromBytes(d, dims, b)
	}
	if err != nil {
		c.fail("%v", err)
	}
	*t = &x
}
