package cli

import (
	"io"

	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/quant"
	"github.com/mlc-go/mlc/runtime"
)

// dataSamples reads a data set as `mlc train` does: the fields that the model
// takes, a batch at a time.
type dataSamples struct {
	d     data.Dataset
	in    []conform.Port
	from  []int // field of each input
	rows  []int // that are left
	run   []int // rows of the latest run
	batch int
}

// openDataSamples takes at most limit samples, evenly spread over the set: a
// file may be sorted by class.
func openDataSamples(spec string, in []conform.Port, batch, limit int) (quant.Samples, error) {
	d, err := data.Open(spec, data.Options{})
	if err != nil {
		return nil, err
	}
	infos := make([]runtime.Info, len(in))
	for i, p := range in {
		infos[i] = runtime.Info{Name: p.Name, Type: p.Type}
	}
	from, fixed, err := matchInputs(infos, d)
	if err != nil {
		return nil, diag.In(spec, diag.BadData, err)
	}
	if fixed > 0 {
		batch = fixed
	}
	s := &dataSamples{d: d, in: in, from: from, batch: batch}
	n := min(limit, d.Len())
	if fixed > 0 {
		n -= n % fixed // samples that do not fill a fixed batch are left out
	}
	for i := range n {
		s.rows = append(s.rows, i*d.Len()/n)
	}
	return s, nil
}

func (s *dataSamples) Next() ([]tensor.Value, string, error) {
	if len(s.rows) == 0 {
		return nil, "", io.EOF
	}
	rows := s.rows[:min(s.batch, len(s.rows))]
	s.rows, s.run = s.rows[len(rows):], rows
	batch, err := data.Read(s.d, rows...)
	if err != nil {
		return nil, "", err
	}
	vals := make([]tensor.Value, len(s.in))
	for i, f := range s.from {
		vals[i] = tensor.V(batch[f])
	}
	return vals, s.d.Where(rows[0]) + " and on", nil
}

// Sample names a sample of the latest run.
func (s *dataSamples) Sample(k int) string { return s.d.Where(s.run[k]) }
