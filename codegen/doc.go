// Package codegen is the compiler as a library: Build takes a model from a
// Source through import, passes and lowering to an Artifact that can be
// written or exported; NewExecutor compiles modules in memory for whoever
// runs them at once. It ties packages together and holds no pass, kernel or
// format of its own.
//
//	a, err := codegen.Build(ctx, codegen.File("model.onnx"), codegen.Options{Level: "2", Target: "native"})
//	_, err = a.Write(f)
package codegen
