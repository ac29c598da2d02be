package cli

import (
	"github.com/mlc-go/mlc/codegen/calib"
	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/passes/quant"
)

// openDataSamples reads a data set as `mlc train` does: the fields that the
// model takes, a batch at a time.
func openDataSamples(spec string, in []conform.Port, batch, limit int) (quant.Samples, error) {
	d, err := data.Open(spec, data.Options{})
	if err != nil {
		return nil, err
	}
	s, err := calib.Dataset(d, batch, limit)(in)
	if err != nil {
		return nil, diag.In(spec, diag.BadData, err)
	}
	return s, nil
}
