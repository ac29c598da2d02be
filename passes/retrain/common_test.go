package retrain_test

import (
	"context"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir"
)

var ctx = context.Background()

func cpu(threads int) ir.Executor { return codegen.NewExecutor(codegen.Options{}, threads) }
