package target

import (
	"strings"
	"testing"

	"github.com/mlc-go/mlc/runtime/cpu"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]Target{
		"amd64":            {"", "amd64", cpu.AVX2 | cpu.AVX512 | cpu.AVX512VNNI},
		"amd64+avx2":       {"", "amd64", cpu.AVX2},
		"linux/amd64+avx2": {"linux", "amd64", cpu.AVX2},
		"amd64-avx512":     {"", "amd64", cpu.AVX2},
		"amd64-avx2":       {"", "amd64", 0},
		"arm64":            {"", "arm64", cpu.NEON | cpu.DotProd | cpu.I8MM},
		"generic":          {"", "generic", 0},
		"wasm":             {"", "generic", 0},
		"wasip1/wasm":      {"wasip1", "generic", 0},
	} {
		got, err := Parse(s)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v, want %+v", s, got, err, want)
			continue
		}
		if back, err := Parse(got.String()); err != nil || back != got {
			t.Errorf("%q -> %q -> %+v, %v", s, got, back, err)
		}
	}
	for s, gist := range map[string]string{
		"arm46":       "did you mean arm64?",
		"wasm32":      "did you mean wasm?",
		"wasm+neon":   "unknown feature",
		"amd64+sse9":  "unknown feature",
		"amd64+neon":  "unknown feature",
		"/amd64":      "empty operating system",
		"generic+foo": "unknown feature",
		"":            "unknown architecture",
	} {
		if _, err := Parse(s); err == nil || !strings.Contains(err.Error(), gist) {
			t.Errorf("Parse(%q): %v, want %q", s, err, gist)
		}
	}
}
