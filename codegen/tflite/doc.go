// Package tflite writes a module as a TensorFlow Lite file. It owns the
// container, the translation of each operator into builtin ones, and what
// channels-last storage means for weights; layout.Solve decides where that
// storage is used.
//
// It must not change what a model computes: what the builtin operators cannot
// express is an error that names the node, never an approximation. It runs
// nothing, and knows nothing of the passes that made the module.
//
//	rep, err := tflite.Export(w, m, tflite.Options{IO: "nchw"})
package tflite
