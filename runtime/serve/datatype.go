package serve

import (
	"strings"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// datatypes are the protocol's names of element types.
var datatypes = [...]struct {
	name string
	d    dtype.DType
}{
	{"BOOL", dtype.Bool},
	{"UINT8", dtype.U8}, {"UINT16", dtype.U16}, {"UINT32", dtype.U32}, {"UINT64", dtype.U64},
	{"INT8", dtype.I8}, {"INT16", dtype.I16}, {"INT32", dtype.I32}, {"INT64", dtype.I64},
	{"FP16", dtype.F16}, {"BF16", dtype.BF16}, {"FP32", dtype.F32}, {"FP64", dtype.F64},
	{"BYTES", dtype.String},
}

// datatypeOf is the protocol's name of d, or empty.
func datatypeOf(d dtype.DType) string {
	for _, x := range datatypes {
		if x.d == d {
			return x.name
		}
	}
	return ""
}

func parseDatatype(s string) (dtype.DType, bool) {
	for _, x := range datatypes {
		if x.name == s {
			return x.d, true
		}
	}
	return dtype.Invalid, false
}

func datatypeNames() string {
	var b strings.Builder
	for i, x := range datatypes {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(x.name)
	}
	return b.String()
}

// extents are the dims as metadata shows them: -1 where open, [-1] where even
// the rank is.
func extents(t tensor.Type) []int64 {
	if t.Unranked {
		return []int64{-1}
	}
	out := make([]int64, len(t.Dims))
	for i, d := range t.Dims {
		out[i] = extent(d)
	}
	return out
}

func extent(d shape.Dim) int64 {
	if n, ok := d.Const(); ok {
		return n
	}
	return -1
}
