package task

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
)

// Report is what a model says of a picture, in the one form in which mlc run,
// mlc serve and executables give it: as JSON, or printed.
type Report struct {
	File    string  `json:"file,omitempty"`
	Width   int     `json:"width"`
	Height  int     `json:"height"`
	Seconds float64 `json:"seconds"`          // from the decoded picture to this
	Classes []Class `json:"classes,omitzero"` // of a task that classifies
	Boxes   []Box   `json:"boxes,omitzero"`   // of one that detects; empty: nothing found
}

// Report does on s, a session of the model, what the task says. Errors: those of
// Classify, Detect and the run.
func (x *Model) Report(ctx context.Context, s *runtime.Session, p image.Image) (*Report, error) {
	t0 := time.Now()
	in, at, err := x.tensor(p)
	if err != nil {
		return nil, err
	}
	if err := s.Bind(x.in.Name, in); err != nil {
		return nil, err
	}
	if err := s.Run(ctx); err != nil {
		return nil, err
	}
	out := map[string]tensor.Tensor{}
	for _, name := range x.outputs() {
		if out[name], err = s.Output(name); err != nil {
			return nil, err
		}
	}
	r := &Report{Width: p.Bounds().Dx(), Height: p.Bounds().Dy()}
	if x.task.Classify != nil {
		r.Classes, err = x.classes(out)
	} else if r.Boxes, err = x.objects(out, p.Bounds(), at); r.Boxes == nil {
		r.Boxes = []Box{}
	}
	r.Seconds = time.Since(t0).Seconds()
	return r, err
}

// Kind is "classify" or "detect".
func (t Task) Kind() string {
	if t.Detect != nil {
		return "detect"
	}
	return "classify"
}

// WithTop is x, but with at most k classes or boxes given; 0: all.
func (x *Model) WithTop(k int) *Model {
	y := *x
	if d := y.task.Detect; d != nil {
		c := *d
		c.Top, y.task.Detect = k, &c
	} else {
		c := *y.task.Classify
		c.Top, y.task.Classify = k, &c
	}
	return &y
}

// Print writes the report as text: a line of the picture, and one for each class
// or box.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%s: %d x %d", r.File, r.Width, r.Height)
	if r.Boxes != nil {
		fmt.Fprintf(w, ", %d found", len(r.Boxes))
	}
	fmt.Fprintln(w)
	for i := range r.Classes {
		fmt.Fprintln(w, r.Classes[i].line())
	}
	for i := range r.Boxes {
		b := &r.Boxes[i]
		fmt.Fprintf(w, "%s  %.1f,%.1f to %.1f,%.1f\n", b.line(), b.X0, b.Y0, b.X1, b.Y1)
	}
}

func (c *Class) line() string {
	s := fmt.Sprintf("%8d  %.6g", c.Index, c.Score)
	if c.Label != "" {
		s = fmt.Sprintf("%-20s  %s", s, c.Label)
	}
	return s
}

// score is a number as JSON has it: NaN and the infinities by name.
type score float64

func (s score) MarshalJSON() ([]byte, error) {
	v := float64(s)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.AppendQuote(nil, fmt.Sprint(v)), nil
	}
	return json.Marshal(v)
}

type classJSON struct {
	Index int    `json:"index"`
	Label string `json:"label,omitempty"`
	Score score  `json:"score"`
}

// MarshalJSON writes {"index", "label", "score"}; a score that is NaN or infinite
// stands there by name.
func (c Class) MarshalJSON() ([]byte, error) {
	return json.Marshal(classJSON{c.Index, c.Label, score(c.Score)})
}

// MarshalJSON writes the class with "box": [x0, y0, x1, y1].
func (b Box) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		classJSON
		Box [4]float64 `json:"box"`
	}{classJSON{b.Index, b.Label, score(b.Score)}, [4]float64{b.X0, b.Y0, b.X1, b.Y1}})
}
