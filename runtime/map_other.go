//go:build !unix

package runtime

import "os"

// mapFile reads the file: these systems have no mmap that x/sys offers.
func mapFile(path string) ([]byte, func() error, error) {
	b, err := os.ReadFile(path)
	return b, func() error { return nil }, err
}
