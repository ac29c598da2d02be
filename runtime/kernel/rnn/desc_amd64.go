package rnn

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// LSTMF32_14x32_avx512 runs LSTM layers on gemm.AVX512_14x32.
var LSTMF32_14x32_avx512 = kernel.Desc{ID: "lstm.f32.14x32.avx512", Op: OpLSTM, Format: gemm.FormatB, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true,
	Prepare: lstmAVX512, Scratch: scratchBytes, Run: run}

// LSTMF32_6x16_avx2 runs LSTM layers on gemm.AVX2_6x16.
var LSTMF32_6x16_avx2 = kernel.Desc{ID: "lstm.f32.6x16.avx2", Op: OpLSTM, Format: gemm.FormatB, Arch: "amd64", Needs: cpu.AVX2, Fast: true,
	Prepare: lstmAVX2, Scratch: scratchBytes, Run: run}

func lstmAVX512(c *kernel.Call) (any, error) { return prepare(c, &gemm.AVX512_14x32, &eltwise.AVX512) }

func lstmAVX2(c *kernel.Call) (any, error) { return prepare(c, &gemm.AVX2_6x16, &eltwise.AVX2) }

// Those of training, on gemm.AVX512_14x32.
var (
	Open_14x32_avx512 = kernel.Desc{ID: "lstmopen.f32.14x32.avx512", Op: OpOpen, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true,
		Prepare: openAVX512, Scratch: scratchBytes, Run: runOpen}
	Grad_14x32_avx512 = kernel.Desc{ID: "lstmgrad.f32.14x32.avx512", Op: OpGrad, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true,
		Prepare: gradAVX512, Scratch: scratchBytes, Run: runGrad}
)

func openAVX512(c *kernel.Call) (any, error) {
	return prepareOpen(c, &gemm.AVX512_14x32, &eltwise.AVX512)
}

func gradAVX512(c *kernel.Call) (any, error) {
	return prepareGrad(c, &gemm.AVX512_14x32, &eltwise.AVX512)
}

// Those of training, on gemm.AVX2_6x16.
var (
	Open_6x16_avx2 = kernel.Desc{ID: "lstmopen.f32.6x16.avx2", Op: OpOpen, Arch: "amd64", Needs: cpu.AVX2, Fast: true,
		Prepare: openAVX2, Scratch: scratchBytes, Run: runOpen}
	Grad_6x16_avx2 = kernel.Desc{ID: "lstmgrad.f32.6x16.avx2", Op: OpGrad, Arch: "amd64", Needs: cpu.AVX2, Fast: true,
		Prepare: gradAVX2, Scratch: scratchBytes, Run: runGrad}
)

func openAVX2(c *kernel.Call) (any, error) { return prepareOpen(c, &gemm.AVX2_6x16, &eltwise.AVX2) }

func gradAVX2(c *kernel.Call) (any, error) { return prepareGrad(c, &gemm.AVX2_6x16, &eltwise.AVX2) }
