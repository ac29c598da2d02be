package cpu

import "golang.org/x/sys/cpu"

func detect() Features {
	if !cpu.ARM64.HasASIMD {
		return 0
	}
	f := NEON
	if cpu.ARM64.HasASIMDDP {
		f |= DotProd
		if cpu.ARM64.HasI8MM {
			f |= I8MM
		}
	}
	return f
}

func caches() CacheSizes { return sysCaches().orDefault("arm64") }
