// Command stub is the program part of the executables that `mlc build --emit exe`
// makes: on its own it says that it holds no model.
package main

import (
	"os"

	"github.com/mlc-go/mlc/runtime/program"
)

func main() { os.Exit(program.Main(os.Args, os.Stdin, os.Stdout, os.Stderr)) }
