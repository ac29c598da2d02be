//go:build !amd64 && !arm64

package pooling

import "github.com/mlc-go/mlc/runtime/kernel"

var fast = [][3]*kernel.Desc{}
