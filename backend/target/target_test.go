package target

import (
	"strings"
	"testing"

	"github.com/mlc-go/mlc/runtime/cpu"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]Target{
		"amd64":            {Arch: "amd64", Features: cpu.AVX2 | cpu.AVX512 | cpu.AVX512VNNI},
		"amd64+avx2":       {Arch: "amd64", Features: cpu.AVX2},
		"linux/amd64+avx2": {OS: "linux", Arch: "amd64", Features: cpu.AVX2},
		"amd64-avx512":     {Arch: "amd64", Features: cpu.AVX2},
		"amd64-avx2":       {Arch: "amd64", Features: 0},
		"arm64":            {Arch: "arm64", Features: cpu.NEON | cpu.DotProd | cpu.I8MM},
		"generic":          {Arch: "generic", Features: 0},
		"wasm":             {Arch: "generic", Features: 0},
		"wasip1/wasm":      {OS: "wasip1", Arch: "generic", Features: 0},
		"cuda":             {Arch: "generic", Device: "cuda", SM: 75},
		"cuda:sm_80":       {Arch: "generic", Device: "cuda", SM: 80},
		"cuda:sm_90+f16":   {Arch: "generic", Device: "cuda", SM: 90, F16: true},
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
		"cuda:":       "unknown compute capability",
		"cuda:sm_70":  "unknown compute capability",
		"cuda:80":     "unknown compute capability",
		"cuda+avx2":   "unknown feature",
		"cdua":        "did you mean cuda?",
	} {
		if _, err := Parse(s); err == nil || !strings.Contains(err.Error(), gist) {
			t.Errorf("Parse(%q): %v, want %q", s, err, gist)
		}
	}
}
