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

// Samples are the inputs that a model is calibrated on. Where they have a method
// Sample(k int) string as well, it names sample k of the latest run in messages.
// Whoever opens samples that are an io.Closer closes them.
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
// sample; a value to be quantized that is not finite (BadData naming the input
// and sample that are not, if there are any, else the value); what the executor
// says. Inputs that the model makes finite, as those with missing values, do.
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
				return p.fault(samples, in, &out[i].Tensor, v.Name, where)
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

// fault is the error for a value of a run that is not finite.
func (p *Plan) fault(samples Samples, in []tensor.Value, value *tensor.Tensor, name, where string) error {
	bad := func(port string, v float64) error {
		return &diag.Error{Kind: diag.BadData, File: where, Port: port, Have: fmt.Sprint(v), Want: "a finite number to calibrate on"}
	}
	for i, v := range in {
		t := &v.Tensor
		at := t.NotFinite()
		if at < 0 {
			continue
		}
		port := fmt.Sprintf("input %q", p.m.Main().Params[i].Name)
		inner := t.Len()
		if s, ok := samples.(interface{ Sample(k int) string }); ok && t.Rank() > 0 {
			inner /= t.Dim(0)
			where = s.Sample(at / inner)
		}
		if inner > 1 {
			port += fmt.Sprintf(", element %d", at%inner)
		}
		return bad(port, t.Float(at))
	}
	at := value.NotFinite()
	return bad(fmt.Sprintf("value %q, element %d", name, at), value.Float(at))
}

func rangeOf(h *sketch.Hist, percent float64) Range {
	lo, hi := h.Range(percent)
	return Range{min(float64(lo), 0), max(float64(hi), 0)}
}
