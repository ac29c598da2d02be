// Package cli is the mlc command as a library, so that a program with
// operators, kernels or passes of its own gets the whole command with them:
//
//	os.Exit(cli.Main(cli.Registry{Ops: ops, Kernels: set}, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
//
// One file per command. Results go to stdout, everything else to stderr;
// every command knows --json. What a command does, the library below does:
// nothing here decides about models.
package cli
