// Package emit writes what codegen builds in each kind of output that there is:
// the artifact, a program, a Go package, ONNX, TensorFlow Lite, text. It knows
// what a kind wants of the build, and calls the package that writes it; it holds
// no format of its own, and touches no file but the cache of stubs.
//
//	o, err := emit.For(emit.TFLite, codegen.Options{})
//	a, err := codegen.Build(ctx, codegen.File("model.onnx"), o)
//	report, err := emit.Write(ctx, w, a, emit.TFLite, emit.Options{})
package emit
