package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"os"
)

//go:embed page.tmpl
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"pct": func(v float64) string { return fmt.Sprintf("%.2f", 100*v) },
	"kib": func(n int64) string { return fmt.Sprintf("%.1f", float64(n)/1024) },
	"us":  func(v float64) string { return fmt.Sprintf("%.0f", v) },
	"mac": func(n int64) string { return fmt.Sprintf("%.2f", float64(n)/1e6) },
	"g2":  func(v float64) string { return fmt.Sprintf("%.2g", v) },
}).Parse(pageText))

// mark is a net in the drawing.
type mark struct {
	X, Y, R float64
	Text    float64 // where the label stands
	Label   string
}

// tick is a line of the grid.
type tick struct {
	At    float64
	Label string
}

// Drawing is accuracy over latency; the area of a mark is the ONNX file's size.
func (r *report) Drawing() (d struct {
	Marks []mark
	X, Y  []tick
}) {
	lo, hi, most, largest := 1.0, 0.0, 0.0, int64(1)
	for _, n := range r.Nets {
		lo, hi, most, largest = min(lo, n.Top1), max(hi, n.Top1), max(most, n.Micros), max(largest, n.ONNX)
	}
	lo, hi = math.Floor(100*lo-1), math.Ceil(100*hi+1)
	px := func(us float64) float64 { return 60 + 560*us/(1.1*most) }
	py := func(pct float64) float64 { return 290 - 260*(pct-lo)/(hi-lo) }
	for _, n := range r.Nets {
		d.Marks = append(d.Marks, mark{px(n.Micros), py(100 * n.Top1), 3 + 15*math.Sqrt(float64(n.ONNX)/float64(largest)), 0, n.Step})
	}
	for i := range d.Marks { // above the mark, but below it where another is near and higher
		m := &d.Marks[i]
		m.Text = m.Y - m.R - 8
		for _, o := range d.Marks {
			if math.Abs(o.X-m.X) < 60 && o.Y < m.Y {
				m.Text = m.Y + m.R + 16
			}
		}
	}
	step := max(1, math.Round((hi-lo)/6))
	for v := lo; v <= hi; v += step {
		d.Y = append(d.Y, tick{py(v), fmt.Sprintf("%.0f %%", v)})
	}
	unit := math.Pow(10, math.Floor(math.Log10(most)))
	if most/unit < 3 {
		unit /= 4
	}
	for v := 0.0; v <= 1.1*most; v += unit {
		d.X = append(d.X, tick{px(v), fmt.Sprintf("%g", v)})
	}
	return d
}

// Found is the check of a net's file of the kind that the suffix says; nil: none.
func (r *report) Found(file string) *check {
	for i := range r.Checks {
		if r.Checks[i].Artifact == file && r.Checks[i].Skipped == "" {
			return &r.Checks[i]
		}
	}
	return nil
}

// write writes the page.
func (r *report) write(file string) error {
	var b bytes.Buffer
	if err := page.Execute(&b, r); err != nil {
		return err
	}
	for _, n := range r.Nets {
		fmt.Printf("%-8s %6.2f %% right, %7.1f KiB ONNX, %7.1f KiB TFLite, %5.2f M multiply-adds, %4.0f us\n", n.Step, 100*n.Top1, float64(n.ONNX)/1024, float64(n.TFLite)/1024, float64(n.MACs)/1e6, n.Micros)
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}
