//go:build !amd64 && !arm64

package cpu

import goruntime "runtime"

func detect() Features { return 0 }

func caches() CacheSizes { return sysCaches().orDefault(goruntime.GOARCH) }
