// Package gosrc writes a compiled model as a Go package: a typed Predict over
// plain slices, the packed artifact beside it (embedded, or a side file that is
// mapped), an example, and a test with recorded vectors. The package imports
// runtime/exec and names the kernels of its plan one by one, so that a program
// links those and no others.
//
//	vs, err := gosrc.Record(ctx, module, 1)
//	files, err := gosrc.Files(program, artifact, gosrc.Options{Package: "digits", Vectors: vs})
//
// What depends on the architecture is in files of its own: packages of one
// model for amd64 and for arm64 share a folder. It knows no pass and makes no
// plan; file systems are its caller's.
package gosrc
