package tensor

// Value is what flows along an edge: a tensor, a sequence, an optional, a map
// or nothing. It is a struct so that tensors are not boxed. The zero Value is
// an absent optional input.
type Value struct {
	Kind   Kind
	Tensor Tensor  // KindTensor; the keys of a map
	Elems  []Value // KindSeq and KindMap; of KindOptional the one element, or none
	Elem   *Type   // element type of an empty sequence or optional, where known
}

// V wraps a tensor.
func V(t Tensor) Value { return Value{Kind: KindTensor, Tensor: t} }

// Vs wraps tensors.
func Vs(ts ...Tensor) []Value {
	out := make([]Value, len(ts))
	for i, t := range ts {
		out[i] = V(t)
	}
	return out
}

// SeqV wraps a sequence.
func SeqV(elem Type, vs ...Value) Value { return Value{Kind: KindSeq, Elems: vs, Elem: &elem} }

// Present says whether the value is there (an absent input is not).
func (v *Value) Present() bool { return v.Kind != KindNone }

// Type is the static type of the value.
func (v *Value) Type() Type {
	switch v.Kind {
	case KindTensor:
		return v.Tensor.Type()
	case KindSeq, KindOptional, KindMap:
		var e Type
		if v.Elem != nil {
			e = *v.Elem
		} else if len(v.Elems) > 0 {
			e = v.Elems[0].Type()
			if e.IsTensor() && v.Kind == KindSeq {
				e = TUnranked(e.DType)
			}
		}
		return Type{Kind: v.Kind, DType: v.Tensor.dt, Elem: &e}
	}
	return Type{}
}

// Clone copies all buffers.
func (v Value) Clone() Value {
	if v.Tensor.Valid() {
		v.Tensor = v.Tensor.Clone()
	}
	if v.Elems != nil {
		es := make([]Value, len(v.Elems))
		for i, e := range v.Elems {
			es[i] = e.Clone()
		}
		v.Elems = es
	}
	return v
}
