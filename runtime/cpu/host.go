package cpu

import (
	goruntime "runtime"
	"sync"
)

// Detect returns the features of the processor that the operating system
// supports, without regard to MLC_CPU.
func Detect() Features { return detectOnce() }

// Host returns the features to use: Detect, capped by MLC_CPU as it was at the
// first call. Where MLC_CPU is not a level of this architecture the cap is
// ignored and HostErr says so.
func Host() Features { return hostOnce().features }

// HostErr returns an error where MLC_CPU has an unknown value, nil otherwise.
func HostErr() error { return hostOnce().err }

type host struct {
	features Features
	err      error
}

var (
	detectOnce = sync.OnceValue(detect)
	cachesOnce = sync.OnceValue(caches)
	hostOnce   = sync.OnceValue(func() host {
		f, err := fromEnv(Detect(), goruntime.GOARCH)
		return host{f, err}
	})
)

// CacheSizes gives the capacities of the caches that a core sees, in bytes:
// L1D and L2 as one core's own where they are private, L3 as the whole that
// cores share. L3 is 0 where there is none.
type CacheSizes struct {
	L1D, L2, L3 int
}

// Caches returns the sizes of this machine, or modest defaults where it does
// not tell. They may choose block sizes but never the order of a sum.
func Caches() CacheSizes { return cachesOnce() }

// Cores returns the number of threads that can run at once for this process:
// logical processors, limited by GOMAXPROCS.
func Cores() int { return goruntime.GOMAXPROCS(0) }

// defaultCaches is a machine of the smaller sort, by GOARCH.
func defaultCaches(goarch string) CacheSizes {
	switch goarch {
	case "amd64":
		return CacheSizes{L1D: 32 << 10, L2: 512 << 10, L3: 4 << 20}
	case "arm64":
		return CacheSizes{L1D: 32 << 10, L2: 256 << 10, L3: 1 << 20}
	}
	return CacheSizes{L1D: 32 << 10, L2: 256 << 10}
}

// orDefault fills in what detection left at zero; L3 only where nothing at all
// was found, since a machine without one is a valid finding.
func (c CacheSizes) orDefault(goarch string) CacheSizes {
	d := defaultCaches(goarch)
	if c == (CacheSizes{}) {
		return d
	}
	if c.L1D == 0 {
		c.L1D = d.L1D
	}
	if c.L2 == 0 {
		c.L2 = d.L2
	}
	return c
}
