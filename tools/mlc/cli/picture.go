package cli

import (
	"context"
	"fmt"
	"image"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/task"
)

// maxPictureBytes bounds one picture file.
const maxPictureBytes = 256 << 20

func registerTask(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "task", "", "what the model does with pictures, from `FILE.json` (docs/tasks.md); kept in the metadata of what is built")
}

// readTask reads a description of a task; "" is none.
func readTask(file string) (*task.Task, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, usage("--task: %v", err)
	}
	t, err := task.Parse(b)
	if err != nil {
		return nil, diag.In(file, diag.BadData, err)
	}
	return &t, nil
}

// pictureFlags say how to run pictures.
type pictureFlags struct {
	task    *task.Task // instead of the model's; nil: that
	top     int        // 0: as the task has it
	threads int
	saved   *buildSummary
}

// pictureReport is one picture of `mlc run`.
type pictureReport struct {
	File    string       `json:"file"`
	Width   int          `json:"width"`
	Height  int          `json:"height"`
	Seconds float64      `json:"seconds"`
	Classes []classFound `json:"classes,omitzero"` // of a task that classifies
	Boxes   []boxFound   `json:"boxes,omitzero"`   // of one that detects; empty: nothing found
}

type classFound struct {
	Index int    `json:"index"`
	Label string `json:"label,omitempty"`
	Score number `json:"score"`
}

type boxFound struct {
	classFound
	Box [4]float64 `json:"box"` // x0, y0, x1, y1
}

func (a *app) runPictures(ctx context.Context, m *runtime.Model, files []string, f pictureFlags) error {
	if f.threads != 1 {
		return usage("--threads %d: pictures are run on one thread", f.threads)
	}
	t, described, err := openTask(m, f)
	if err != nil {
		return err
	}
	var all []pictureReport
	for _, file := range files {
		r, err := a.runPicture(ctx, t, described, file)
		if err != nil {
			return diag.In(file, diag.BadData, err)
		}
		if !a.json {
			r.print(a)
		}
		all = append(all, *r)
	}
	if a.json {
		v := map[string]any{"pictures": all}
		if f.saved != nil {
			v["artifact"] = f.saved
		}
		return a.emit("run/1", v)
	}
	if f.saved != nil && !a.quiet {
		fmt.Fprintln(a.out, f.saved.line())
	}
	return nil
}

// openTask takes the task of the flags, else the model's, with --top in it, and
// says whether it was described at all.
func openTask(m *runtime.Model, f pictureFlags) (*task.Model, bool, error) {
	var x *task.Model
	var err error
	if f.task != nil {
		x, err = task.New(m, *f.task)
	} else {
		x, err = task.Open(m)
	}
	if err != nil || f.top <= 0 {
		return x, err == nil && x.Described(), err
	}
	described := x.Described()
	t := x.Task()
	if t.Detect != nil {
		d := *t.Detect
		d.Top, t.Detect = f.top, &d
	} else {
		c := *t.Classify
		c.Top, t.Classify = f.top, &c
	}
	x, err = task.New(m, t)
	return x, described, err
}

func readPicture(file string) (image.Image, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, usage("%v", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPictureBytes+1)) // a device says nothing of its size
	if err != nil {
		return nil, usage("%v", err)
	}
	if len(b) > maxPictureBytes {
		return nil, usage("want a picture file of at most %d bytes", maxPictureBytes)
	}
	return task.Decode(b)
}

func (a *app) runPicture(ctx context.Context, t *task.Model, described bool, file string) (*pictureReport, error) {
	p, err := readPicture(file)
	if err != nil {
		return nil, err
	}
	r := &pictureReport{File: file, Width: p.Bounds().Dx(), Height: p.Bounds().Dy()}
	if w, h := t.Size(); !described && (w != r.Width || h != r.Height) && !a.quiet {
		fmt.Fprintf(a.err, "mlc: %s: stretched from %d x %d to the model's %d x %d pixels\n", file, r.Width, r.Height, w, h)
	}
	t0 := time.Now()
	if t.Task().Detect == nil {
		found, err := t.Classify(ctx, p)
		r.Seconds = time.Since(t0).Seconds()
		for _, c := range found {
			r.Classes = append(r.Classes, classFound{c.Index, c.Label, number(c.Score)})
		}
		return r, err
	}
	found, err := t.Detect(ctx, p)
	r.Seconds = time.Since(t0).Seconds()
	r.Boxes = []boxFound{}
	for _, b := range found {
		r.Boxes = append(r.Boxes, boxFound{classFound{b.Index, b.Label, number(b.Score)}, [4]float64{b.X0, b.Y0, b.X1, b.Y1}})
	}
	return r, err
}

func (r *pictureReport) print(a *app) {
	fmt.Fprintf(a.out, "%s: %d x %d", r.File, r.Width, r.Height)
	if r.Boxes != nil {
		fmt.Fprintf(a.out, ", %d found", len(r.Boxes))
	}
	fmt.Fprintln(a.out)
	line := func(c *classFound) string {
		s := fmt.Sprintf("%8d  %.6g", c.Index, float64(c.Score))
		if c.Label != "" {
			s = fmt.Sprintf("%-20s  %s", s, c.Label)
		}
		return s
	}
	for i := range r.Classes {
		fmt.Fprintln(a.out, line(&r.Classes[i]))
	}
	for i := range r.Boxes {
		b := &r.Boxes[i]
		fmt.Fprintf(a.out, "%s  %.1f,%.1f to %.1f,%.1f\n", line(&b.classFound), b.Box[0], b.Box[1], b.Box[2], b.Box[3])
	}
}
