//go:build unix

package artifact

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Map maps a file read-only; unmap lets go of it, after which nothing that was
// decoded from it may be used.
func Map(path string) (b []byte, unmap func() error, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if st.IsDir() {
		return nil, nil, fmt.Errorf("is a folder, want an artifact")
	}
	if st.Size() == 0 || int64(int(st.Size())) != st.Size() {
		return nil, nil, fmt.Errorf("have %d bytes, want an artifact", st.Size())
	}
	b, err = unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot map: %w", err)
	}
	return b, func() error { return unix.Munmap(b) }, nil
}
