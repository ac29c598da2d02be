package codegen

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/runtime/cpu"
)

// ExecutorOn is NewExecutor on a CPU of so many features.
func ExecutorOn(o Options, threads int, f cpu.Features) ir.Executor {
	return &executor{o, threads, func() cpu.Features { return f }}
}
