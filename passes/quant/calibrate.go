package quant

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/sketch"
)

// Samples are the inputs that a model is calibrated on.
type Samples interface {
	// Next gives the values of main's parameters, which stay valid until the
	// next call, and what to call them in messages. io.EOF ends.
	Next() (in []tensor.Value, where string, err error)
}

// observed is a copy of m that also gives the named values, after the skip
// results of its own.
func observed(m *ir.Module, names []string) (c *ir.Module, skip int, err error) {
	c = m.Clone()
	f := c.Main()
	for _, r := range f.Results {
		if r.State == nil {
			skip++
		}
	}
	byName := map[string]*ir.Value{}
	for _, v := range f.Params {
		byName[v.Name] = v
	}
	for _, n := range f.Nodes {
		for _, v := range n.Out {
			if v != nil {
				byName[v.Name] = v
			}
		}
	}
	for i, name := range names {
		v := byName[name]
		if v == nil {
			return nil, 0, diag.New(diag.Internal, "no value %%%s to observe", name)
		}
		f.AddResult(fmt.Sprint("observed", i), v)
	}
	return c, skip, nil
}

// Calibrate runs m over the samples and takes the range of every value that is
// to be quantized, in memory that does not grow with their number. Errors: no
// sample; a value that is not finite (BadData naming value and sample); what
// the executor says.
func (p *Plan) Calibrate(ctx context.Context, exec ir.Executor, samples Samples) error {
	m, skip, err := observed(p.m, p.Values())
	if err != nil {
		return err
	}
	x, err := exec.Compile(ctx, m)
	if err != nil {
		return err
	}
	defer x.Close()
	count := 0
	for {
		in, where, err := samples.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for i, v := range in {
			if err := finite(&v.Tensor, p.m.Main().Params[i].Name, where, "input"); err != nil {
				return err
			}
		}
		out, err := x.Run(ctx, in)
		if err != nil {
			return diag.In(where, diag.BadData, err)
		}
		out = out[skip:]
		for i, v := range p.values {
			h := &p.hists[p.group[v]]
			bad := h.NaNs() + h.Infs()
			h.Add(tensor.Slice[float32](&out[i].Tensor))
			if h.NaNs()+h.Infs() != bad {
				return finite(&out[i].Tensor, v.Name, where, "value")
			}
		}
		count++
	}
	if count == 0 {
		return diag.New(diag.BadData, "no sample to calibrate on")
	}
	p.ranges = make([]Range, len(p.hists))
	for i := range p.hists {
		p.ranges[i] = rangeOf(&p.hists[i], p.percentage)
	}
	return nil
}

// finite is an error naming the first element that is not a finite number.
func finite(t *tensor.Tensor, name, where, what string) error {
	if !t.DType().IsFloat() {
		return nil
	}
	for i := range t.Len() {
		if v := t.Float(i); v-v != 0 {
			return &diag.Error{Kind: diag.BadData, File: where, Port: fmt.Sprintf("%s %q, element %d", what, name, i), Have: fmt.Sprint(v), Want: "a finite number to calibrate on"}
		}
	}
	return nil
}

func rangeOf(h *sketch.Hist, percent float64) Range {
	lo, hi := h.Range(percent)
	return Range{min(float64(lo), 0), max(float64(hi), 0)}
}
