package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mlc-go/mlc/frontend/train"
)

// progress shows how training goes, on standard error.
type progress struct {
	a     *app
	mode  string // bar, plain, json, none
	began time.Time
	first int       // steps done before this process began
	last  time.Time // of the latest line or redraw
	wide  int       // of the bar's line as drawn
}

func newProgress(a *app, mode string) *progress {
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
	return &progress{a: a, mode: mode}
}

func (p *progress) step(s train.Progress) {
	if p.mode == "none" {
		return
	}
	now := time.Now()
	if p.began.IsZero() {
		p.began, p.first, p.last = now, s.Total, now
		return
	}
	every := time.Second
	if p.mode == "bar" {
		every = 100 * time.Millisecond
	}
	if now.Sub(p.last) < every {
		return
	}
	p.last = now
	left := time.Duration(0)
	if done := s.Total - p.first; done > 0 {
		left = time.Duration(float64(now.Sub(p.began)) / float64(done) * float64(s.Epochs*s.Steps-s.Total))
	}
	switch p.mode {
	case "json":
		p.json(map[string]any{"event": "step", "epoch": s.Epoch, "step": s.Step, "steps": s.Steps, "loss": number(s.Loss), "lr": s.LR, "eta_seconds": left.Seconds()})
	case "plain":
		fmt.Fprintf(p.a.err, "epoch %d/%d step %d/%d loss %.4f lr %.4g, %s left\n", s.Epoch, s.Epochs, s.Step, s.Steps, s.Loss, s.LR, clock(left))
	default:
		const cells = 24
		full := cells * s.Step / s.Steps
		line := fmt.Sprintf("epoch %d/%d [%s%s] %d/%d loss %.4f lr %.4g, %s left", s.Epoch, s.Epochs,
			strings.Repeat("#", full), strings.Repeat(".", cells-full), s.Step, s.Steps, s.Loss, s.LR, clock(left))
		p.draw(line)
	}
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
