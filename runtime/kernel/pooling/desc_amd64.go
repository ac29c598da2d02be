package pooling

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/reduce"
)

// The pools with AVX2.
var (
	Max_avx2    = kernel.Desc{ID: "maxpool.f32.avx2", Op: OpMax, Arch: "amd64", Needs: cpu.AVX2, Fast: true, Prepare: maxAVX2, Run: run, Scratch: scratchBytes}
	Avg_avx2    = kernel.Desc{ID: "avgpool.f32.avx2", Op: OpAvg, Arch: "amd64", Needs: cpu.AVX2, Fast: true, Prepare: avgAVX2, Run: run, Scratch: scratchBytes}
	Global_avx2 = kernel.Desc{ID: "globalavgpool.f32.avx2", Op: OpGlobal, Arch: "amd64", Needs: cpu.AVX2, Fast: true, Prepare: globalAVX2, Run: runGlobal}
)

var avx2 = funcs{&eltwise.AVX2, &reduce.AVX2}

func maxAVX2(c *kernel.Call) (any, error)    { return prepare(&avx2, false, c) }
func avgAVX2(c *kernel.Call) (any, error)    { return prepare(&avx2, true, c) }
func globalAVX2(c *kernel.Call) (any, error) { return prepareGlobal(&avx2, c) }

// The pools with AVX-512.
var (
	Max_avx512    = kernel.Desc{ID: "maxpool.f32.avx512", Op: OpMax, Arch: "amd64", Needs: cpu.AVX512, Fast: true, Prepare: maxAVX512, Run: run, Scratch: scratchBytes}
	Avg_avx512    = kernel.Desc{ID: "avgpool.f32.avx512", Op: OpAvg, Arch: "amd64", Needs: cpu.AVX512, Fast: true, Prepare: avgAVX512, Run: run, Scratch: scratchBytes}
	Global_avx512 = kernel.Desc{ID: "globalavgpool.f32.avx512", Op: OpGlobal, Arch: "amd64", Needs: cpu.AVX512, Fast: true, Prepare: globalAVX512, Run: runGlobal}
)

var avx512 = funcs{&eltwise.AVX512, &reduce.AVX512}

func maxAVX512(c *kernel.Call) (any, error)    { return prepare(&avx512, false, c) }
func avgAVX512(c *kernel.Call) (any, error)    { return prepare(&avx512, true, c) }
func globalAVX512(c *kernel.Call) (any, error) { return prepareGlobal(&avx512, c) }

// The pools with NEON. They do not run on this architecture.
var (
	Max_neon    = kernel.Desc{ID: "maxpool.f32.neon", Op: OpMax, Arch: "arm64", Needs: cpu.NEON, Fast: true}
	Avg_neon    = kernel.Desc{ID: "avgpool.f32.neon", Op: OpAvg, Arch: "arm64", Needs: cpu.NEON, Fast: true}
	Global_neon = kernel.Desc{ID: "globalavgpool.f32.neon", Op: OpGlobal, Arch: "arm64", Needs: cpu.NEON, Fast: true}
)
