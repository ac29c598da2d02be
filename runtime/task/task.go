package task

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime/plan"
)

// Key is the metadata entry that holds a Task as JSON; KeyClasses is the one
// that holds the names of classes, a JSON list of texts, which stand in for
// Labels.
const (
	Key        = "mlc.task"
	KeyClasses = plan.KeyClasses
)

// Task says what a model does with pictures: either Classify or Detect is set.
// Parse fills in what is left out; a Task written in Go is taken as it is.
type Task struct {
	Input    Input     `json:"input,omitzero"`
	Classify *Classify `json:"classify,omitempty"`
	Detect   *Detect   `json:"detect,omitempty"`
	Labels   []string  `json:"labels,omitempty"` // of the classes, by index
}

// Input says how a picture becomes the model's input.
type Input struct {
	Name   string    `json:"name,omitempty"`   // of the input; "": the only one
	Width  int       `json:"width,omitempty"`  // where the model leaves it open
	Height int       `json:"height,omitempty"` // likewise
	Layout string    `json:"layout,omitempty"` // nchw, nhwc, nhw; "": by the extents 1 and 3
	Color  string    `json:"color,omitempty"`  // rgb, bgr, gray; "": rgb of three channels, gray of one
	Fit    string    `json:"fit,omitempty"`    // stretch (""), letterbox, crop
	Pad    uint8     `json:"pad,omitempty"`    // each channel of what a letterbox leaves empty
	Mean   []float64 `json:"mean,omitempty"`   // one, or one a channel in the order of Color; of pixels 0 to 255
	Std    []float64 `json:"std,omitempty"`    // likewise
}

// Classify reads one score a class.
type Classify struct {
	Output     string `json:"output,omitempty"`     // "": the first one
	Activation string `json:"activation,omitempty"` // none (""), softmax, sigmoid: what is still to be done to the output
	Top        int    `json:"top"`                  // classes given; 0: all. Parse: 5
}

// Detect reads boxes [.., A, 4] and scores [.., A, classes], or those of several
// heads, one after the other.
type Detect struct {
	Boxes      string  `json:"boxes"`                // output; Parse: "boxes"
	Scores     string  `json:"scores"`               // output; Parse: "scores"
	Form       string  `json:"form"`                 // xyxy (Parse), yxyx, xywh (corner and size), cxcywh (centre and size)
	Unit       string  `json:"unit"`                 // relative (Parse: 0 to 1 of the input's extents) or pixels (of the input)
	Activation string  `json:"activation,omitempty"` // of scores, as in Classify
	Background int     `json:"background"`           // class that is no object; -1 (Parse): none
	Threshold  float64 `json:"threshold"`            // least score; Parse: 0.5
	IoU        float64 `json:"iou"`                  // boxes of a class that overlap a better one by more are dropped; Parse: 0.5
	Top        int     `json:"top"`                  // boxes given; 0: all. Parse: 100
	Heads      []Head  `json:"heads,omitempty"`      // instead of Boxes and Scores
}

// Head reads boxes that are given from anchors: boxes [.., A, 4 or more] hold
// centre and size, and the centre counts from that of a cell. Cells are squares of
// Stride pixels over the input, row by row, each with Anchors boxes one after the
// other.
type Head struct {
	Boxes   string `json:"boxes"`
	Scores  string `json:"scores"`
	Stride  int    `json:"stride"`
	Anchors int    `json:"anchors"`
}

// Limits of a description.
const (
	maxJSON   = 16 << 20
	maxExtent = 1 << 14
)

// Parse reads a Task from JSON, fills in defaults and checks it. Error: kind
// BadData.
func Parse(b []byte) (Task, error) {
	if len(b) > maxJSON {
		return Task{}, diag.New(diag.BadData, "the description has %d bytes, want at most %d", len(b), maxJSON)
	}
	var kinds struct{ Classify, Detect json.RawMessage }
	if err := json.Unmarshal(b, &kinds); err != nil {
		return Task{}, diag.New(diag.BadData, "the description is no JSON object of a task: %v", err)
	}
	var t Task
	if kinds.Classify != nil {
		t.Classify = &Classify{Top: 5}
	}
	if kinds.Detect != nil {
		t.Detect = &Detect{Boxes: "boxes", Scores: "scores", Form: "xyxy", Unit: "relative", Background: -1, Threshold: 0.5, IoU: 0.5, Top: 100}
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return Task{}, diag.New(diag.BadData, "the description of the task: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return Task{}, diag.New(diag.BadData, "the description of the task: something follows the object")
	}
	if d := t.Detect; d != nil && d.Heads != nil && d.Boxes == "boxes" && d.Scores == "scores" {
		d.Boxes, d.Scores = "", ""
	}
	return t, t.Check()
}

// JSON is the form that Parse reads and metadata keep.
func (t Task) JSON() ([]byte, error) { return json.Marshal(t) }

// Check says what is wrong with t as it stands; whether it suits a model is
// seen by New. Error: kind BadData.
func (t Task) Check() error {
	if (t.Classify == nil) == (t.Detect == nil) {
		return diag.New(diag.BadData, "the task: want exactly one of classify and detect")
	}
	if err := t.Input.check(); err != nil {
		return err
	}
	if c := t.Classify; c != nil {
		if c.Top < 0 {
			return diag.New(diag.BadData, "classify.top: have %d, want 0 (all) or more", c.Top)
		}
		return oneOf("classify.activation", c.Activation, "", "none", "softmax", "sigmoid")
	}
	d := t.Detect
	if d.Top < 0 {
		return diag.New(diag.BadData, "detect.top: have %d, want 0 (all) or more", d.Top)
	}
	if err := d.checkHeads(); err != nil {
		return err
	}
	if d.Heads == nil && d.Boxes == d.Scores {
		return diag.New(diag.BadData, "detect: boxes and scores are both output %q, want two outputs", d.Boxes)
	}
	if v := d.Threshold; !(v >= 0 && v <= 1) {
		return diag.New(diag.BadData, "detect.threshold: have %v, want 0 to 1", v)
	}
	if v := d.IoU; !(v >= 0 && v <= 1) {
		return diag.New(diag.BadData, "detect.iou: have %v, want 0 to 1", v)
	}
	if err := oneOf("detect.form", d.Form, "xyxy", "yxyx", "xywh", "cxcywh"); err != nil {
		return err
	}
	if err := oneOf("detect.unit", d.Unit, "relative", "pixels"); err != nil {
		return err
	}
	return oneOf("detect.activation", d.Activation, "", "none", "softmax", "sigmoid")
}

func (d *Detect) checkHeads() error {
	if d.Heads == nil {
		return nil
	}
	if len(d.Heads) == 0 || d.Boxes != "" || d.Scores != "" {
		return diag.New(diag.BadData, "detect.heads: want one at least, and no boxes and scores beside them")
	}
	if d.Form != "cxcywh" {
		return diag.New(diag.BadData, "detect.heads: have form %s, want cxcywh", d.Form)
	}
	for i, h := range d.Heads {
		if h.Stride < 1 || h.Stride > maxExtent || h.Anchors < 1 || h.Anchors > maxExtent {
			return diag.New(diag.BadData, "detect.heads[%d]: stride %d, anchors %d, want 1 to %d", i, h.Stride, h.Anchors, maxExtent)
		}
		if h.Boxes == h.Scores {
			return diag.New(diag.BadData, "detect.heads[%d]: boxes and scores are both output %q, want two outputs", i, h.Boxes)
		}
	}
	return nil
}

// heads are the pairs of outputs that are read; one without a stride has no anchors.
func (d *Detect) heads() []Head {
	if d.Heads != nil {
		return d.Heads
	}
	return []Head{{Boxes: d.Boxes, Scores: d.Scores}}
}

func (in Input) check() error {
	if err := oneOf("input.layout", in.Layout, "", "nchw", "nhwc", "nhw"); err != nil {
		return err
	}
	if err := oneOf("input.color", in.Color, "", "rgb", "bgr", "gray"); err != nil {
		return err
	}
	if err := oneOf("input.fit", in.Fit, "", "stretch", "letterbox", "crop"); err != nil {
		return err
	}
	if in.Width < 0 || in.Width > maxExtent || in.Height < 0 || in.Height > maxExtent {
		return diag.New(diag.BadData, "input: width %d, height %d, want at most %d", in.Width, in.Height, maxExtent)
	}
	for _, v := range slices.Concat(in.Mean, in.Std) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return diag.New(diag.BadData, "input: mean and std hold %v, want numbers", v)
		}
	}
	if slices.Contains(in.Std, 0) {
		return diag.New(diag.BadData, "input.std: have 0, want something to divide by")
	}
	return nil
}

func oneOf(what, have string, want ...string) error {
	if slices.Contains(want, have) {
		return nil
	}
	names := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return s == "" })
	return diag.New(diag.BadData, "%s: unknown %q%s", what, have, diag.DidYouMean(have, names, "have "+strings.Join(names, ", ")))
}
