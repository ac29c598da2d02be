package cli

import (
	"bytes"
	"fmt"
	"math"
)

// curve is one line of a plot.
type curve struct {
	name, color string
	y           []float64 // NaN: no point
}

// curvesSVG draws loss, and accuracy where there is one, over epochs. The same
// numbers give the same bytes.
func curvesSVG(es []epochReport) []byte {
	get := func(f func(e *epochReport) *number) []float64 {
		out, any := make([]float64, len(es)), false
		for i := range es {
			out[i] = math.NaN()
			if v := f(&es[i]); v != nil {
				out[i], any = float64(*v), true
			}
		}
		if !any {
			return nil
		}
		return out
	}
	plots := []struct {
		title  string
		curves []curve
	}{
		{"loss", []curve{
			{"training", "#4070b0", get(func(e *epochReport) *number { return &e.Loss })},
			{"validation", "#d07020", get(func(e *epochReport) *number { return e.ValLoss })},
		}},
		{"top1", []curve{
			{"training", "#4070b0", get(func(e *epochReport) *number { return e.Top1 })},
			{"validation", "#d07020", get(func(e *epochReport) *number { return e.ValTop1 })},
		}},
	}
	var b bytes.Buffer
	const w, h = 420, 300
	n := 0
	var body bytes.Buffer
	for _, p := range plots {
		if p.curves[0].y == nil {
			continue
		}
		fmt.Fprintf(&body, "<g transform=\"translate(%d,0)\">\n", n*w)
		drawPlot(&body, p.title, p.curves, w, h)
		body.WriteString("</g>\n")
		n++
	}
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n", max(1, n)*w, h)
	b.Write(body.Bytes())
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// drawPlot draws curves over 1, 2, ... with axes, ticks and a legend.
func drawPlot(b *bytes.Buffer, title string, cs []curve, w, h int) {
	const left, right, top, bottom = 56, 16, 30, 36
	lo, hi := math.Inf(1), math.Inf(-1)
	n := 0
	for _, c := range cs {
		for _, v := range c.y {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
		n = max(n, len(c.y))
	}
	if !(lo <= hi) {
		lo, hi = 0, 1
	}
	step := niceStep(hi - lo)
	lo, hi = math.Floor(lo/step)*step, math.Ceil(hi/step)*step
	if hi <= lo {
		hi = lo + step
	}
	px := func(i int) float64 { return left + float64(w-left-right)*float64(i)/float64(max(1, n-1)) }
	py := func(v float64) float64 { return float64(h-bottom) - float64(h-top-bottom)*(v-lo)/(hi-lo) }
	fmt.Fprintf(b, "<text x=\"%d\" y=\"18\" font-weight=\"bold\">%s</text>\n", left, title)
	for k := 0; k <= int(math.Round((hi-lo)/step)); k++ {
		v := lo + float64(k)*step
		fmt.Fprintf(b, "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n", left, py(v), w-right, left-6, py(v)+4, v)
	}
	for i := 0; i < n; i += max(1, (n+7)/8) {
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>\n", px(i), h-bottom+16, i+1)
	}
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">epoch</text>\n", (left+w-right)/2, h-6)
	at := w - right - 170
	for _, c := range cs {
		if c.y == nil {
			continue
		}
		fmt.Fprintf(b, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"", c.color)
		for i, v := range c.y {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				fmt.Fprintf(b, "%.1f,%.1f ", px(i), py(v))
			}
		}
		b.WriteString("\"/>\n")
		if n == 1 && !math.IsNaN(c.y[0]) {
			fmt.Fprintf(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", px(0), py(c.y[0]), c.color)
		}
		fmt.Fprintf(b, "<path d=\"M%d 14h16\" stroke=\"%s\" stroke-width=\"2\"/><text x=\"%d\" y=\"18\">%s</text>\n", at, c.color, at+20, c.name)
		at += 85
	}
}

// niceStep is 1, 2 or 5 times a power of ten that parts a span in 4 to 10.
func niceStep(span float64) float64 {
	if !(span > 0) {
		return 0.1
	}
	p := math.Pow(10, math.Floor(math.Log10(span)))
	for _, m := range []float64{0.1, 0.2, 0.5, 1} {
		if span/(p*m) <= 8 {
			return p * m
		}
	}
	return p
}
