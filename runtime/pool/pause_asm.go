//go:build amd64 || arm64

package pool

// pause tells the processor n >= 1 times that this is a busy wait.
//
//go:noescape
func pause(n int)
