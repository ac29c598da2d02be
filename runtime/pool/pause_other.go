//go:build !amd64 && !arm64

package pool

import goruntime "runtime"

// pause gives way to other goroutines: there is no hint to give here, and the
// architecture may have a single thread.
func pause(int) { goruntime.Gosched() }
