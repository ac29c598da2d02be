//go:build unix

package cli

import (
	goruntime "runtime"

	"golang.org/x/sys/unix"
)

// peakRSS is the largest resident size of this process in bytes.
func peakRSS() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	if goruntime.GOOS == "darwin" {
		return int64(u.Maxrss)
	}
	return int64(u.Maxrss) * 1024
}
