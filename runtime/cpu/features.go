package cpu

import (
	"fmt"
	"strings"
)

// Features is a set of CPU features. The zero value is the generic machine,
// which runs plain Go code only.
type Features uint64

// Each feature stands for what a kernel that names it may use, support of the
// operating system for the registers included.
const (
	AVX2       Features = 1 << iota // amd64: AVX2, FMA and F16C
	AVX512                          // amd64: AVX-512 F, BW, VL and DQ
	AVX512VNNI                      // amd64: VPDPBUSD and VPDPWSSD on up to 512 bits
	NEON                            // arm64: Advanced SIMD with FMA
	DotProd                         // arm64: SDOT and UDOT
	I8MM                            // arm64: SMMLA, UMMLA, USMMLA and USDOT
)

// names lists all features in the order of their bits.
var names = [...]struct {
	name string
	arch string
}{
	{"avx2", "amd64"},
	{"avx512", "amd64"},
	{"avx512vnni", "amd64"},
	{"neon", "arm64"},
	{"dotprod", "arm64"},
	{"i8mm", "arm64"},
}

// Has reports whether f contains all of want.
func (f Features) Has(want Features) bool { return f&want == want }

// String lists the names of f, ascending by bit, separated by commas; it is
// "generic" for none.
func (f Features) String() string {
	if f == 0 {
		return Generic
	}
	var s []string
	for i, n := range names {
		if f&(1<<i) != 0 {
			s = append(s, n.name)
			f &^= 1 << i
		}
	}
	if f != 0 {
		s = append(s, fmt.Sprintf("unknown(%#x)", uint64(f)))
	}
	return strings.Join(s, ",")
}

// ParseFeature returns the feature with the given name.
func ParseFeature(name string) (Features, error) {
	for i, n := range names {
		if n.name == name {
			return 1 << i, nil
		}
	}
	return 0, fmt.Errorf("unknown CPU feature %q (have %s)", name, Features(1<<len(names)-1))
}

// ParseFeatures is the inverse of Features.String.
func ParseFeatures(s string) (Features, error) {
	if s == Generic {
		return 0, nil
	}
	var f Features
	for _, n := range strings.Split(s, ",") {
		b, err := ParseFeature(n)
		if err != nil {
			return 0, err
		}
		f |= b
	}
	return f, nil
}

// Arch returns the GOARCH that has feature f, which must be a single one, or
// "" where there is none.
func (f Features) Arch() string {
	for i, n := range names {
		if f == 1<<i {
			return n.arch
		}
	}
	return ""
}

// All returns every feature known for a GOARCH; 0 for those without any.
func All(goarch string) Features {
	var f Features
	for i, n := range names {
		if n.arch == goarch {
			f |= 1 << i
		}
	}
	return f
}
