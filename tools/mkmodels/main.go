package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mlc-go/mlc/codegen/onnx"
)

func main() {
	out := flag.String("out", "testdata/models", "folder to write to")
	net := flag.String("net", "", "one net by name instead of all small ones: "+strings.Join(names(), ", "))
	flag.Parse()
	if err := run(*out, *net); err != nil {
		fmt.Fprintln(os.Stderr, "mkmodels:", err)
		os.Exit(1)
	}
}

func names() []string {
	var out []string
	for n := range nets {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

func run(out, net string) error {
	list := small
	if net != "" {
		if nets[net] == nil {
			return fmt.Errorf("no net %q (have %s)", net, strings.Join(names(), ", "))
		}
		list = []string{net}
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, n := range list {
		b, err := encode(n)
		if err != nil {
			return fmt.Errorf("%s: %w", n, err)
		}
		if err := os.WriteFile(filepath.Join(out, n+".onnx"), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// encode makes a net and exports it.
func encode(name string) ([]byte, error) {
	m, err := nets[name]()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := onnx.Export(&b, m, onnx.Options{}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
