package kerneltest

import (
	"os"
	"testing"

	"github.com/mlc-go/mlc/runtime/cpu"
)

// Need skips a test of kernels that execute features f where this CPU lacks
// them, or MLC_CPU caps them. Continuous integration runs on machines with
// AVX2 or NEON: there a CPU without them is a failure, so that a green run
// cannot have tested generic code alone.
func Need(t *testing.T, f cpu.Features) {
	t.Helper()
	if cpu.Host().Has(f) {
		return
	}
	if base := cpu.AVX2 | cpu.NEON; os.Getenv("CI") == "true" && f&^base == 0 && !cpu.Detect().Has(f) {
		t.Fatalf("CI wants a CPU with %s, this one has %s", f, cpu.Detect())
	}
	t.Skipf("needs %s; in force here: %s", f, cpu.Host())
}
