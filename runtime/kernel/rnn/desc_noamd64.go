//go:build !amd64

package rnn

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// The kernels of amd64 as data, for building for it elsewhere.
var (
	LSTMF32_14x32_avx512 = kernel.Desc{ID: "lstm.f32.14x32.avx512", Op: OpLSTM, Format: gemm.FormatB, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true}
	LSTMF32_6x16_avx2    = kernel.Desc{ID: "lstm.f32.6x16.avx2", Op: OpLSTM, Format: gemm.FormatB, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
	Open_14x32_avx512    = kernel.Desc{ID: "lstmopen.f32.14x32.avx512", Op: OpOpen, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true}
	Grad_14x32_avx512    = kernel.Desc{ID: "lstmgrad.f32.14x32.avx512", Op: OpGrad, Arch: "amd64", Needs: cpu.AVX2 | cpu.AVX512, Fast: true}
	Open_6x16_avx2       = kernel.Desc{ID: "lstmopen.f32.6x16.avx2", Op: OpOpen, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
	Grad_6x16_avx2       = kernel.Desc{ID: "lstmgrad.f32.6x16.avx2", Op: OpGrad, Arch: "amd64", Needs: cpu.AVX2, Fast: true}
)
