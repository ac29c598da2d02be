package calib

import (
	"io"
	"math"

	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/quant"
)

// Dataset gives n samples of a data set (0: all), evenly spread, as data may be
// sorted by class. Each input takes the field that data.Match gives it, batch
// samples a run or as many as the model fixes.
func Dataset(d data.Dataset, batch, n int) func(inputs []conform.Port) (quant.Samples, error) {
	return func(in []conform.Port) (quant.Samples, error) {
		from, fixed, err := Match(in, d)
		if err != nil {
			return nil, err
		}
		s := &dataSamples{d: d, from: from, batch: max(1, batch)}
		k := d.Len()
		if n > 0 {
			k = min(n, k)
		}
		if fixed > 0 {
			s.batch = fixed
			k -= k % fixed // samples that do not fill a fixed batch are left out
		}
		for i := range k {
			s.rows = append(s.rows, i*d.Len()/k)
		}
		return s, nil
	}
}

// Match gives the field that feeds each input, see data.Match, and the
// number of samples that the model takes at a time (0: any).
func Match(in []conform.Port, d data.Dataset) (from []int, fixed int, err error) {
	var values []*ir.Value
	for _, p := range in {
		values = append(values, &ir.Value{Name: p.Name, Type: p.Type})
		if p.Type.IsTensor() && p.Type.Ranked() && p.Type.Rank() > 0 {
			if n, known := p.Type.Dims[0].Const(); known {
				fixed = int(min(n, math.MaxInt32))
			}
		}
	}
	from, err = data.Match(values, d)
	return from, fixed, err
}

// dataSamples reads a data set a batch at a time.
type dataSamples struct {
	d     data.Dataset
	from  []int // field of each input
	rows  []int // that are left
	run   []int // rows of the latest run
	batch int
}

// Next implements quant.Samples.
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
	vals := make([]tensor.Value, len(s.from))
	for i, f := range s.from {
		vals[i] = tensor.V(batch[f])
	}
	return vals, s.d.Where(rows[0]) + " and on", nil
}

// Sample names a sample of the latest run.
func (s *dataSamples) Sample(k int) string { return s.d.Where(s.run[k]) }
