// Package program is what an executable of `mlc build --emit exe` does: it finds
// the artifact at the end of its own file, reads inputs from files or standard
// input, runs the model and prints the outputs. It owns the form of such files
// (see Trailer), and the forms that a value has in files (see ReadFile), which mlc
// run reads too, and knows no compiler.
//
//	os.Exit(program.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
package program
