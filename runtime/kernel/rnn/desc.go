package rnn

import (
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// LSTMF32_generic runs LSTM layers in plain Go.
var LSTMF32_generic = kernel.Desc{ID: "lstm.f32.generic", Op: OpLSTM, Format: gemm.FormatB,
	Prepare: lstmGeneric, Scratch: scratchBytes, Run: run}

func lstmGeneric(c *kernel.Call) (any, error) { return prepare(c, &gemm.Generic, &eltwise.Generic) }
