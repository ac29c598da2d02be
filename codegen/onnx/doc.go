// Package onnx writes a module as an ONNX file, in the opset that its reader
// knows. It is the inverse of frontend/onnx, and knows of operators only what
// their OpDef says and what the published schemas allow (onnx.SchemaOf), so
// that a file is refused here, by node and reason, and not by the engine that
// reads it.
//
// It must not change what a model computes: fused groups are written as the
// nodes they hold, operators of our own are refused, and what an older opset
// cannot say is an error, never an approximation.
//
//	err := onnx.Export(w, m, onnx.Options{Opset: 17})
package onnx
