// Command mlc compiles neural networks and runs what it compiled. See
// `mlc help`, docs/ and the README.
package main

import (
	"os"

	"github.com/mlc-go/mlc/tools/mlc/cli"
)

func main() { os.Exit(cli.Main(cli.Registry{}, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
