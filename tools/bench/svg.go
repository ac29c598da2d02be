package bench

import (
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strings"
)

// Row is one line of a picture.
type Row struct {
	Name  string
	Ratio *Ratio    // nil: what the others are compared with
	Times []float64 // ms
}

// The picture's measures in pixels.
const (
	rowHeight  = 44
	nameWidth  = 230
	panelWidth = 330
	gap        = 40
	topMargin  = 48
	bins       = 60
)

// WriteSVG draws for each row the interval of its ratio, on a logarithmic axis
// with a line at 1, and how its times are distributed. The same rows give the
// same bytes.
func WriteSVG(w io.Writer, rows []Row) error {
	var b strings.Builder
	width := nameWidth + 2*panelWidth + 2*gap
	height := topMargin + rowHeight*len(rows) + 40
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>ratio of cost and distribution of times</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", width, height)
	for i, r := range rows {
		text(&b, 10, center(i)+4, "start", "#222", shorten(r.Name))
	}
	bottom := float64(topMargin + rowHeight*len(rows))
	ratioPanel(&b, rows, nameWidth, bottom)
	timesPanel(&b, rows, nameWidth+panelWidth+gap, bottom)
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func center(i int) float64 { return float64(topMargin + rowHeight*i + rowHeight/2) }

// shorten keeps the end of a name, where pipelines stand.
func shorten(s string) string {
	if r := []rune(s); len(r) > 34 {
		return "…" + string(r[len(r)-33:])
	}
	return s
}

func text(b *strings.Builder, x, y float64, anchor, color, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>`+"\n", x, y, anchor, color, html.EscapeString(s))
}

func line(b *strings.Builder, x1, y1, x2, y2 float64, color string, width float64) {
	fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%g"/>`+"\n", x1, y1, x2, y2, color, width)
}

// verdictColors tell verdicts apart without red beside green.
var verdictColors = map[Verdict]string{Slower: "#c2410c", Faster: "#1d4ed8", Equal: "#222", Unclear: "#888"}

func ratioPanel(b *strings.Builder, rows []Row, left, bottom float64) {
	text(b, left, 20, "start", "#222", "cost over the first, with 95 % interval")
	lo, hi := 1/1.1, 1.1
	for _, r := range rows {
		if r.Ratio != nil && r.Ratio.Lo > 0 && !math.IsInf(r.Ratio.Hi, 0) {
			lo, hi = min(lo, r.Ratio.Lo/1.02), max(hi, r.Ratio.Hi*1.02)
		}
	}
	pad := math.Pow(hi/lo, 0.12) // room for the texts at the ends
	lo, hi = lo/pad, hi*pad
	at := func(v float64) float64 {
		v = min(max(v, lo), hi)
		return left + panelWidth*math.Log(v/lo)/math.Log(hi/lo)
	}
	for _, v := range ratioTicks(lo, hi) {
		line(b, at(v), topMargin, at(v), bottom, "#ddd", 1)
		text(b, at(v), bottom+16, "middle", "#555", fmt.Sprintf("%.3g", v))
	}
	line(b, at(1), topMargin, at(1), bottom, "#555", 1.5)
	for i, r := range rows {
		y := center(i)
		if r.Ratio == nil {
			text(b, at(1)+6, y+4, "start", "#555", "first")
			continue
		}
		c := verdictColors[r.Ratio.Verdict]
		line(b, at(r.Ratio.Lo), y, at(r.Ratio.Hi), y, c, 3)
		line(b, at(r.Ratio.Lo), y-5, at(r.Ratio.Lo), y+5, c, 1.5)
		line(b, at(r.Ratio.Hi), y-5, at(r.Ratio.Hi), y+5, c, 1.5)
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`+"\n", at(r.Ratio.Median), y, c)
		text(b, at(r.Ratio.Median), y-9, "middle", c, fmt.Sprintf("%.3f %s", r.Ratio.Median, r.Ratio.Verdict))
	}
}

// ratioTicks are round ratios within lo..hi, at most some ten.
func ratioTicks(lo, hi float64) []float64 {
	for _, list := range [][]float64{
		{.9, .92, .94, .96, .98, 1, 1.02, 1.04, 1.06, 1.08, 1.1},
		{.7, .75, .8, .85, .9, .95, 1, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3},
		{.25, .33, .5, .67, .8, 1, 1.25, 1.5, 2, 3, 4},
	} {
		if lo >= list[0]/1.02 && hi <= list[len(list)-1]*1.02 {
			return slices.DeleteFunc(list, func(v float64) bool { return v < lo || v > hi })
		}
	}
	out := []float64{}
	steps := []float64{1, 2, 5}
	if hi/lo > 1e4 {
		steps = steps[:1]
	}
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)) && len(out) < 20; e++ {
		for _, k := range steps {
			if v := k * math.Pow(10, e); v >= lo && v <= hi {
				out = append(out, v)
			}
		}
	}
	return out
}

func timesPanel(b *strings.Builder, rows []Row, left, bottom float64) {
	text(b, left, 20, "start", "#222", "times of runs in ms up to p95, with median")
	lo, hi := math.Inf(1), 0.0
	sorted := make([][]float64, len(rows))
	for i, r := range rows {
		if len(r.Times) == 0 {
			continue
		}
		sorted[i] = slices.Sorted(slices.Values(r.Times))
		lo, hi = min(lo, sorted[i][0]), max(hi, quantile(sorted[i], .95))
	}
	if !(lo > 0) || math.IsInf(lo, 0) {
		return
	}
	if hi <= lo*1.01 {
		hi = lo * 1.01
	}
	at := func(v float64) float64 { return left + panelWidth*math.Log(v/lo)/math.Log(hi/lo) }
	for k := range 5 {
		v := lo * math.Pow(hi/lo, float64(k)/4)
		line(b, at(v), topMargin, at(v), bottom, "#ddd", 1)
		text(b, at(v), bottom+16, "middle", "#555", fmt.Sprintf("%.3g", v))
	}
	for i, s := range sorted {
		if s == nil {
			continue
		}
		var count [bins]int
		top := 1
		for _, v := range s {
			if v > hi {
				break
			}
			k := min(bins-1, int(bins*math.Log(v/lo)/math.Log(hi/lo)))
			count[k]++
			top = max(top, count[k])
		}
		base := center(i) + rowHeight/2 - 6
		for k, n := range count {
			if n == 0 {
				continue
			}
			h := max(1, (rowHeight-12)*float64(n)/float64(top))
			fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="#94a3b8"/>`+"\n", left+float64(k)*panelWidth/bins, base-h, float64(panelWidth)/bins, h)
		}
		m := min(quantile(s, .5), hi)
		line(b, at(m), base-rowHeight+12, at(m), base, "#111", 1.5)
	}
}
