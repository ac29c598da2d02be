// Package tensor holds the type of a value (Type), dense tensors in row-major
// order (Tensor), values of every kind that flows along an edge (Value),
// tolerances for comparing them, and their file and text forms (.npy, ONNX
// .pb, literals). It knows no operator and no module.
//
//	x, err := tensor.Of([]float32{1, 2, 3, 4}, 2, 2)
//	y := tensor.New(dtype.F32, 2, 2)
package tensor
