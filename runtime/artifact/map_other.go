//go:build !unix

package artifact

import "os"

// Map reads a file: these systems have no mmap that x/sys offers. unmap does
// nothing.
func Map(path string) (b []byte, unmap func() error, err error) {
	b, err = os.ReadFile(path)
	return b, func() error { return nil }, err
}
