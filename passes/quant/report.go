package quant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Report is how a quantized module differs from the float one, value by value.
type Report struct {
	Schema  string  `json:"schema"` // "mlc.quantize-report/1"
	Model   string  `json:"model"`
	Method  string  `json:"method"`
	Type    string  `json:"activations"`
	Samples int     `json:"samples"` // runs that were compared
	Layers  []Layer `json:"layers"`
}

// Layer is one quantized value: its range and scale, and how what the
// quantized module computes there differs from the float module's.
type Layer struct {
	Node   string  `json:"node"` // that computes it, or the input's name
	Op     string  `json:"op"`
	Value  string  `json:"value"`
	Lo     float64 `json:"lo"`
	Hi     float64 `json:"hi"`
	Scale  float64 `json:"scale"`
	Zero   int     `json:"zero_point"`
	SQNR   Decibel `json:"sqnr_db"`
	Cosine float64 `json:"cosine"`
}

// Decibel is a ratio of powers; an infinite one (nothing differs) is null in
// JSON.
type Decibel float64

// MarshalJSON implements json.Marshaler.
func (d Decibel) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(d), 0) || d != d {
		return []byte("null"), nil
	}
	return json.Marshal(float64(d))
}

func (d Decibel) String() string {
	if math.IsInf(float64(d), 1) {
		return "exact"
	}
	return fmt.Sprintf("%.1f", float64(d))
}

// moments are sums over pairs of a float and a quantized value.
type moments struct{ xx, yy, xy, dd float64 }

func (m *moments) add(x, y []float32) {
	for i, v := range x {
		a, b := float64(v), float64(y[i])
		d := a - b
		m.xx += float64(a * a)
		m.yy += float64(b * b)
		m.xy += float64(a * b)
		m.dd += float64(d * d)
	}
}

// sqnr is the ratio of signal to quantization noise.
func (m *moments) sqnr() Decibel {
	switch {
	case m.dd == 0:
		return Decibel(math.Inf(1))
	case m.xx == 0:
		return Decibel(math.Inf(-1))
	}
	return Decibel(10 * math.Log10(m.xx/m.dd))
}

func (m *moments) cosine() float64 {
	if m.xx == 0 || m.yy == 0 {
		if m.xx == m.yy {
			return 1
		}
		return 0
	}
	return m.xy / (math.Sqrt(m.xx) * math.Sqrt(m.yy))
}

// Compare runs the float module that the plan was made from, as it was before
// Insert, and the quantized one over the samples, and tells how they differ.
func (p *Plan) Compare(ctx context.Context, exec ir.Executor, float *ir.Module, samples Samples) (*Report, error) {
	fm, skip, err := observed(float, p.Values())
	if err != nil {
		return nil, err
	}
	qm, _, err := observed(p.m, p.outs)
	if err != nil {
		return nil, err
	}
	fx, err := exec.Compile(ctx, fm)
	if err != nil {
		return nil, err
	}
	defer fx.Close()
	qx, err := exec.Compile(ctx, qm)
	if err != nil {
		return nil, err
	}
	defer qx.Close()
	sums := make([]moments, len(p.values))
	r := &Report{Schema: "mlc.quantize-report/1", Model: p.m.Name, Method: p.Method, Type: p.activation().String()}
	if r.Method == "" {
		r.Method = "minmax"
	}
	for {
		in, _, err := samples.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		a, err := fx.Run(ctx, in)
		if err != nil {
			return nil, err
		}
		b, err := qx.Run(ctx, in)
		if err != nil {
			return nil, err
		}
		for i := range sums {
			sums[i].add(tensor.Slice[float32](&a[skip+i].Tensor), tensor.Slice[float32](&b[skip+i].Tensor))
		}
		r.Samples++
	}
	for i, v := range p.values {
		g := p.ranges[p.group[v]]
		q := paramsOf(g, p.activation())
		l := Layer{Node: v.Name, Op: "input", Value: v.Name, Lo: g.Lo, Hi: g.Hi, Scale: float64(q.scale), Zero: q.zero, SQNR: sums[i].sqnr(), Cosine: sums[i].cosine()}
		if v.Node != nil {
			l.Node, l.Op = v.Node.Label(), v.Node.OpName()
		}
		r.Layers = append(r.Layers, l)
	}
	return r, nil
}

// JSON writes the report.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// HTML writes the report as a page that needs nothing else.
func (r *Report) HTML(w io.Writer) error { return page.Execute(w, r) }

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"bar": func(d Decibel) float64 { return min(max(float64(d), 0), 60) / 60 * 100 },
	"low": func(d Decibel) bool { return float64(d) < 15 },
}).Parse(`<!doctype html>
<meta charset="utf-8"><title>Quantization of {{.Model}}</title>
<style>
body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;color:#222}
table{border-collapse:collapse;width:100%}
td,th{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}
td:nth-child(-n+2),th:nth-child(-n+2){text-align:left}
.bar{background:#4a7;height:.7rem}.low{background:#c64}
</style>
<h1>Quantization of {{.Model}}</h1>
<p>{{.Type}} activations, ranges by {{.Method}}; compared over {{.Samples}} runs. SQNR is the power of the float value over that of the difference, in dB; the bar ends at 60.</p>
<table>
<tr><th>node<th>operator<th>least<th>largest<th>scale<th>zero<th>cosine<th>SQNR<th style="width:12rem">
{{range .Layers}}<tr><td>{{.Node}}<td>{{.Op}}<td>{{printf "%.4g" .Lo}}<td>{{printf "%.4g" .Hi}}<td>{{printf "%.4g" .Scale}}<td>{{.Zero}}<td>{{printf "%.6f" .Cosine}}<td>{{.SQNR}}<td><div class="bar{{if low .SQNR}} low{{end}}" style="width:{{printf "%.0f" (bar .SQNR)}}%"></div>
{{end}}</table>
`))
