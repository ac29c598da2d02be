// Package onnxpb holds the messages of an ONNX file as generated Go structs.
// It knows the format and nothing else: no meaning, no checks, no file access.
//
// The schema is our own copy, onnx.proto, under the proto package mlc.onnx and
// registered by its path from the repository root, so that it can be linked
// beside any other Go copy of the ONNX schema.
//
// To regenerate onnx.pb.go, have protoc (Debian's protobuf-compiler, or the
// Python package grpcio-tools run as python -m grpc_tools.protoc) and
//
//	go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
//
// on the path, then run go generate in this folder.
package onnxpb

//go:generate protoc -I ../../.. --go_out=../../.. --go_opt=paths=source_relative frontend/onnx/onnxpb/onnx.proto
