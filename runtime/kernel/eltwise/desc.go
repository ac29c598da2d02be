package eltwise

import "github.com/mlc-go/mlc/runtime/kernel"

// OpF32 is what the kernels of this package compute: a program, in attribute
// prog, over the call's inputs and then its constants, each of a type that Reads
// and broadcast to the output's extents as in ONNX. The output is of float32 or
// float16 and may be the buffer of an input of the same type and extents.
const OpF32 = "eltwise.f32"

// F32_generic runs programs in plain Go.
var F32_generic = kernel.Desc{ID: "eltwise.f32.generic", Op: OpF32, Prepare: prepareGeneric, Run: run, Scratch: scratchBytes}

func prepareGeneric(c *kernel.Call) (any, error) { return prepare(&Generic, c) }
