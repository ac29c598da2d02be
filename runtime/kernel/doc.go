// Package kernel describes compute kernels as pure data: what a kernel is
// called, which operator family and constant format it serves, which CPU
// features it needs and which function runs it. It also holds Ctx, the view
// that a reference function has of its runtime. It contains no kernel, reads
// no CPU register and registers nothing: a Set is an explicit list, so that
// the linker drops what nobody names.
package kernel
