package rnn

import (
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// LSTMF32_4x16_neon runs LSTM layers on gemm.NEON_4x16.
var LSTMF32_4x16_neon = kernel.Desc{ID: "lstm.f32.4x16.neon", Op: OpLSTM, Format: gemm.FormatB, Arch: "arm64", Needs: cpu.NEON, Fast: true,
	Prepare: lstmNEON, Scratch: scratchBytes, Run: run}

func lstmNEON(c *kernel.Call) (any, error) { return prepare(c, &gemm.NEON_4x16, &eltwise.NEON) }

// Those of training, on gemm.NEON_4x16.
var (
	Open_4x16_neon = kernel.Desc{ID: "lstmopen.f32.4x16.neon", Op: OpOpen, Arch: "arm64", Needs: cpu.NEON, Fast: true,
		Prepare: openNEON, Scratch: scratchBytes, Run: runOpen}
	Grad_4x16_neon = kernel.Desc{ID: "lstmgrad.f32.4x16.neon", Op: OpGrad, Arch: "arm64", Needs: cpu.NEON, Fast: true,
		Prepare: gradNEON, Scratch: scratchBytes, Run: runGrad}
)

func openNEON(c *kernel.Call) (any, error) { return prepareOpen(c, &gemm.NEON_4x16, &eltwise.NEON) }

func gradNEON(c *kernel.Call) (any, error) { return prepareGrad(c, &gemm.NEON_4x16, &eltwise.NEON) }
