package task

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
)

// Model is a loaded model with its task. Every method is safe for concurrent
// use; closing the runtime.Model is the caller's.
type Model struct {
	m             *runtime.Model
	task          Task
	in            runtime.Info
	layout        string
	channels      int
	width, height int
	mean, std     []float64 // one a channel; nil: pixels as they are
	assumed       bool      // nobody described the task
}

// Open takes the task from the model's metadata. A model without one that
// takes u8 pictures (as `mlc train` makes them of pictures) is taken to
// classify: stretched to its extents, scores as they come, named by the
// metadata's classes. Errors: no task (Unsupported); one that does not hold or
// does not suit the model (BadModel).
func Open(m *runtime.Model) (*Model, error) {
	text, ok := m.Meta(Key)
	if ok {
		t, err := Parse([]byte(text))
		if err != nil {
			return nil, diag.New(diag.BadModel, "metadata %s: %v", Key, err)
		}
		out, err := New(m, t)
		if err != nil {
			return nil, diag.New(diag.BadModel, "metadata %s: %v", Key, err)
		}
		return out, nil
	}
	in := m.Inputs()
	if len(in) != 1 || !in[0].Type.IsTensor() || in[0].Type.DType != dtype.U8 {
		return nil, &diag.Error{Kind: diag.Unsupported, Port: "pictures", Have: fmt.Sprintf("a model that takes %s and says not how pictures become that", inputList(in)), Want: "metadata " + Key + " (mlc build --task FILE.json), or one input of u8 pictures"}
	}
	out, err := New(m, Task{Classify: &Classify{Top: 5}})
	if err == nil {
		out.assumed = true
	}
	return out, err
}

// Described says whether the task was described, in metadata or to New, and
// not assumed by Open.
func (x *Model) Described() bool { return !x.assumed }

func inputList(in []runtime.Info) string {
	var s []string
	for _, i := range in {
		s = append(s, i.Type.String())
	}
	return strings.Join(s, ", ")
}

// New gives a model a task that does not stand in its metadata. Errors: the
// task does not hold (BadData), or does not suit the model (Unsupported).
func New(m *runtime.Model, t Task) (*Model, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	x := &Model{m: m, task: t}
	if t.Labels == nil {
		if s, ok := m.Meta(KeyClasses); ok {
			if err := json.Unmarshal([]byte(s), &x.task.Labels); err != nil {
				return nil, diag.New(diag.BadModel, "metadata %s: %v", KeyClasses, err)
			}
		}
	}
	if err := x.findInput(); err != nil {
		return nil, err
	}
	if err := x.numbers(); err != nil {
		return nil, err
	}
	return x, x.findOutputs()
}

// findInput takes extents and layout from the model and the description.
func (x *Model) findInput() error {
	in, d := x.m.Inputs(), x.task.Input
	i := slices.IndexFunc(in, func(i runtime.Info) bool { return d.Name == "" || i.Name == d.Name })
	if i < 0 || len(in) != 1 {
		return &diag.Error{Kind: diag.Unsupported, Node: fmt.Sprintf("input %q", d.Name), Have: "a model that takes " + inputList(in), Want: "one input, a picture"}
	}
	x.in = in[i]
	bad := func(want string) error {
		return &diag.Error{Kind: diag.Unsupported, Node: fmt.Sprintf("input %q", x.in.Name), Have: x.in.Type.String(), Want: want}
	}
	t := x.in.Type
	if !t.IsTensor() || t.DType != dtype.U8 && t.DType != dtype.F32 {
		return bad("a picture of u8 or f32")
	}
	if !t.Ranked() || len(t.Dims) != 3 && len(t.Dims) != 4 {
		return bad("[N,H,W], [N,C,H,W] or [N,H,W,C]")
	}
	ext := make([]int, len(t.Dims)) // -1: open
	for i, d := range t.Dims {
		ext[i] = -1
		n, ok := d.Const()
		if !ok {
			continue
		}
		if n > maxExtent {
			return bad(fmt.Sprintf("extents of at most %d", maxExtent))
		}
		ext[i] = int(n)
	}
	if ext[0] != 1 && ext[0] != -1 {
		return bad("one picture a run (N open or 1)")
	}
	x.layout = d.Layout
	if x.layout == "" {
		switch {
		case len(ext) == 3:
			x.layout = "nhw"
		case ext[1] == 1 || ext[1] == 3:
			x.layout = "nchw"
		default:
			x.layout = "nhwc"
		}
	}
	if (x.layout == "nhw") != (len(ext) == 3) {
		return bad("an input of layout " + x.layout)
	}
	h, w, c := ext[1], ext[2], 1
	switch x.layout {
	case "nchw":
		c, h, w = ext[1], ext[2], ext[3]
	case "nhwc":
		c = ext[3]
	}
	if c == -1 { // open: as many as the colours need
		c = 3
		if d.Color == "gray" {
			c = 1
		}
	}
	if c != 1 && c != 3 {
		return bad("1 or 3 channels in layout " + x.layout)
	}
	if d.Color != "" && (d.Color == "gray") != (c == 1) {
		return bad("channels for color " + d.Color)
	}
	x.channels = c
	if x.width = w; w == -1 {
		x.width = d.Width
	}
	if x.height = h; h == -1 {
		x.height = d.Height
	}
	if x.width < 1 || x.height < 1 {
		return bad("extents, or input.width and input.height in the description")
	}
	if d.Width != 0 && d.Width != x.width || d.Height != 0 && d.Height != x.height {
		return bad(fmt.Sprintf("width %d and height %d as described", d.Width, d.Height))
	}
	if x.width > MaxPixels/x.height {
		return bad(fmt.Sprintf("at most %d pixels, have %d x %d", MaxPixels, x.width, x.height))
	}
	return nil
}

// numbers spreads mean and std over the channels.
func (x *Model) numbers() error {
	d := x.task.Input
	if d.Mean == nil && d.Std == nil {
		return nil
	}
	if x.in.Type.DType == dtype.U8 {
		return diag.New(diag.Unsupported, "input %q takes u8 pixels as they are: want no mean and std", x.in.Name)
	}
	spread := func(v []float64, none float64) ([]float64, error) {
		switch len(v) {
		case 0:
			v = []float64{none}
			fallthrough
		case 1:
			return slices.Repeat(v, x.channels), nil
		case x.channels:
			return v, nil
		}
		return nil, diag.New(diag.Unsupported, "mean or std has %d values, want 1 or %d, one a channel", len(v), x.channels)
	}
	var err error
	if x.mean, err = spread(d.Mean, 0); err != nil {
		return err
	}
	x.std, err = spread(d.Std, 1)
	return err
}

func (x *Model) findOutputs() error {
	var names []string
	for _, o := range x.m.Outputs() {
		names = append(names, o.Name)
	}
	if len(names) == 0 {
		return diag.New(diag.Unsupported, "the model has no output")
	}
	if c := x.task.Classify; c != nil && c.Output == "" {
		out := *c
		out.Output = names[0]
		x.task.Classify = &out
	}
	for _, w := range x.outputs() {
		if !slices.Contains(names, w) {
			return diag.New(diag.Unsupported, "the model has no output %q%s", w, diag.DidYouMean(w, names, "have "+strings.Join(names, ", ")))
		}
	}
	return nil
}

// outputs are the ones that the task reads.
func (x *Model) outputs() []string {
	if c := x.task.Classify; c != nil {
		return []string{c.Output}
	}
	var names []string
	for _, h := range x.task.Detect.heads() {
		names = append(names, h.Boxes, h.Scores)
	}
	return names
}

// Task is what the model does, with what was found out about it.
func (x *Model) Task() Task { return x.task }

// Size is the width and height that pictures are brought to.
func (x *Model) Size() (width, height int) { return x.width, x.height }

// tensor makes the model's input of a picture.
func (x *Model) tensor(p image.Image) (tensor.Tensor, placing, error) {
	b := p.Bounds()
	w, h := b.Dx(), b.Dy()
	if w < 1 || h < 1 || w > MaxPixels/h {
		return tensor.Tensor{}, placing{}, diag.New(diag.BadData, "the picture has %d x %d pixels, want 1 to %d of them", w, h, MaxPixels)
	}
	at := place(x.task.Input.Fit, w, h, x.width, x.height)
	c := x.channels
	to := at.to
	pix := resize(rows(p, at.from, c), c, at.from.Dx(), at.from.Dy(), to.Dx(), to.Dy())
	if x.task.Input.Color == "bgr" {
		for i := 0; i < len(pix); i += 3 {
			pix[i], pix[i+2] = pix[i+2], pix[i]
		}
	}
	dims := []int{1, x.height, x.width}
	row, col, channel := x.width*c, c, 1
	switch x.layout {
	case "nhwc":
		dims = append(dims, c)
	case "nchw":
		dims = []int{1, c, x.height, x.width}
		row, col, channel = x.width, 1, x.height*x.width
	}
	t := tensor.New(x.in.Type.DType, dims...)
	put := func(at, _ int, v uint8) { tensor.Slice[uint8](&t)[at] = v }
	if x.in.Type.DType == dtype.F32 {
		f := tensor.Slice[float32](&t)
		put = func(at, channel int, v uint8) { f[at] = x.number(v, channel) }
	}
	for y := range x.height {
		for xx := range x.width {
			in := image.Pt(xx, y).In(to)
			for k := range c {
				v := x.task.Input.Pad
				if in {
					v = pix[((y-to.Min.Y)*to.Dx()+xx-to.Min.X)*c+k]
				}
				put(y*row+xx*col+k*channel, k, v)
			}
		}
	}
	return t, at, nil
}

// number is what the model sees of a pixel.
func (x *Model) number(v uint8, channel int) float32 {
	if x.mean == nil {
		return float32(v)
	}
	return float32((float64(v) - x.mean[channel]) / x.std[channel])
}

// Classify gives the classes of a picture by falling score, as many as the
// task says; equal scores in the order of their indices.
func (x *Model) Classify(ctx context.Context, p image.Image) ([]Class, error) {
	if x.task.Classify == nil {
		return nil, diag.New(diag.Usage, "the model's task is to detect, not to classify")
	}
	t, _, err := x.tensor(p)
	if err != nil {
		return nil, err
	}
	out, err := x.m.Run(ctx, map[string]tensor.Tensor{x.in.Name: t})
	if err != nil {
		return nil, err
	}
	return x.classes(out)
}

// classes reads the outputs of a run.
func (x *Model) classes(out map[string]tensor.Tensor) ([]Class, error) {
	c := x.task.Classify
	scores, err := floats(out[c.Output], c.Output)
	if err != nil {
		return nil, err
	}
	activate(c.Activation, scores)
	all := make([]Class, len(scores))
	for i, s := range scores {
		all[i] = Class{i, x.label(i), s}
	}
	slices.SortStableFunc(all, func(a, b Class) int { return falling(a.Score, b.Score) })
	if c.Top > 0 && c.Top < len(all) {
		all = all[:c.Top]
	}
	return all, nil
}

// falling orders by falling score, NaN last.
func falling(a, b float64) int {
	switch {
	case a > b || b != b && a == a:
		return -1
	case a < b || a != a && b == b:
		return 1
	}
	return 0
}

func (x *Model) label(i int) string {
	if i < len(x.task.Labels) {
		return x.task.Labels[i]
	}
	return ""
}

// floats gives the elements of a numeric output.
func floats(t tensor.Tensor, name string) ([]float64, error) {
	d := t.DType()
	if !d.IsInt() && !(d.IsFloat() && d.Bits() >= 16) {
		return nil, &diag.Error{Kind: diag.Unsupported, Node: fmt.Sprintf("output %q", name), Have: d.String(), Want: "numbers"}
	}
	out := make([]float64, t.Len())
	for i := range out {
		out[i] = t.Float(i)
	}
	return out, nil
}

// Detect gives the objects of a picture by falling score, in its own pixels,
// cut at its edges.
func (x *Model) Detect(ctx context.Context, p image.Image) ([]Box, error) {
	if x.task.Detect == nil {
		return nil, diag.New(diag.Usage, "the model's task is to classify, not to detect")
	}
	t, at, err := x.tensor(p)
	if err != nil {
		return nil, err
	}
	out, err := x.m.Run(ctx, map[string]tensor.Tensor{x.in.Name: t})
	if err != nil {
		return nil, err
	}
	return x.objects(out, p.Bounds(), at)
}

// objects reads the outputs of a run on a picture of an extent.
func (x *Model) objects(out map[string]tensor.Tensor, extent image.Rectangle, at placing) ([]Box, error) {
	d := x.task.Detect
	var found []Box
	for _, h := range d.heads() {
		more, err := x.boxes(h, out[h.Boxes], out[h.Scores])
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	found = NMS(found, d.IoU, d.Top)
	w, h := float64(extent.Dx()), float64(extent.Dy())
	for i := range found {
		b := &found[i]
		b.X0, b.Y0 = at.back(b.X0, b.Y0)
		b.X1, b.Y1 = at.back(b.X1, b.Y1)
		b.X0, b.X1 = max(0, min(w, b.X0)), max(0, min(w, b.X1))
		b.Y0, b.Y1 = max(0, min(h, b.Y0)), max(0, min(h, b.Y1))
	}
	return found, nil
}

// boxes reads what reaches the threshold of a head's outputs, in pixels of the
// input.
func (x *Model) boxes(h Head, boxes, scores tensor.Tensor) ([]Box, error) {
	d := x.task.Detect
	bv, err := floats(boxes, h.Boxes)
	if err != nil {
		return nil, err
	}
	sv, err := floats(scores, h.Scores)
	if err != nil {
		return nil, err
	}
	bad := func(output string, t tensor.Tensor, want string) error {
		return &diag.Error{Kind: diag.Unsupported, Node: fmt.Sprintf("output %q", output), Have: t.Type().String(), Want: want}
	}
	bd, sd := boxes.Dims(), scores.Dims()
	if len(bd) < 2 || bd[len(bd)-1] != 4 && (h.Stride == 0 || bd[len(bd)-1] < 4) {
		return nil, bad(h.Boxes, boxes, "[.., A, 4]")
	}
	row := bd[len(bd)-1]
	n := len(bv) / row
	wide := 0 // cells in a row
	if h.Stride > 0 {
		wide = (x.width + h.Stride - 1) / h.Stride
		if want := wide * ((x.height + h.Stride - 1) / h.Stride) * h.Anchors; n != want {
			return nil, bad(h.Boxes, boxes, fmt.Sprintf("%d boxes, %d for each cell of %d x %d pixels", want, h.Anchors, h.Stride, h.Stride))
		}
	}
	if n == 0 {
		return nil, nil
	}
	classes := len(sv) / n
	if len(sv) != n*classes || classes == 0 || len(sd) < 1 || classes > 1 && sd[len(sd)-1] != classes {
		return nil, bad(h.Scores, scores, fmt.Sprintf("[.., %d, classes], a row for each of %q", n, h.Boxes))
	}
	sx, sy := 1.0, 1.0
	if d.Unit == "relative" {
		sx, sy = float64(x.width), float64(x.height)
	}
	var found []Box
	for i := range n {
		s := sv[i*classes : (i+1)*classes]
		activate(d.Activation, s)
		x0, y0, x1, y1 := corners(d.Form, [4]float64(bv[row*i:]))
		x0, y0, x1, y1 = float64(x0*sx), float64(y0*sy), float64(x1*sx), float64(y1*sy)
		if h.Stride > 0 {
			cell := i / h.Anchors
			cx, cy := (float64(cell%wide)+0.5)*float64(h.Stride), (float64(cell/wide)+0.5)*float64(h.Stride)
			x0, y0, x1, y1 = x0+cx, y0+cy, x1+cx, y1+cy
		}
		if sum := x0 + y0 + x1 + y1; math.IsNaN(sum) || math.IsInf(sum, 0) {
			continue
		}
		for k, v := range s {
			if k != d.Background && v >= d.Threshold {
				found = append(found, Box{Class{k, x.label(k), v}, x0, y0, x1, y1})
			}
		}
	}
	return found, nil
}
