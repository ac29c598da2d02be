package pooling

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
)

// The pools with AVX2. They do not run on this architecture.
var (
	Max_avx2    = kernel.Desc{ID: "maxpool.f32.avx2", Op: OpMax, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
	Avg_avx2    = kernel.Desc{ID: "avgpool.f32.avx2", Op: OpAvg, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
	Global_avx2 = kernel.Desc{ID: "globalavgpool.f32.avx2", Op: OpGlobal, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
)

// The pools with AVX-512. They do not run on this architecture.
var (
	Max_avx512    = kernel.Desc{ID: "maxpool.f32.avx512", Op: OpMax, Arch: "amd64", Needs: cpu.AVX512, Fast: true}
	Avg_avx512    = kernel.Desc{ID: "avgpool.f32.avx512", Op: OpAvg, Arch: "amd64", Needs: cpu.AVX512, Fast: true}
	Global_avx512 = kernel.Desc{ID: "globalavgpool.f32.avx512", Op: OpGlobal, Arch: "amd64", Needs: cpu.AVX512, Fast: true}
)

// The pools with NEON.
var (
	Max_neon    = kernel.Desc{ID: "maxpool.f32.neon", Op: OpMax, Arch: "arm64", Needs: cpu.NEON, Fast: true, Prepare: maxNEON, Run: run, Scratch: scratchBytes}
	Avg_neon    = kernel.Desc{ID: "avgpool.f32.neon", Op: OpAvg, Arch: "arm64", Needs: cpu.NEON, Fast: true, Prepare: avgNEON, Run: run, Scratch: scratchBytes}
	Global_neon = kernel.Desc{ID: "globalavgpool.f32.neon", Op: OpGlobal, Arch: "arm64", Needs: cpu.NEON, Fast: true, Prepare: globalNEON, Run: runGlobal}
)

var neon = funcs{&eltwise.NEON, &reduce.NEON}

func maxNEON(c *kernel.Call) (any, error)    { return prepare(&neon, false, c) }
func avgNEON(c *kernel.Call) (any, error)    { return prepare(&neon, true, c) }
func globalNEON(c *kernel.Call) (any, error) { return prepareGlobal(&neon, c) }
