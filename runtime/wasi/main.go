// Command wasi runs an artifact where nothing but WebAssembly is: built with
// GOOS=wasip1 GOARCH=wasm, it runs under wazero, Node and other WASI hosts. It
// is runtime and a main function, and must not know the compiler.
//
//	wasi MODEL.mlc IN OUT
//
// reads IN/input_0.pb, IN/input_1.pb and so on, in the order of the model's
// inputs, and writes OUT/output_0.pb and so on. Artifacts are those of
// mlc build --target wasm.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "wasi: %v\n", err)
		os.Exit(diag.KindOf(err).ExitCode())
	}
}

func run(args []string, out io.Writer) error {
	if len(args) != 3 {
		return diag.New(diag.Usage, "have %d arguments, want MODEL.mlc IN OUT", len(args))
	}
	m, err := runtime.Open(args[0])
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := m.NewSession()
	if err != nil {
		return err
	}
	defer s.Close()
	for i, in := range m.Inputs() {
		if err := bind(s, in, filepath.Join(args[1], fmt.Sprintf("input_%d.pb", i))); err != nil {
			return err
		}
	}
	if err := s.Run(context.Background()); err != nil {
		return err
	}
	for i, o := range m.Outputs() {
		v, err := s.OutputValue(o.Name)
		if err != nil {
			return err
		}
		b, err := tensor.EncodePB(o.Name, v)
		if err != nil {
			return err
		}
		file := filepath.Join(args[2], fmt.Sprintf("output_%d.pb", i))
		if err := os.WriteFile(file, b, 0o644); err != nil {
			return diag.New(diag.Usage, "%v", err)
		}
		fmt.Fprintf(out, "%s: %s -> %s\n", o.Name, v.Type(), file)
	}
	return nil
}

func bind(s *runtime.Session, in runtime.Info, file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return diag.New(diag.Usage, "%v", err)
	}
	_, v, err := tensor.DecodePB(b, in.Type)
	if err != nil {
		return diag.In(file, diag.BadData, err)
	}
	return s.BindValue(in.Name, v)
}
