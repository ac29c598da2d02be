package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"time"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/passes/bindshape"
	"github.com/mlc-go/mlc/runtime"
)

// net is a step as it was measured.
type net struct {
	Step         string
	ONNX, TFLite int64   // bytes
	MACs         int64   // for a picture
	Top1         float64 // share of the test pictures
	Micros       float64 // for a picture, one thread, our runtime
}

// check is what check.py found of one file.
type check struct {
	Artifact, Runtime, Step, Skipped string
	OK                               bool
	Samples, Compared                int
	Top1, Us, Difference             float64
	Same                             float64 `json:"same_class"`
}

// report is what the page shows.
type report struct {
	Pictures int
	Machine  string
	Nets     []net
	Served   []served         // nil: no server was asked yet
	Checks   []check          // nil: check.py did not run yet
	Bytes    map[string]int64 // of what is shipped
}

// measure scores and times the nets and reads what check.py found.
func (c *chain) measure(ctx context.Context) (*report, error) {
	r := &report{Pictures: c.test.Len(), Machine: goruntime.GOOS + "/" + goruntime.GOARCH, Bytes: map[string]int64{}}
	for _, step := range steps {
		n := net{Step: step}
		var err error
		if n.ONNX, err = size(c.path(step + ".onnx")); err != nil {
			return nil, err
		}
		if n.TFLite, err = size(c.path(step + ".tflite")); err != nil {
			return nil, err
		}
		if n.Top1, err = c.score(ctx, step); err != nil {
			return nil, err
		}
		r.Nets = append(r.Nets, n)
	}
	if err := c.time(ctx, r.Nets); err != nil {
		return nil, err
	}
	var err error
	for _, name := range []string{"classify-arm64", "app/classifier"} {
		if r.Bytes[name], err = size(c.path(name)); err != nil {
			return nil, err
		}
	}
	var asked servedFile
	if err := c.read("served.json", &asked); err != nil {
		return nil, err
	}
	for i, v := range asked.Nets {
		if n := r.Nets[i]; v.Top1 != n.Top1 || v.PictureTop1 != n.Top1 {
			return nil, fmt.Errorf("%s: the server has %.2f %% of tensors and %.2f %% of picture files right, the runtime %.2f %%", v.Net, 100*v.Top1, 100*v.PictureTop1, 100*n.Top1)
		}
	}
	r.Served = asked.Nets
	var found struct{ Checks []check }
	if err := c.read("checks.json", &found); err != nil {
		return nil, err
	}
	r.Checks = found.Checks
	return r, nil
}

// read reads a report of a step that may not have run.
func (c *chain) read(name string, to any) error {
	b, err := os.ReadFile(c.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}

// size is the bytes of a file, or of all files of a folder.
func size(path string) (n int64, err error) {
	err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		i, err := d.Info()
		if err == nil {
			n += i.Size()
		}
		return err
	})
	return n, err
}

// compiled is the net of a step, ready to run.
func (c *chain) compiled(ctx context.Context, step string, o codegen.Options) (m *runtime.Model, macs int64, err error) {
	art, err := c.load(ctx, step, o)
	if err != nil {
		return nil, 0, err
	}
	defer art.Close()
	for _, f := range art.Program().Funcs {
		for i := range f.Body {
			macs += f.Body[i].MACs
		}
	}
	b, err := art.Bytes()
	if err != nil {
		return nil, 0, err
	}
	m, err = runtime.Decode(b)
	return m, macs, err
}

// score is the share of the test pictures that a net gets right.
func (c *chain) score(ctx context.Context, step string) (float64, error) {
	m, _, err := c.compiled(ctx, step, codegen.Options{})
	if err != nil {
		return 0, err
	}
	defer m.Close()
	s, err := m.NewSession()
	if err != nil {
		return 0, err
	}
	defer s.Close()
	at, err := data.Target(c.test)
	if err != nil {
		return 0, err
	}
	sc, err := data.NewScorer([]string{"top1"}, c.test.Fields()[at])
	if err != nil {
		return 0, err
	}
	l, err := data.NewLoader(c.test, data.LoaderOptions{Batch: 64})
	if err != nil {
		return 0, err
	}
	image := data.Index(c.test, "image")
	for b, err := range l.Epoch(ctx, 0, 0) {
		if err != nil {
			return 0, err
		}
		if err := s.Bind(m.Inputs()[0].Name, b.Tensors[image]); err != nil {
			return 0, err
		}
		if err := s.Run(ctx); err != nil {
			return 0, err
		}
		y, err := s.Output(m.Outputs()[0].Name)
		if err != nil {
			return 0, err
		}
		if err := sc.Add(y, b.Tensors[at]); err != nil {
			return 0, err
		}
	}
	return sc.Scores()[0].Value, nil
}

// time runs the nets by turns on the first picture, one thread, and takes the
// median.
func (c *chain) time(ctx context.Context, nets []net) error {
	x, err := data.Read(c.test, 0)
	if err != nil {
		return err
	}
	took := make([][]time.Duration, len(nets))
	sessions := make([]*runtime.Session, len(nets))
	for i := range nets {
		m, macs, err := c.compiled(ctx, nets[i].Step, codegen.Options{Bind: bindshape.Binding{Dims: []bindshape.Dim{{Name: "N", Lo: 1, Hi: 1}}}})
		if err != nil {
			return err
		}
		defer m.Close()
		nets[i].MACs = macs
		if sessions[i], err = m.NewSession(); err != nil {
			return err
		}
		defer sessions[i].Close()
		if err := sessions[i].Bind(m.Inputs()[0].Name, x[data.Index(c.test, "image")]); err != nil {
			return err
		}
	}
	for turn := range 21 {
		for i, s := range sessions {
			for range 50 {
				t0 := time.Now()
				if err := s.Run(ctx); err != nil {
					return err
				}
				if turn > 0 { // the first warms up
					took[i] = append(took[i], time.Since(t0))
				}
			}
		}
	}
	for i := range nets {
		slices.Sort(took[i])
		nets[i].Micros = float64(took[i][len(took[i])/2].Nanoseconds()) / 1e3
	}
	return nil
}
