package program

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/task"
)

// maxPicture bounds the bytes of one picture file.
const maxPicture = 256 << 20

// Picture has a model's task done on a picture file, on a session of the model,
// and tells note where the picture is stretched though nobody asked for it. Errors:
// the file cannot be read (Usage), or is no picture or a damaged one (BadData);
// those of task.Model.Report. All name the file.
func Picture(ctx context.Context, t *task.Model, s *runtime.Session, file string, note func(string)) (*task.Report, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, diag.New(diag.Usage, "%v", err)
	}
	defer f.Close()
	return picture(ctx, t, s, file, f, note)
}

func picture(ctx context.Context, t *task.Model, s *runtime.Session, name string, from io.Reader, note func(string)) (*task.Report, error) {
	p, err := readPicture(ctx, from)
	if err != nil {
		return nil, diag.In(name, diag.BadData, err)
	}
	at := p.Bounds()
	if w, h := t.Size(); !t.Described() && (w != at.Dx() || h != at.Dy()) {
		note(fmt.Sprintf("%s: stretched from %d x %d to the model's %d x %d pixels", name, at.Dx(), at.Dy(), w, h))
	}
	r, err := t.Report(ctx, s, p)
	if err != nil {
		return nil, diag.In(name, diag.BadData, err)
	}
	r.File = name
	return r, nil
}

func readPicture(ctx context.Context, from io.Reader) (image.Image, error) {
	b, err := io.ReadAll(io.LimitReader(from, maxPicture+1)) // a device says nothing of its size
	if err != nil {
		return nil, diag.New(diag.Usage, "%v", err)
	}
	if len(b) > maxPicture {
		return nil, diag.New(diag.Usage, "want a picture file of at most %d bytes", maxPicture)
	}
	return task.DecodeContext(ctx, b, task.MaxPixels)
}

// openTask finds out what the model does with pictures. That it takes none is
// told to who brings one; a description that is wrong is told to everyone.
func (a *app) openTask() error {
	a.task, a.noTask = task.Open(a.model)
	if a.noTask != nil && diag.KindOf(a.noTask) != diag.Unsupported {
		return a.noTask
	}
	return nil
}

// pictures are the picture files among the arguments; "-" where a picture comes
// from standard input. None: the arguments are values of inputs.
func (a *app) pictures(given []string) ([]string, error) {
	var files []string
	for _, s := range given {
		for _, x := range a.model.Inputs() {
			s = strings.TrimPrefix(s, x.Name+"=")
		}
		if slices.Contains([]string{".png", ".jpg", ".jpeg"}, strings.ToLower(filepath.Ext(s))) {
			files = append(files, s)
		}
	}
	switch {
	case len(files) == 0:
		if a.task == nil || !(len(given) == 0 && !a.terminal() || len(given) == 1 && given[0] == "-") {
			return nil, nil
		}
		in := bufio.NewReader(a.in)
		if b, _ := in.Peek(8); task.IsPicture(b) {
			files = []string{"-"}
		}
		a.in = in
		return files, nil
	case len(files) < len(given):
		return nil, diag.New(diag.Usage, "%s: a picture beside other inputs", files[0])
	case a.task == nil:
		return nil, diag.In(files[0], diag.Unsupported, a.noTask)
	case a.to != "":
		return nil, diag.New(diag.Usage, "-o %s: what pictures show is printed, with --json for programs", a.to)
	}
	return files, nil
}

// terminal says that nobody has given anything on standard input.
func (a *app) terminal() bool {
	f, ok := a.in.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// runPictures prints what the pictures show.
func (a *app) runPictures(ctx context.Context, s *runtime.Session, files []string) error {
	t := a.task
	if a.top > 0 {
		t = t.WithTop(a.top)
	}
	note := func(text string) { fmt.Fprintf(a.err, "%s: %s\n", a.name, text) }
	var all []*task.Report
	for _, file := range files {
		var r *task.Report
		var err error
		if file == "-" {
			r, err = picture(ctx, t, s, "-", a.in, note)
		} else {
			r, err = Picture(ctx, t, s, file, note)
		}
		if err != nil {
			return err
		}
		if !a.json {
			r.Print(a.out)
		}
		all = append(all, r)
	}
	if !a.json {
		return nil
	}
	return json.NewEncoder(a.out).Encode(struct {
		Schema   string         `json:"schema"`
		Pictures []*task.Report `json:"pictures"`
	}{"mlc.program/1", all})
}
