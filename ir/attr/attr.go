// Package attr holds the attributes of operators: named integers, floats,
// strings, lists of them, tensors and types. It never holds graphs (regions
// belong to the node) and knows no operator.
//
//	a := attr.Map{"axis": attr.Int(1), "pads": attr.Ints(0, 0, 1, 1)}
package attr

import (
	"maps"
	"math"
	"slices"

	"github.com/mlc-go/mlc/ir/tensor"
)

// Kind says which field of a Value holds.
type Kind uint8

// The kinds, as in ONNX AttributeProto without graphs.
const (
	KindNone Kind = iota
	KindInt
	KindFloat
	KindString
	KindInts
	KindFloats
	KindStrings
	KindTensor
	KindType
)

var kindNames = [...]string{"none", "int", "float", "string", "ints", "floats", "strings", "tensor", "type"}

func (k Kind) String() string { return kindNames[k] }

// Value is one attribute.
type Value struct {
	Kind    Kind
	Int     int64
	Float   float32
	Str     string
	Ints    []int64
	Floats  []float32
	Strs    []string
	Tensor  *tensor.Tensor
	TypeVal *tensor.Type
}

// Constructors.
func Int[T ~int | ~int64 | ~int32](v T) Value { return Value{Kind: KindInt, Int: int64(v)} }
func Float(v float32) Value                   { return Value{Kind: KindFloat, Float: v} }
func Str(v string) Value                      { return Value{Kind: KindString, Str: v} }
func Ints(v ...int64) Value                   { return Value{Kind: KindInts, Ints: v} }
func Floats(v ...float32) Value               { return Value{Kind: KindFloats, Floats: v} }
func Strs(v ...string) Value                  { return Value{Kind: KindStrings, Strs: v} }
func Tensor(t tensor.Tensor) Value            { return Value{Kind: KindTensor, Tensor: &t} }
func Type(t tensor.Type) Value                { return Value{Kind: KindType, TypeVal: &t} }

// Bool is Int(1) or Int(0), ONNX's way.
func Bool(b bool) Value {
	if b {
		return Int(1)
	}
	return Int(0)
}

// Equal compares bit for bit (NaN equals the same NaN).
func (v Value) Equal(o Value) bool {
	if v.Kind != o.Kind {
		return false
	}
	switch v.Kind {
	case KindInt:
		return v.Int == o.Int
	case KindFloat:
		return math.Float32bits(v.Float) == math.Float32bits(o.Float)
	case KindString:
		return v.Str == o.Str
	case KindInts:
		return slices.Equal(v.Ints, o.Ints)
	case KindFloats:
		return slices.EqualFunc(v.Floats, o.Floats, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
	case KindStrings:
		return slices.Equal(v.Strs, o.Strs)
	case KindTensor:
		a, b := v.Tensor, o.Tensor
		return a.DType() == b.DType() && slices.Equal(a.Dims(), b.Dims()) &&
			slices.Equal(a.Bytes(), b.Bytes()) && slices.Equal(a.Strings(), b.Strings())
	case KindType:
		return v.TypeVal.Equal(*o.TypeVal)
	}
	return true
}

// Map holds a node's attributes. Nodes hold them with all defaults filled in
// (ir.OpDef.Complete), so a getter's zero means: optional and not given. A nil
// Map may be read.
type Map map[string]Value

// Has says whether the attribute is given.
func (m Map) Has(name string) bool { _, ok := m[name]; return ok }

// Getters give the zero value where the attribute is missing.
func (m Map) Int(name string) int               { return int(m[name].Int) }
func (m Map) Bool(name string) bool             { return m[name].Int != 0 }
func (m Map) Float(name string) float32         { return m[name].Float }
func (m Map) Str(name string) string            { return m[name].Str }
func (m Map) Ints(name string) []int64          { return m[name].Ints }
func (m Map) Floats(name string) []float32      { return m[name].Floats }
func (m Map) Strs(name string) []string         { return m[name].Strs }
func (m Map) Tensor(name string) *tensor.Tensor { return m[name].Tensor }

// Names are the names in order.
func (m Map) Names() []string { return slices.Sorted(maps.Keys(m)) }

// Clone copies the map (values are never changed in place).
func (m Map) Clone() Map { return maps.Clone(m) }

// Equal compares all attributes.
func (m Map) Equal(o Map) bool { return maps.EqualFunc(m, o, Value.Equal) }
