package kerneltest

import (
	"os"
	"testing"

	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/tools/need"
)

// Need ends a test of kernels that execute features f where Has says that they
// are not there.
func Need(t *testing.T, f cpu.Features) {
	t.Helper()
	if !Has(t, f) {
		t.Skipf("lacks %s: in force here: %s", f, cpu.Host())
	}
}

// Has says whether kernels that execute features f can run: whether this CPU
// has them and MLC_CPU does not cap them. What lacks is logged. Continuous
// integration runs on machines with AVX2 or NEON, and with what it names in
// CI_CPU ("dotprod"): a CPU without them is a failure there, so that a green
// run cannot have tested generic code alone. What it has no machine for,
// tools/peers/avx512.sh emulates.
func Has(t testing.TB, f cpu.Features) bool {
	t.Helper()
	if cpu.Host().Has(f) {
		return true
	}
	sure := cpu.AVX2 | cpu.NEON
	if s := os.Getenv("CI_CPU"); s != "" {
		more, err := cpu.ParseFeatures(s)
		if err != nil {
			t.Fatalf("CI_CPU: %v", err)
		}
		sure |= more
	}
	if need.CI() && f&sure&^cpu.Detect() != 0 {
		t.Errorf("continuous integration lacks a CPU with %s: this one has %s", f&sure, cpu.Detect())
	}
	t.Logf("lacks a CPU with %s: in force here: %s", f, cpu.Host())
	return false
}
