package cpu

// cpuid executes CPUID with EAX=leaf and ECX=sub.
//
//go:noescape
func cpuid(leaf, sub uint32) (a, b, c, d uint32)

// xgetbv returns the low half of extended control register 0: which registers
// the operating system saves. Needs OSXSAVE.
//
//go:noescape
func xgetbv() (a uint32)

func detect() Features {
	maxLeaf, _, _, _ := cpuid(0, 0)
	if maxLeaf < 7 {
		return 0
	}
	const (
		fma     = 1 << 12 // leaf 1 ECX
		osxsave = 1 << 27
		avx     = 1 << 28
		f16c    = 1 << 29
		avx2    = 1 << 5 // leaf 7 EBX
		avx512f = 1 << 16
		avx512q = 1 << 17
		avx512b = 1 << 30
		avx512l = 1 << 31
		vnni    = 1 << 11 // leaf 7 ECX

		ymmState = 1<<1 | 1<<2                   // XCR0: SSE, AVX
		zmmState = ymmState | 1<<5 | 1<<6 | 1<<7 // and mask, upper halves, registers 16-31
	)
	_, _, c1, _ := cpuid(1, 0)
	if c1&(osxsave|avx) != osxsave|avx {
		return 0
	}
	xcr0 := xgetbv()
	_, b7, c7, _ := cpuid(7, 0)
	var f Features
	if xcr0&ymmState == ymmState && c1&(fma|f16c) == fma|f16c && b7&avx2 != 0 {
		f |= AVX2
	}
	const need = avx512f | avx512q | avx512b | avx512l
	if f != 0 && xcr0&zmmState == zmmState && b7&need == need {
		f |= AVX512
		if c7&vnni != 0 {
			f |= AVX512VNNI
		}
	}
	return f
}

// caches reads the deterministic cache parameters: leaf 4 of Intel, which AMD
// has as leaf 0x8000001d in the same form.
func caches() CacheSizes {
	leaf := uint32(4)
	if _, b, c, d := cpuid(0, 0); b == 0x68747541 && d == 0x69746e65 && c == 0x444d4163 { // AuthenticAMD
		leaf = 0x8000001d
	}
	if top, _, _, _ := cpuid(leaf&0x80000000, 0); top < leaf {
		return CacheSizes{}.orDefault("amd64")
	}
	var s CacheSizes
	for i := uint32(0); i < 16; i++ {
		a, b, c, _ := cpuid(leaf, i)
		kind := a & 31 // 1 data, 2 instruction, 3 unified
		if kind == 0 {
			break
		}
		if kind == 2 {
			continue
		}
		ways, parts, line := int(b>>22)+1, int(b>>12&1023)+1, int(b&4095)+1
		size := ways * parts * line * (int(c) + 1)
		switch a >> 5 & 7 {
		case 1:
			s.L1D = size
		case 2:
			s.L2 = size
		case 3:
			s.L3 = size
		}
	}
	return s.orDefault("amd64")
}
