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
