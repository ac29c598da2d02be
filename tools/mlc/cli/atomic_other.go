//go:build !linux

package cli

import (
	"errors"
	"os"
)

// unnamedFile is not to be had here.
func unnamedFile(string) (*os.File, func(path string) error, error) {
	return nil, nil, errors.ErrUnsupported
}
