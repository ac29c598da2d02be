package main

import (
	"fmt"
	"go/format"
	"os"
	"path/filepath"
)

// A Family is a kernel family: a name for messages and a generator.
type Family struct {
	Name string
	Gen  func() []*Asm
}

// families lists every kernel family whose assembly is generated. Adding one
// here is all the registration there is.
var families = []Family{
	{"gemm", gemmFiles},
	{"eltwise", eltwiseFiles},
	{"dwconv", dwconvFiles},
	{"reduce", reduceFiles},
	{"int8", int8Files},
}

// An Output is one generated file, its path relative to the repository root.
type Output struct {
	Path string
	Data []byte
}

// outputs runs all generators.
func outputs() ([]Output, error) {
	var out []Output
	for _, f := range families {
		for _, a := range f.Gen() {
			stubs, err := format.Source(a.Stubs())
			if err != nil {
				return nil, fmt.Errorf("%s: stubs of %s: %w", f.Name, a.Name, err)
			}
			base := filepath.Join(filepath.FromSlash(a.Dir), "gen_"+a.Name+"_"+a.Arch)
			out = append(out, Output{base + ".s", a.Text()}, Output{base + ".go", stubs})
		}
	}
	return out, nil
}

// write writes all generated files below root.
func write(root string) error {
	out, err := outputs()
	if err != nil {
		return err
	}
	for _, o := range out {
		if err := os.WriteFile(filepath.Join(root, o.Path), o.Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "asmgen:", err)
		os.Exit(1)
	}
}
