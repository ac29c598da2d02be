// Asmgen writes the assembly of the kernels, and the Go stubs that declare it.
//
// Each kernel family is one entry of the slice families and one or more files
// of this package: the family's generator builds Asm values, one a pair of
// files gen_NAME_ARCH.s and gen_NAME_ARCH.go in the family's package. Asm is a
// text emitter: it knows Go's calling convention, labels, comments and, for
// arm64, how to write instructions that Go's assembler lacks; it does not
// allocate registers and it does not optimise.
//
//	go run ./tools/asmgen            write all files, from the repository root
//	go test ./tools/asmgen           fails where a checked-in file is stale
//	go test ./tools/asmgen -update   writes them too
//
// No kernel semantics live here beyond the text of the instructions; what a
// kernel computes is said by the doc of its stub, which is the Go loop that it
// equals.
package main
