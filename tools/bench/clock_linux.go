package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the time that the calling thread has had a CPU.
func cpuTime() (time.Duration, bool) {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0, false
	}
	return time.Duration(t.Nano()), true
}
