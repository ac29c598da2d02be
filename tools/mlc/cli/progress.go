package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mlc-go/mlc/frontend/train"
)

// progressModes are the values of --progress.
var progressModes = []string{"auto", "plain", "json", "none"}

// progress shows on standard error how far something long is: nothing in its
// first second, then a bar on a terminal, elsewhere a line a second.
type progress struct {
	a     *app
	mode  string // bar, plain, json, none
	began time.Time
	first int       // what was done before this process began
	last  time.Time // of the latest line or redraw
	wide  int       // of the bar's line as drawn

	stepped bool // step was called
}

func (a *app) newProgress() *progress {
	mode := a.progress
	if mode == "auto" {
		mode = "plain"
		if f, ok := a.err.(*os.File); ok {
			if st, err := f.Stat(); err == nil && st.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" {
				mode = "bar"
			}
		}
	}
	if a.quiet {
		mode = "none"
	}
	return &progress{a: a, mode: mode, began: time.Now(), last: time.Now()}
}

// due says whether it is time to show something, and how long it will take
// from done to total at the pace so far.
func (p *progress) due(done, total int) (left time.Duration, ok bool) {
	every := time.Second
	if p.mode == "bar" && p.wide > 0 {
		every = 100 * time.Millisecond
	}
	now := time.Now()
	if p.mode == "none" || now.Sub(p.last) < every {
		return 0, false
	}
	p.last = now
	if done > p.first {
		left = time.Duration(float64(now.Sub(p.began)) / float64(done-p.first) * float64(total-done))
	}
	return left, true
}

// count shows that done of total are done of a stage, total 0 where nobody
// knows: "scoring: 640 of 10000 samples, 0:12 left".
func (p *progress) count(stage, unit string, done, total int) {
	left, ok := p.due(done, total)
	if !ok {
		return
	}
	var line string
	switch {
	case p.mode == "json":
		v := map[string]any{"event": "progress", "stage": stage, "unit": unit, "done": done}
		if total > 0 {
			v["total"], v["eta_seconds"] = total, left.Seconds()
		}
		p.json(v)
		return
	case total == 0:
		line = fmt.Sprintf("%s: %d %s done", stage, done, unit)
	case p.mode == "bar":
		line = fmt.Sprintf("%s %s %d/%d %s, %s left", stage, cells(done, total), done, total, unit, clock(left))
	default:
		line = fmt.Sprintf("%s: %d of %d %s, %s left", stage, done, total, unit, clock(left))
	}
	p.show(line)
}

// step shows where a training is.
func (p *progress) step(s train.Progress) {
	if !p.stepped {
		p.stepped, p.first, p.began = true, s.Total, time.Now() // pace begins here, after compilation
		return
	}
	left, ok := p.due(s.Total, s.Epochs*s.Steps)
	switch {
	case !ok:
	case p.mode == "json":
		p.json(map[string]any{"event": "step", "epoch": s.Epoch, "step": s.Step, "steps": s.Steps, "loss": number(s.Loss), "lr": s.LR, "eta_seconds": left.Seconds()})
	case p.mode == "bar":
		p.show(fmt.Sprintf("epoch %d/%d %s %d/%d loss %.4f lr %.4g, %s left", s.Epoch, s.Epochs, cells(s.Step, s.Steps), s.Step, s.Steps, s.Loss, s.LR, clock(left)))
	default:
		p.show(fmt.Sprintf("epoch %d/%d step %d/%d loss %.4f lr %.4g, %s left", s.Epoch, s.Epochs, s.Step, s.Steps, s.Loss, s.LR, clock(left)))
	}
}

// cells is the bar itself.
func cells(done, total int) string {
	const n = 24
	full := n * min(done, total) / total
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", n-full) + "]"
}

// show writes a line, in a bar's place where there is one.
func (p *progress) show(line string) {
	if p.mode == "bar" {
		p.draw(line)
		return
	}
	fmt.Fprintln(p.a.err, line)
}

// draw writes over the line that stands.
func (p *progress) draw(line string) {
	pad := max(0, p.wide-len(line))
	fmt.Fprintf(p.a.err, "\r%s%s", line, strings.Repeat(" ", pad))
	p.wide = len(line)
}

// done takes the bar away.
func (p *progress) done() {
	if p.mode == "bar" && p.wide > 0 {
		fmt.Fprintf(p.a.err, "\r%s\r", strings.Repeat(" ", p.wide))
		p.wide = 0
	}
}

func (p *progress) epoch(r epochReport, epochs int) {
	p.done()
	switch p.mode {
	case "none":
	case "json":
		if b, err := json.Marshal(r); err == nil {
			fmt.Fprintf(p.a.err, `{"event":"epoch",%s`+"\n", b[1:])
		}
	default:
		fmt.Fprintf(p.a.err, "epoch %d/%d: %s, %.1f s\n", r.Epoch, epochs, r.text(), float64(r.Seconds))
	}
}

// teacher says how good teacher and student are before the first step.
func (p *progress) teacher(r distillReport) {
	switch p.mode {
	case "none":
	case "json":
		p.json(map[string]any{"event": "teacher", "scored_on": r.On, "teacher_top1": r.TeacherTop1, "top1_before": r.Before})
	default:
		fmt.Fprintf(p.a.err, "%s data: teacher top1 %.2f %%, student %.2f %%\n", r.On, 100*float64(r.TeacherTop1), 100*float64(r.Before))
	}
}

func (p *progress) json(v map[string]any) {
	if b, err := json.Marshal(v); err == nil {
		fmt.Fprintf(p.a.err, "%s\n", b)
	}
}

// clock is a time to wait, as people read it: 1:02:03, 2:03.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
