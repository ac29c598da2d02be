package train

import (
	"context"
	"io"
	"iter"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Inputs gives what a model's inputs read of a data set, batch by batch, in
// an order that follows from the seed: samples to calibrate on.
type Inputs struct {
	d    data.Dataset
	feed *feeder
	next func() (data.Batch, error, bool)
	stop func()
	left int
	rows []int // of the latest run
}

// NewInputs matches the inputs of m with the fields of d as Fit does, and gives
// batches of c.Batch, without augmentation, until limit samples are reached.
func NewInputs(ctx context.Context, m *ir.Module, d data.Dataset, c Config, limit int) (*Inputs, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	l, err := data.NewLoader(d, data.LoaderOptions{Batch: min(c.Batch, limit), Shuffle: true, Seed: c.Seed})
	if err != nil {
		return nil, err
	}
	s := &Inputs{d: d, left: limit}
	if s.feed, err = newFeeder(m, m, &c, d); err != nil {
		return nil, err
	}
	s.next, s.stop = iter.Pull2(l.Epoch(ctx, 0, 0))
	return s, nil
}

// Next gives the values of one run, valid until the next call, and what to
// call them in messages. io.EOF ends.
func (s *Inputs) Next() ([]tensor.Value, string, error) {
	if s.left <= 0 {
		return nil, "", io.EOF
	}
	b, err, ok := s.next()
	if !ok {
		return nil, "", io.EOF
	}
	if err != nil {
		return nil, "", err
	}
	s.left -= len(b.Rows)
	s.rows = b.Rows
	in, err := s.feed.inputs(b.Tensors, 0)
	return in, s.Sample(0) + " and on", err
}

// Sample names sample k of the latest run in messages.
func (s *Inputs) Sample(k int) string { return s.d.Where(s.rows[k]) }

// Close ends the reading.
func (s *Inputs) Close() error { s.stop(); return nil }
