// Command vectors writes what tools/peers/avx512 replays: calls of the assembly
// functions of the AVX-512 kernels, with arguments, memory before and memory
// after. The expected bits come from the twins in plain Go. The machine code
// that is replayed is that of this very program, built for linux/amd64: it
// links all the kernels, and the emulator calls them by symbol.
//
//	go run ./tools/peers/avx512/vectors -out vec
//
// It owns the choice of the vectors and the form of the files; it knows
// nothing of the emulator, and runs on any architecture.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/dwconv"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
)

// linked makes the linker keep the assembly, that of AVX2 as the control.
var linked = []*kernel.Desc{
	&gemm.F32_14x32_avx512, &gemm.F32_6x16_avx2,
	&eltwise.F32_avx512, &eltwise.F32_avx2,
	&dwconv.F32_avx512, &dwconv.F32_avx2,
	&reduce.F32_avx512, &reduce.F32_avx2,
	&gemm.I8_14x32_avx512vnni,
}

// families are the files that are written.
var families = []struct {
	name  string
	calls func(add func(*call))
}{
	{"gemm", gemmCalls},
	{"eltwise", eltwiseCalls},
	{"f16", f16Calls},
	{"dwconv", dwconvCalls},
	{"reduce", reduceCalls},
	{"int8", int8Calls},
}

func main() {
	out := flag.String("out", "", "`folder` to write the vectors to")
	flag.Parse()
	if *out == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(*out); err != nil {
		fmt.Fprintln(os.Stderr, "vectors:", err)
		os.Exit(1)
	}
}

// write makes one file for each family.
func write(out string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, f := range families {
		var file []byte
		n := 0
		f.calls(func(c *call) {
			file = c.appendTo(file)
			n++
		})
		if err := os.WriteFile(filepath.Join(out, f.name+".vec"), file, 0o644); err != nil {
			return err
		}
		fmt.Printf("vectors: %s: %d calls, %d bytes\n", f.name, n, len(file))
	}
	for _, d := range linked {
		fmt.Println("vectors: linked", d.ID)
	}
	return nil
}
