package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated files")

const root = "../.." // repository root, from this folder

func TestFilesAreFresh(t *testing.T) {
	if *update {
		if err := write(root); err != nil {
			t.Fatal(err)
		}
	}
	out, err := outputs()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		have, err := os.ReadFile(filepath.Join(root, o.Path))
		if err != nil {
			t.Errorf("%v (run: go run ./tools/asmgen)", err)
			continue
		}
		if !bytes.Equal(have, o.Data) {
			t.Errorf("%s is stale (run: go run ./tools/asmgen)", o.Path)
		}
	}
}

func TestBeginLaysOutParameters(t *testing.T) {
	a := New("amd64", "d", "p", "n")
	a.Begin(Func{Name: "f", Doc: "f does.", Regs: "AX count", Params: "n int, s float32, t float32, p *float32", Result: "float32"})
	a.Load("n", "AX", "s", "X0", "p", "SI")
	a.Store("X0", "ret")
	a.Ret()
	text := string(a.Text())
	for _, want := range []string{
		"TEXT ·f(SB), NOSPLIT, $0-28", "MOVQ n+0(FP), AX", "MOVSS s+8(FP), X0",
		"MOVQ p+16(FP), SI", "MOVSS X0, ret+24(FP)", "VZEROUPPER\n\tRET",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if stub := string(a.Stubs()); !strings.Contains(stub, "//go:noescape\nfunc f(n int, s float32, t float32, p *float32) (ret float32)") {
		t.Errorf("stub:\n%s", stub)
	}
}
