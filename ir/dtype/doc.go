// Package dtype lists the element types of tensors: their names, sizes, ONNX
// codes and the conversions of the small floats. It knows no tensor, no
// operator and no layout.
//
//	dtype.F16.String() == "f16"; dtype.F16.Size() == 2; dtype.F32ToF16(1) == 0x3c00
package dtype
