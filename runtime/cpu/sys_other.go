//go:build !linux && !amd64

package cpu

// sysCaches knows nothing here.
func sysCaches() CacheSizes { return CacheSizes{} }
