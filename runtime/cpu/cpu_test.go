package cpu

import (
	goruntime "runtime"
	"strings"
	"testing"

	sys "golang.org/x/sys/cpu"
)

func TestNamesRoundTrip(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		all := All(arch)
		if all == 0 {
			t.Errorf("%s has no features", arch)
		}
		for f := Features(1); f <= all; f <<= 1 {
			if all&f == 0 {
				continue
			}
			back, err := ParseFeature(f.String())
			if err != nil || back != f || f.Arch() != arch {
				t.Errorf("%s: parsed %v (%v), of %q", f, back, err, f.Arch())
			}
		}
		if back, err := ParseFeatures(all.String()); err != nil || back != all {
			t.Errorf("%s: have %v, %v", all, back, err)
		}
	}
	if f, err := ParseFeatures("generic"); f != 0 || err != nil {
		t.Errorf("generic: have %v, %v", f, err)
	}
	if _, err := ParseFeature("avx3"); err == nil || !strings.Contains(err.Error(), "avx512vnni,neon") {
		t.Errorf("have %v, want an error that lists the names", err)
	}
	if All("riscv64") != 0 || AVX2.Arch() != "amd64" || (AVX2|NEON).Arch() != "" {
		t.Error("features by architecture are wrong")
	}
}

func TestLevelsAscend(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64", "wasm"} {
		l := Levels(arch)
		if l[0] != (Level{Generic, 0}) {
			t.Errorf("%s: first level is %v", arch, l[0])
		}
		for i := 1; i < len(l); i++ {
			if !l[i].Features.Has(l[i-1].Features) || l[i].Features == l[i-1].Features {
				t.Errorf("%s: level %s does not extend %s", arch, l[i].Name, l[i-1].Name)
			}
		}
		if last := l[len(l)-1].Features; last != All(arch) {
			t.Errorf("%s: last level has %s, want %s", arch, last, All(arch))
		}
	}
}

func TestCap(t *testing.T) {
	full := All("amd64")
	for _, c := range []struct {
		value string
		found Features
		want  Features
	}{
		{"", full, full},
		{"generic", full, 0},
		{"avx2", full, AVX2},
		{"avx512", full, AVX2 | AVX512},
		{"avx512vnni", AVX2, AVX2}, // a cap adds nothing
	} {
		if have, err := capTo(c.found, "amd64", c.value); have != c.want || err != nil {
			t.Errorf("%q: have %v, %v, want %v", c.value, have, err, c.want)
		}
	}
	_, err := capTo(full, "amd64", "neon")
	if want := "MLC_CPU=neon: unknown level on amd64 (have generic, avx2, avx512, avx512vnni)"; err == nil || err.Error() != want {
		t.Errorf("have %v, want %s", err, want)
	}
}

func TestDetectAgreesWithSys(t *testing.T) {
	var want Features
	switch goruntime.GOARCH {
	case "amd64":
		if sys.X86.HasAVX2 && sys.X86.HasFMA {
			want |= AVX2
		}
		if sys.X86.HasAVX512F && sys.X86.HasAVX512BW && sys.X86.HasAVX512VL && sys.X86.HasAVX512DQ {
			want |= AVX512
			if sys.X86.HasAVX512VNNI {
				want |= AVX512VNNI
			}
		}
	case "arm64":
		want = Detect()
	}
	if have := Detect(); have != want {
		t.Errorf("have %s, want %s", have, want)
	}
	if !Detect().Has(Host()) {
		t.Errorf("host %s exceeds what was found, %s", Host(), Detect())
	}
	t.Logf("features %s, in use %s, caches %+v, cores %d", Detect(), Host(), Caches(), Cores())
}

func TestCachesAreSane(t *testing.T) {
	c := Caches()
	if c.L1D < 4<<10 || c.L2 < c.L1D || c.L3 < 0 || Cores() < 1 {
		t.Errorf("have %+v, %d cores", c, Cores())
	}
	if d := (CacheSizes{L1D: 1 << 15}).orDefault("arm64"); d.L2 == 0 || d.L3 != 0 {
		t.Errorf("partly known sizes become %+v", d)
	}
}
