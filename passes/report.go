package passes

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/text"
)

// dumpElems is the longest constant that dumps print in full.
const dumpElems = 64

// dump writes the module to DumpDir, numbered.
func (r *runner) dump(name string) error {
	if r.o.DumpDir == "" {
		return nil
	}
	if err := os.MkdirAll(r.o.DumpDir, 0o777); err != nil {
		return &diag.Error{Kind: diag.Usage, Port: "dump", Err: err}
	}
	var b bytes.Buffer
	if err := (text.Printer{MaxElems: dumpElems}).Print(&b, r.m); err != nil {
		return err
	}
	path := filepath.Join(r.o.DumpDir, fmt.Sprintf("%02d-%s.mir", r.seq, name))
	r.seq++
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		return &diag.Error{Kind: diag.Usage, Port: "dump", Err: err}
	}
	return nil
}

// fault names the pass in its error and writes the reproducer of an internal
// one: the module before the pass and the flags.
func (r *runner) fault(name string, before *ir.Module, err error) error {
	if errors.Is(err, r.c.Context.Err()) && r.c.Context.Err() != nil {
		return err
	}
	var e *diag.Error
	if errors.As(err, &e) && e.Kind != diag.Internal {
		return err
	}
	out := &diag.Error{Kind: diag.Internal, Node: "pass " + name, Err: err}
	if e != nil && e == err && e.Node == "" && e.Op == "" {
		c := *e
		c.Node = "pass " + name
		out = &c
	}
	if r.o.CrashDir == "" || before == nil {
		return out
	}
	dir, werr := r.reproducer(name, before)
	if werr != nil {
		out.Err = fmt.Errorf("%w; no reproducer: %v", out.Err, werr)
	} else {
		out.Err = fmt.Errorf("%w; reproducer written to %s", out.Err, dir)
	}
	return out
}

func (r *runner) reproducer(name string, before *ir.Module) (string, error) {
	src := text.String(before)
	sum := sha256.Sum256([]byte(name + src))
	dir := filepath.Join(r.o.CrashDir, fmt.Sprintf("crash-%x", sum[:4]))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "before.mir"), []byte(src), 0o666); err != nil {
		return "", err
	}
	flags := fmt.Sprintf("--passes %s %s\n", name, r.o.Flags)
	return dir, os.WriteFile(filepath.Join(dir, "flags.txt"), []byte(flags), 0o666)
}

// trim drops the head of a stack that belongs to the recovery.
func trim(stack []byte) []byte {
	if i := bytes.Index(stack, []byte("panic(")); i >= 0 {
		return stack[i:]
	}
	return stack
}
