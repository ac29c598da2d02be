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
