package cpu_test

import (
	"context"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/runtime/plan"
)

func lowerTmp(f string) (*plan.Program, error) {
	a, err := codegen.Build(context.Background(), codegen.File(f), codegen.Options{})
	if err != nil {
		return nil, err
	}
	return a.Program(), nil
}
