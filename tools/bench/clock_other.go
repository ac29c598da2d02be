//go:build !linux

package bench

import "time"

// cpuTime says that there is no clock of a thread's own here.
func cpuTime() (time.Duration, bool) { return 0, false }
