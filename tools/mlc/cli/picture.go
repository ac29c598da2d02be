package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/program"
	"github.com/mlc-go/mlc/runtime/task"
)

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

func (a *app) runPictures(ctx context.Context, m *runtime.Model, files []string, f pictureFlags) error {
	t, err := openTask(m, f)
	if err != nil {
		return err
	}
	s, err := m.NewSession(runtime.Threads(f.threads))
	if err != nil {
		return err
	}
	defer s.Close()
	note := func(text string) {
		if !a.quiet {
			fmt.Fprintf(a.err, "mlc: %s\n", text)
		}
	}
	var all []*task.Report
	for _, file := range files {
		r, err := program.Picture(ctx, t, s, file, note)
		if err != nil {
			return err
		}
		if !a.json {
			r.Print(a.out)
		}
		all = append(all, r)
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

// noValues refuses what stands in the place of pictures and is a file of a value:
// it goes to an input.
func noValues(m *runtime.Model, files []string) error {
	for _, f := range files {
		if in := m.Inputs(); len(in) > 0 && (program.IsFile(f) || strings.ToLower(filepath.Ext(f)) == ".npz") {
			return usage("%s: is no picture; values are given by name, as by -i %s=%s", f, in[0].Name, f)
		}
	}
	return nil
}

// openTask takes the task of the flags, else the model's, with --top in it.
func openTask(m *runtime.Model, f pictureFlags) (x *task.Model, err error) {
	if f.task != nil {
		x, err = task.New(m, *f.task)
	} else {
		x, err = task.Open(m)
	}
	if err == nil && f.top > 0 {
		x = x.WithTop(f.top)
	}
	return x, err
}
