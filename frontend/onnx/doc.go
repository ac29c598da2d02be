// Package onnx reads ONNX files, in two steps.
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
// Import (files import*.go) turns a Raw into an ir.Module that speaks the
// newest opset: it resolves opsets and functions, lets each operator's OpDef
// upgrade its older forms, makes regions of graphs, and keeps names and
// provenance. It knows no operator but those that are part of the format:
// Constant, and the shape of If's and Loop's graphs. Constants stay in the
// file until somebody asks for them.
//
//	raw, err := onnx.OpenFile("model.onnx", onnx.DecodeOptions{})
//	if err != nil {
//		return err
//	}
//	defer raw.Close()
//	m, err := onnx.Import(ctx, raw, onnx.ImportOptions{Ops: op.Builtin()})
package onnx
