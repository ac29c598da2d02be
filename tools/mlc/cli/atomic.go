package cli

import (
	"io"
	"os"
	"path/filepath"
)

// atomicWrite writes path by way of a temporary file beside it, so that it is
// there whole or not at all, and gives its size. Where the system allows, the
// temporary file has no name until it is whole: a killed process leaves
// nothing behind.
func atomicWrite(path string, emit func(io.WriteSeeker) error) (int64, error) {
	dir := filepath.Dir(path)
	f, publish, err := unnamedFile(dir)
	if err != nil {
		if f, err = os.CreateTemp(dir, "."+filepath.Base(path)+".*"); err != nil {
			return 0, usage("%s: %v", path, err)
		}
		name := f.Name()
		publish = func(path string) error { return os.Rename(name, path) }
		defer os.Remove(name) // gone already where all went well
	}
	defer f.Close()
	if err := emit(f); err != nil {
		return 0, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	if err := f.Chmod(0o644); err != nil {
		return 0, err
	}
	return size, publish(path)
}
