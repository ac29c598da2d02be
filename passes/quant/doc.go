// Package quant rewrites float modules as quantized ones: static 8-bit
// quantization in the form of QuantizeLinear and DequantizeLinear, which every
// engine understands and passes/fuse turns into integer kernels.
//
// Three steps, each a function over a Module:
//
//	p := quant.NewPlan(m, quant.Config{})              // which values, which operators
//	err := p.Calibrate(ctx, exec, samples)             // their ranges, streaming
//	err = p.Insert(m, ops)                             // pairs of operators, weights as i8
//
// Weights are i8, symmetric, with one scale for each output channel; biases
// are i32 of scale x*w; activations are u8 or i8 of one scale, whose zero
// point is the least value of the type wherever no activation is negative.
// Weights stay DequantizeLinear of a constant.
//
// For training, Plan.Fake puts mlc.FakeQuantize where Insert would put its
// pairs, with the same numbers; Faked reads the ranges back and SetRanges takes
// them, so that Insert writes what was trained.
//
// It runs modules through an ir.Executor and knows neither files nor kernels.
package quant
