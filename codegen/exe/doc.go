// Package exe makes executables of compiled models: a stub, which is the program
// runtime/stub built for the target, with the artifact appended. Release builds
// of mlc (tools/release, build tag mlcstubs) carry the stubs; a clone builds them
// with its Go toolchain, once, into a cache. It compiles no model and runs none.
//
//	stub, err := exe.Stubs{Cache: dir}.Get(ctx, "linux/arm64")
//	n, err := exe.Write(w, stub, artifact)
package exe
