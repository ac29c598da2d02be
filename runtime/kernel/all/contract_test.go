package all

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/tools/need"
)

// contracting are packages whose float arithmetic decides bits of results or
// extents of shapes.
var contracting = []string{
	"./runtime/kernel/...",
	"./ir", "./ir/dtype", "./ir/shape", "./ir/tensor", "./ir/attr", "./ir/op", "./ir/eval",
	"./passes/fold", "./passes/canon", "./passes/fuse",
}

// fused finds the instructions that round a product and a sum once.
var fused = regexp.MustCompile(`\((\S+\.go:\d+)\)\s+(FN?M(?:ADD|SUB)[SD]?)\s`)

// failure finds what is no line of a listing.
var failure = regexp.MustCompile(`(?m)^(#|\S+\.go:\d+:\d+:|go: ).*\n`)

// TestNoContraction reads the compiler's listings for architectures where Go
// may fuse x*y+z: no product may be added without a conversion between (see
// DESIGN, numerics), else results would differ from those of amd64. A fused
// operation that is meant is spelled vecmath.FMA32, in integers.
func TestNoContraction(t *testing.T) {
	need.Time(t, "kernels are compiled for other architectures")
	goTool := need.Command(t, "go", "kernels are compiled for other architectures")
	for _, arch := range []string{"arm64", "riscv64"} {
		t.Run(arch, func(t *testing.T) {
			c := exec.Command(goTool, append([]string{"build", "-gcflags=-S"}, contracting...)...)
			c.Dir = "../../.."
			c.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
			listing, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, bytes.Join(failure.FindAll(listing, 20), nil))
			}
			if bytes.Count(listing, []byte("STEXT")) < 1000 {
				t.Fatal("the listing holds hardly any function: the test looks at the wrong output")
			}
			seen := map[string]bool{}
			for _, m := range fused.FindAllStringSubmatch(string(listing), -1) {
				if at := m[1][strings.LastIndexByte(m[1], '/')+1:]; !seen[at] {
					seen[at] = true
					t.Errorf("%s: %s: write float64(x*y)+z", m[1], m[2])
				}
			}
		})
	}
}
