package onnx

import (
	"errors"
	"math"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// constOf makes a constant that reads t when it is asked for.
func constOf(t *RawTensor) (*ir.Const, *diag.Error) {
	d, dims, e := t.typeOf()
	if e != nil {
		return nil, e
	}
	return ir.LazyConst(d, dims, ir.Init{}, func() (tensor.Tensor, error) { return t.Value() }), nil
}

// typeOf gives element type and extents in our terms.
func (t *RawTensor) typeOf() (dtype.DType, []int, *diag.Error) {
	d, e := dtypeOf(t.DataType)
	if e != nil {
		return 0, nil, t.locate(e)
	}
	dims := make([]int, len(t.Dims))
	for i, n := range t.Dims {
		if n < 0 || n > math.MaxInt {
			return 0, nil, t.fault(diag.BadModel, "dims", dimsString(t.Dims), "extents of 0 or more that fit")
		}
		dims[i] = int(n)
	}
	if _, ok := tensor.Count(dims); !ok {
		return 0, nil, t.fault(diag.Limit, "dims", dimsString(t.Dims), "a tensor that can exist")
	}
	return d, dims, nil
}

// Value reads the tensor. The result views the file where that is aligned
// for its type: it must not be changed, and is gone after Raw.Close.
func (t *RawTensor) Value() (tensor.Tensor, error) {
	d, dims, e := t.typeOf()
	if e != nil {
		return tensor.Tensor{}, e
	}
	var v tensor.Tensor
	if d == dtype.String {
		s, err := t.Strings()
		if err == nil {
			v, err = tensor.OfStrings(s, dims...)
		}
		return v, err
	}
	b, err := t.Bytes()
	if err == nil {
		v, err = tensor.FromBytes(d, dims, b)
	}
	return v, err
}

// sparseConst makes a dense constant of a sparse one.
func (im *importer) sparseConst(p *onnxpb.SparseTensorProto, where string) (*ir.Const, *diag.Error) {
	bad := func(msg string) *diag.Error {
		return &diag.Error{Kind: diag.BadModel, Node: where, Err: errors.New(msg)}
	}
	vals, idx := im.raw.Tensor(p.GetValues()), im.raw.Tensor(p.GetIndices())
	if vals == nil {
		return nil, bad("sparse tensor without values")
	}
	dense := &RawTensor{Name: vals.Name, DataType: vals.DataType, Dims: p.GetDims(), place: vals.place}
	d, dims, e := dense.typeOf()
	if e != nil {
		return nil, e
	}
	// The dense form may be far larger than the file; it is made only where
	// somebody asks for it, but then at once.
	if n, _ := tensor.Count(dims); n > maxDense/max(1, d.Size()) {
		return nil, &diag.Error{Kind: diag.Limit, Node: where, Port: "sparse tensor", Have: shape.Format(shape.Ints(dims...)), Want: "at most 1 GiB when dense"}
	}
	if d == dtype.String || d.Bits() < 8 {
		return nil, &diag.Error{Kind: diag.Unsupported, Node: where, Port: "sparse tensor", Have: d.String(), Want: "elements of whole bytes"}
	}
	nnz := int64(1)
	for _, n := range vals.Dims {
		nnz *= n
	}
	linear := idx != nil && len(idx.Dims) == 1
	if idx == nil && nnz > 0 || idx != nil && (idx.DataType != dtype.I64.ONNX() || idx.Dims == nil || idx.Dims[0] != nnz ||
		!linear && (len(idx.Dims) != 2 || idx.Dims[1] != int64(len(dims)))) {
		return nil, bad("indices of a sparse tensor are not i64[nnz] or i64[nnz,rank]")
	}
	load := func() (tensor.Tensor, error) {
		out := tensor.New(d, dims...)
		if idx == nil {
			return out, nil
		}
		v, err := vals.Value()
		if err != nil {
			return out, err
		}
		at, err := idx.Value()
		if err != nil {
			return out, err
		}
		if !scatter(&out, &v, &at) {
			return out, bad("index of a sparse tensor outside its shape")
		}
		return out, nil
	}
	return ir.LazyConst(d, dims, ir.Init{}, load), nil
}

const maxDense = 1 << 30

// scatter writes v into out at linear indices or coordinates.
func scatter(out, v, at *tensor.Tensor) bool {
	size := out.DType().Size()
	for i := range v.Len() {
		o := int64(0)
		if at.Rank() == 1 {
			o = at.Int(i)
		} else {
			for k, n := range out.Dims() {
				c := at.Int(i*out.Rank() + k)
				if c < 0 || c >= int64(n) {
					return false
				}
				o = o*int64(n) + c
			}
		}
		if o < 0 || o >= int64(out.Len()) {
			return false
		}
		copy(out.Bytes()[int(o)*size:], v.Bytes()[i*size:(i+1)*size])
	}
	return true
}

// attribute converts one attribute that is no graph.
func (im *importer) attribute(a *onnxpb.AttributeProto) (attr.Value, *diag.Error) {
	switch kind := attrType(a); kind {
	case onnxpb.AttributeProto_FLOAT:
		return attr.Float(a.GetF()), nil
	case onnxpb.AttributeProto_INT:
		return attr.Int(a.GetI()), nil
	case onnxpb.AttributeProto_STRING:
		return attr.Str(string(a.GetS())), nil
	case onnxpb.AttributeProto_FLOATS:
		return attr.Floats(a.GetFloats()...), nil
	case onnxpb.AttributeProto_INTS:
		return attr.Ints(a.GetInts()...), nil
	case onnxpb.AttributeProto_STRINGS:
		var s []string
		for _, b := range a.GetStrings() {
			s = append(s, string(b))
		}
		return attr.Strs(s...), nil
	case onnxpb.AttributeProto_TENSOR:
		t := im.raw.Tensor(a.GetT())
		if t == nil {
			return attr.Value{}, &diag.Error{Kind: diag.BadModel, Port: "attribute " + a.GetName(), Have: "no tensor", Want: "one"}
		}
		v, err := t.Value()
		if err != nil {
			return attr.Value{}, asDiag(err)
		}
		return attr.Tensor(v), nil
	case onnxpb.AttributeProto_TYPE_PROTO:
		t, e := typeOf(a.GetTp(), nil)
		if e != nil {
			e.Port = "attribute " + a.GetName() + ": " + e.Port
		}
		return attr.Type(t), e
	default:
		return attr.Value{}, &diag.Error{Kind: diag.Unsupported, Port: "attribute " + a.GetName(), Have: kind.String(),
			Want: "FLOAT, INT, STRING, TENSOR, TYPE_PROTO, GRAPH or a list of the first three"}
	}
}

// attrType is the declared type, or that of the field that is set: files
// before IR version 2 declare none.
func attrType(a *onnxpb.AttributeProto) onnxpb.AttributeProto_AttributeType {
	if t := a.GetType(); t != onnxpb.AttributeProto_UNDEFINED {
		return t
	}
	switch {
	case a.F != nil:
		return onnxpb.AttributeProto_FLOAT
	case a.I != nil:
		return onnxpb.AttributeProto_INT
	case a.S != nil:
		return onnxpb.AttributeProto_STRING
	case a.T != nil:
		return onnxpb.AttributeProto_TENSOR
	case a.G != nil:
		return onnxpb.AttributeProto_GRAPH
	case a.Tp != nil:
		return onnxpb.AttributeProto_TYPE_PROTO
	case a.SparseTensor != nil:
		return onnxpb.AttributeProto_SPARSE_TENSOR
	case len(a.Floats) > 0:
		return onnxpb.AttributeProto_FLOATS
	case len(a.Ints) > 0:
		return onnxpb.AttributeProto_INTS
	case len(a.Strings) > 0:
		return onnxpb.AttributeProto_STRINGS
	}
	return onnxpb.AttributeProto_UNDEFINED
}
