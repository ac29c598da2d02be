//go:build !amd64 && !arm64

package norm

import "github.com/mlc-go/mlc/runtime/kernel"

var fast = []*kernel.Desc{}
