//go:build !arm64

package rnn

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// The kernels of arm64 as data, for building for it elsewhere.
var (
	LSTMF32_4x16_neon = kernel.Desc{ID: "lstm.f32.4x16.neon", Op: OpLSTM, Format: gemm.FormatB, Arch: "arm64", Needs: cpu.NEON, Fast: true}
	Open_4x16_neon    = kernel.Desc{ID: "lstmopen.f32.4x16.neon", Op: OpOpen, Arch: "arm64", Needs: cpu.NEON, Fast: true}
	Grad_4x16_neon    = kernel.Desc{ID: "lstmgrad.f32.4x16.neon", Op: OpGrad, Arch: "arm64", Needs: cpu.NEON, Fast: true}
)
