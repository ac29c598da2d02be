package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/mlc-go/mlc/ir/op"
)

// output is one generated file.
type output struct {
	name string // of the command
	path string // from the root of the repository
	make func(*op.Set) ([]byte, error)
}

// outputs lists every generated file.
var outputs = []output{
	{"build", "ir/build/gen_ops.go", genBuild},
	{"ops", "docs/ops.md", genOps},
	{"status", "docs/status.md", genStatus},
	{"passes", "docs/passes.md", genPasses},
	{"kernels", "docs/kernels.md", genKernels},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "opdoc:", err)
		os.Exit(1)
	}
}

// run writes the outputs named, all of them for no name.
func run(names []string) error {
	for _, n := range names {
		if !slices.ContainsFunc(outputs, func(o output) bool { return o.name == n }) {
			return fmt.Errorf("no output %q", n)
		}
	}
	for _, o := range outputs {
		if len(names) > 0 && !slices.Contains(names, o.name) {
			continue
		}
		b, err := o.make(op.Builtin())
		if err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
		if err := os.WriteFile(o.path, b, 0o644); err != nil {
			return err
		}
	}
	return nil
}
