package tensor

import (
	"strings"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
)

// Kind says what a value is.
type Kind uint8

// The kinds. None is an absent optional input or an unknown type.
const (
	KindNone Kind = iota
	KindTensor
	KindSeq
	KindOptional
	KindMap
)

// Type is the type of a value. The zero Type is that of an absent value.
type Type struct {
	Kind     Kind
	DType    dtype.DType // of a tensor; the key of a map
	Dims     []shape.Dim // of a ranked tensor
	Unranked bool        // a tensor whose rank is not known: f32[?]
	Elem     *Type       // of a sequence, optional or map
}

// T is the type of a ranked tensor.
func T(d dtype.DType, dims ...shape.Dim) Type {
	return Type{Kind: KindTensor, DType: d, Dims: dims}
}

// TUnranked is the type of a tensor of unknown rank.
func TUnranked(d dtype.DType) Type { return Type{Kind: KindTensor, DType: d, Unranked: true} }

// Seq is the type of a sequence of elem.
func Seq(elem Type) Type { return Type{Kind: KindSeq, Elem: &elem} }

// Optional is the type of an optional elem.
func Optional(elem Type) Type { return Type{Kind: KindOptional, Elem: &elem} }

// MapOf is the type of a map from key to elem.
func MapOf(key dtype.DType, elem Type) Type {
	return Type{Kind: KindMap, DType: key, Elem: &elem}
}

// IsTensor says whether t is a tensor of any shape.
func (t Type) IsTensor() bool { return t.Kind == KindTensor }

// Ranked says whether t is a tensor whose rank is known.
func (t Type) Ranked() bool { return t.Kind == KindTensor && !t.Unranked }

// Rank is the number of axes of a ranked tensor, else -1.
func (t Type) Rank() int {
	if !t.Ranked() {
		return -1
	}
	return len(t.Dims)
}

// Static gives the extents where all are known.
func (t Type) Static() ([]int, bool) {
	if !t.Ranked() {
		return nil, false
	}
	return shape.Consts(t.Dims)
}

// Equal says whether the types are provably the same.
func (t Type) Equal(o Type) bool {
	if t.Kind != o.Kind || t.DType != o.DType || t.Unranked != o.Unranked || !shape.EqualAll(t.Dims, o.Dims) {
		return false
	}
	if t.Elem == nil || o.Elem == nil {
		return t.Elem == o.Elem
	}
	return t.Elem.Equal(*o.Elem)
}

// String is the .mir form: f32[N,3,8,8], f32[?], seq(f32[?]), none.
func (t Type) String() string {
	switch t.Kind {
	case KindTensor:
		if t.Unranked {
			return t.DType.String() + "[?]"
		}
		return t.DType.String() + shape.Format(t.Dims)
	case KindSeq:
		return "seq(" + t.Elem.String() + ")"
	case KindOptional:
		return "opt(" + t.Elem.String() + ")"
	case KindMap:
		return "map(" + t.DType.String() + "," + t.Elem.String() + ")"
	}
	return "none"
}

// FormatTypes joins types with commas.
func FormatTypes(ts []Type) string {
	s := make([]string, len(ts))
	for i, t := range ts {
		s[i] = t.String()
	}
	return strings.Join(s, ", ")
}
