package rnn

import (
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// LSTMF32_generic runs LSTM layers in plain Go.
var LSTMF32_generic = kernel.Desc{ID: "lstm.f32.generic", Op: OpLSTM, Format: gemm.FormatB,
	Prepare: lstmGeneric, Scratch: scratchBytes, Run: run}

// Those of training, in plain Go.
var (
	Open_generic = kernel.Desc{ID: "lstmopen.f32.generic", Op: OpOpen, Prepare: openGeneric, Scratch: scratchBytes, Run: runOpen}
	Grad_generic = kernel.Desc{ID: "lstmgrad.f32.generic", Op: OpGrad, Prepare: gradGeneric, Scratch: scratchBytes, Run: runGrad}
)

func lstmGeneric(c *kernel.Call) (any, error) { return prepare(c, &gemm.Generic, &eltwise.Generic) }

func openGeneric(c *kernel.Call) (any, error) { return prepareOpen(c, &gemm.Generic, &eltwise.Generic) }
func gradGeneric(c *kernel.Call) (any, error) { return prepareGrad(c, &gemm.Generic, &eltwise.Generic) }
