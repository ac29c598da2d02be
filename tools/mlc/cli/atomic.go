package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/mlc-go/mlc/ir/diag"
)

// atomicWrite writes path by way of a temporary file beside it, so that it is
// there whole or not at all, and gives its size. Where the system allows, the
// temporary file has no name until it is whole: a killed process leaves
// nothing behind. What is there and is no regular file (a device, a pipe) is
// written to, never replaced.
func atomicWrite(path string, emit func(io.WriteSeeker) error) (int64, error) {
	return atomicWriteMode(path, 0o644, emit)
}

// atomicWriteMode is atomicWrite for a file of that mode.
func atomicWriteMode(path string, mode os.FileMode, emit func(io.WriteSeeker) error) (int64, error) {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return 0, usage("%s: is a folder, want a file to write", path)
	} else if err == nil && !st.Mode().IsRegular() {
		return writeThrough(path, emit)
	}
	dir := filepath.Dir(path)
	f, publish, err := unnamedFile(dir)
	if err != nil {
		if f, err = os.CreateTemp(dir, "."+filepath.Base(path)+".*"); err != nil {
			return 0, writeError(path, err)
		}
		name := f.Name()
		publish = func(path string) error { return os.Rename(name, path) }
		defer os.Remove(name) // gone already where all went well
	}
	defer f.Close()
	if err := emit(f); err != nil {
		return 0, writeError(path, err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = publish(path)
	}
	return size, writeError(path, err)
}

// hasFolder makes sure, before anything is computed, that what a flag says to
// write has a folder to be in; none and - have.
func hasFolder(flag, path string) error {
	if path == "" || path == "-" {
		return nil
	}
	if st, err := os.Stat(filepath.Dir(path)); err != nil || !st.IsDir() {
		return usage("%s %s: no folder %s", flag, path, filepath.Dir(path))
	}
	return nil
}

// notOver makes sure that what a flag says to write is another file than the
// model that it is made from, which could not be made again.
func notOver(flag, out, model string) error {
	a, err := os.Stat(out)
	if err != nil {
		return nil
	}
	if b, err := os.Stat(model); err == nil && os.SameFile(a, b) && a.Mode().IsRegular() {
		return usage("%s %s: is the model itself, want another file", flag, out)
	}
	return nil
}

// writeThrough copies to what cannot be replaced or sought in.
func writeThrough(path string, emit func(io.WriteSeeker) error) (int64, error) {
	to, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return 0, writeError(path, err)
	}
	defer to.Close()
	n, err := copyOut(to, emit)
	return n, writeError(path, err)
}

// copyOut emits to a temporary file, because formats seek, and copies it to w.
func copyOut(w io.Writer, emit func(io.WriteSeeker) error) (int64, error) {
	tmp, err := os.CreateTemp("", "mlc-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if err := emit(tmp); err != nil {
		return 0, err
	}
	if _, err := tmp.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	return io.Copy(w, tmp)
}

// writeError gives the system's refusal the kind that its cause has; other
// errors pass as they are.
func writeError(path string, err error) error {
	var d *diag.Error
	if err == nil || errors.As(err, &d) {
		return err
	}
	var no syscall.Errno
	if !errors.As(err, &no) {
		return err
	}
	kind := diag.Usage
	if no == syscall.ENOSPC || no == syscall.EFBIG || no == syscall.EMFILE {
		kind = diag.Limit
	}
	return diag.In(path, kind, no)
}
