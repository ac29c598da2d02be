package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/plan"
)

// pipeline is one --pipeline NAME=SPEC.
type pipeline struct {
	name, spec  string
	level       string // "" where passes are given
	passes      string
	target      string
	off, only   []string
	fuel        int64
	fuelLimited bool
}

// parsePipeline reads NAME=SPEC. SPEC is a level, O0 to O3, with options in
// braces (off=NAME and only=NAME, any number of them, target=T, fuel=N), or a
// list of passes with their own options as --passes takes it.
func (a *app) parsePipeline(s string) (*pipeline, error) {
	name, spec, ok := strings.Cut(s, "=")
	if !ok || name == "" || spec == "" || strings.ContainsAny(name, "{}(),") {
		return nil, usage("--pipeline %s: want NAME=SPEC, such as fast=O2, plain=O2{off=fuse-eltwise} or mine=fold,cse,dce", s)
	}
	p := &pipeline{name: name, spec: spec}
	head, opts, braces := strings.Cut(spec, "{")
	level, isLevel := strings.CutPrefix(head, "O")
	if !isLevel || strings.ContainsAny(head, ",(") {
		p.passes = spec
		return p, nil
	}
	if !slices.Contains(levels, level) {
		return nil, usage("--pipeline %s: unknown level %s (have O%s)", s, head, strings.Join(levels, ", O"))
	}
	p.level = level
	if !braces {
		return p, nil
	}
	opts, closed := strings.CutSuffix(opts, "}")
	if !closed {
		return nil, usage("--pipeline %s: want } at the end", s)
	}
	for _, o := range strings.Split(opts, ",") {
		if err := a.pipelineOption(p, o); err != nil {
			return nil, usage("--pipeline %s: %v", s, err)
		}
	}
	return p, nil
}

func (a *app) pipelineOption(p *pipeline, o string) error {
	key, val, _ := strings.Cut(o, "=")
	switch key {
	case "off", "only":
		if err := a.knownPass(key, val, true); err != nil {
			return err
		}
		if key == "off" {
			p.off = append(p.off, val)
		} else {
			p.only = append(p.only, val)
		}
	case "target":
		p.target = val
	case "fuel":
		n, err := strconv.ParseInt(val, 10, 64)
		if err != nil || n < 0 {
			return usage("fuel=%s: want a number of rewrites", val)
		}
		p.fuel, p.fuelLimited = n, true
	default:
		return usage("unknown option %q (have off, only, target, fuel)", key)
	}
	return nil
}

// apply changes the options of a build as the pipeline says.
func (p *pipeline) apply(o *codegen.Options) {
	if p.passes != "" {
		o.Passes = p.passes
		return
	}
	o.Level = p.level
	o.Off, o.Only = append(slices.Clone(o.Off), p.off...), append(slices.Clone(o.Only), p.only...)
	if p.target != "" {
		o.Target = p.target
	}
	if p.fuelLimited {
		if o.Fuel = p.fuel; p.fuel == 0 {
			o.Fuel = -1
		}
	}
}

// benchBuild is a model compiled by one pipeline.
type benchBuild struct {
	path, pipeline, spec string
	bytes                []byte // nil of a file that was compiled before
	size                 int64
	load                 float64
	model                *runtime.Model
}

func (b *benchBuild) label() string {
	if b.pipeline == "" {
		return b.path
	}
	return b.path + " " + b.pipeline
}

// benchBuilds compiles every model by every pipeline; those that it made are
// given beside an error too.
func (a *app) benchBuilds(c *cobra.Command, models []string, f *benchFlags) ([]*benchBuild, error) {
	list := []*pipeline{nil}
	if len(f.pipelines) > 0 {
		list = nil
	}
	for _, s := range f.pipelines {
		p, err := a.parsePipeline(s)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(list, func(q *pipeline) bool { return q.name == p.name }) {
			return nil, usage("--pipeline %s: the name %s is taken", s, p.name)
		}
		list = append(list, p)
	}
	var out []*benchBuild
	for _, m := range models {
		for _, p := range list {
			b, err := a.benchBuild(c, m, p, f)
			if err != nil {
				return out, err
			}
			out = append(out, b)
		}
	}
	return out, nil
}

func (a *app) benchBuild(c *cobra.Command, path string, p *pipeline, f *benchFlags) (*benchBuild, error) {
	o := a.options()
	if err := f.fill(c, a, &o); err != nil {
		return nil, err
	}
	b := &benchBuild{path: filepath.ToSlash(path), pipeline: "O" + f.level}
	if f.passes != "" {
		b.pipeline = f.passes
	}
	t0 := time.Now()
	if isArtifactFile(path) {
		if p != nil {
			return nil, usage("--pipeline %s: %s is compiled already", p.name, path)
		}
		st, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		b.size, b.pipeline = st.Size(), ""
		b.model, err = runtime.Open(path, a.open()...)
		b.load = ms(time.Since(t0))
		return b, err
	}
	if p != nil {
		b.pipeline, b.spec = p.name, p.spec
		p.apply(&o)
	}
	art, err := a.built(c.Context(), path, o)
	if err != nil {
		return nil, err
	}
	defer art.Close()
	if b.bytes, err = art.Bytes(); err != nil {
		return nil, err
	}
	b.size = int64(len(b.bytes))
	b.model, err = runtime.Decode(b.bytes, a.open()...)
	b.load = ms(time.Since(t0))
	return b, err
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// benchSubject is a build under measurement at one batch size: as many
// sessions as shall run at the same time.
type benchSubject struct {
	benchResult
	b        *benchBuild
	own      *runtime.Model // the sessions' model where it is not b's
	in       []tensor.Value
	threads  int
	opening  []runtime.Option
	sessions []*runtime.Session
}

// maxMoved is the size of artifact that is moved in memory between blocks.
const maxMoved = 64 << 20

// benchSubject makes the sessions and runs each once.
func (a *app) benchSubject(ctx context.Context, b *benchBuild, batch int, data *benchData, f *benchFlags) (*benchSubject, error) {
	x := &benchSubject{b: b, threads: f.threads, opening: a.open(), benchResult: benchResult{
		Model: b.path, Pipeline: b.pipeline, Spec: b.spec, Threads: f.threads, Batch: batch, Concurrency: f.concurrency,
		Load: b.load, Artifact: b.size, Consts: programStats(b.model.Artifact().Program, a.reg.Kernels).consts,
	}}
	dims, err := batchDims(b, batch, f)
	if err != nil {
		return nil, err
	}
	if data != nil {
		x.in, err = data.first(b, batch)
	} else {
		x.in, err = a.inputs(b.model, nil, true, f.seed, dims)
	}
	if err != nil {
		return nil, err
	}
	x.Arena = arenaOf(b.model.Artifact().Program, dims) * int64(f.concurrency)
	x.sessions = make([]*runtime.Session, f.concurrency)
	if err := x.open(b.model); err != nil {
		return x, err
	}
	t0 := time.Now()
	if err := x.run(ctx, 0); err != nil {
		return x, err
	}
	x.First = ms(time.Since(t0))
	for w := 1; w < f.concurrency; w++ {
		if err := x.run(ctx, w); err != nil {
			return x, err
		}
	}
	return x, nil
}

// batchDims binds the symbols of first axes to the batch size, and others as
// --dim says.
func batchDims(b *benchBuild, batch int, f *benchFlags) (map[string]int64, error) {
	dims, err := dimValues(f.dims)
	if err != nil {
		return nil, err
	}
	open := false
	for _, in := range b.model.Inputs() {
		if in.Type.Ranked() && len(in.Type.Dims) > 0 {
			if name, ok := in.Type.Dims[0].Symbol(); ok {
				open = true
				if dims[name] == 0 {
					dims[name] = int64(batch)
				}
			}
		}
	}
	if batch != 1 && !open {
		return nil, usage("--batch %d: no input of %s has an open first axis", batch, b.path)
	}
	return dims, nil
}

// arenaOf is the memory of intermediate values where symbols have the values
// of dims, else their lower bounds, at least 1; 0 where it depends on the data.
func arenaOf(p *plan.Program, dims map[string]int64) int64 {
	env := func(name string) (int64, bool) {
		if v, ok := dims[name]; ok {
			return v, true
		}
		for _, s := range p.Syms {
			if s.Name == name {
				return max(1, s.Lo), true
			}
		}
		return 0, false
	}
	total := int64(0)
	for _, f := range p.Funcs {
		fr, err := plan.Layout(f, env)
		if err != nil {
			return 0
		}
		total += int64(fr.Size)
	}
	return total
}

// open makes the sessions on m.
func (x *benchSubject) open(m *runtime.Model) error {
	for i := range x.sessions {
		s, err := m.NewSession(runtime.Threads(x.threads))
		if err != nil {
			return err
		}
		x.sessions[i] = s
		for k, in := range m.Inputs() {
			if err := s.BindValue(in.Name, x.in[k]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *benchSubject) run(ctx context.Context, worker int) error { return x.sessions[worker].Run(ctx) }

// renew gives intermediate values, and constants unless they are huge, other
// addresses.
func (x *benchSubject) renew(context.Context) error {
	x.close()
	m := x.b.model
	if x.b.bytes != nil && len(x.b.bytes) <= maxMoved {
		var err error
		if m, err = runtime.Decode(slices.Clone(x.b.bytes), x.opening...); err != nil {
			return err
		}
		x.own = m
	}
	return x.open(m)
}

func (x *benchSubject) close() {
	for i, s := range x.sessions {
		if s != nil {
			s.Close()
			x.sessions[i] = nil
		}
	}
	if x.own != nil {
		x.own.Close()
		x.own = nil
	}
}
