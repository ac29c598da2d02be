// Package onnx reads ONNX files.
//
// Decoding (this half: decode.go, lift.go, tensor.go, external.go, value.go and
// the files beside them) turns bytes into a Raw: the messages of package onnxpb
// without any tensor payload, and beside them one RawTensor per TensorProto
// whose payload is a view of the file. A model of any size therefore costs
// memory for its graph only. Decoding believes nothing that a file says: sizes
// are checked against what is there before anything is allocated, nesting and
// memory are bounded, external data stays inside the model's folder, and every
// fault is a *diag.Error or a diag.List of them.
//
// Decoding knows the format, not its meaning: operators, opsets, types of
// values, order of nodes, function bodies and the scoping of names belong to
// import (files import*.go, upgrade*.go), never here. Numbers are not converted:
// RawTensor.Bytes gives the elements as they are stored, little-endian.
//
//	raw, err := onnx.OpenFile("model.onnx", onnx.DecodeOptions{})
//	if err != nil {
//		return err
//	}
//	defer raw.Close()
//	for _, t := range raw.Model.GetGraph().GetInitializer() {
//		b, err := raw.Tensor(t).Bytes() // a view of the file: read only, unaligned
//		...
//	}
package onnx
