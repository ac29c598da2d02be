package codegen

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/mlc-go/mlc/backend"
	"github.com/mlc-go/mlc/backend/target"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/verify"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/bindshape"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
	"github.com/mlc-go/mlc/runtime/artifact"
	"github.com/mlc-go/mlc/runtime/exec"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/all"
	"github.com/mlc-go/mlc/runtime/plan"
	"github.com/mlc-go/mlc/runtime/task"
)

// Version is the compiler's version, part of every recipe.
const Version = "0.1.0-dev"

// Options say how to build. The zero Options build at -O2 for this machine.
// The command's flags mirror the fields.
type Options struct {
	Level  string // "0", "1", "2" (default), "3"
	Target string // see target.Parse; "" is native

	Passes     string   // replaces the level's pipeline
	Off, Only  []string // passes and rules switched off, or the only ones on
	Fuel       int64    // rewrites allowed; 0: any number, negative: none
	Bind       bindshape.Binding
	KeepInputs []string   // initializers that stay inputs
	Task       *task.Task // what the model does with pictures, kept in its metadata; nil: as the model has it
	Stop       string     // stage after which to stop: StageImport, ... ; "" builds all

	Check      bool // compare the meaning before and after each pass
	Shuffle    uint64
	DumpDir    string
	PrintAfter []string
	PrintTo    io.Writer
	CrashDir   string
	Flags      string // for the reproducer of a crash

	Ops        *ir.OpSet    // nil: the built-in table
	Kernels    *kernel.Set  // nil: all kernels
	ExtraPass  []pass.Pass  // passes that Passes may name
	Device     exec.Device  // runs what is compiled for a device, in engines and executors
	Log        *slog.Logger // nil: nothing
	OnRemark   func(rewrite.Remark)
	OnProgress func(stage string) // before each stage
}

// The stages of a build, in order.
const (
	StageImport = "import"
	StagePlan   = "plan"
)

// Stages lists them.
func Stages() []string {
	return []string{StageImport, passes.Canonical, passes.Optimized, StagePlan}
}

// Artifact is a built model.
type Artifact struct {
	module  *ir.Module
	program *plan.Program // nil where the build stopped before
	recipe  artifact.Recipe
	report  *pass.Report
	close   func() error
}

// Module is the module as the last stage that ran left it.
func (a *Artifact) Module() *ir.Module { return a.module }

// Program is the plan, nil where the build stopped before it.
func (a *Artifact) Program() *plan.Program { return a.program }

// Recipe says how the artifact was made.
func (a *Artifact) Recipe() artifact.Recipe { return a.recipe }

// Report says what the passes did.
func (a *Artifact) Report() *pass.Report { return a.report }

// Digest is the same for the same input, options and compiler version.
func (a *Artifact) Digest() string {
	h := sha256.New()
	for _, e := range a.recipe {
		fmt.Fprintf(h, "%q=%q\n", e.Key, e.Value)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Close lets go of the model's file, which constants may still be read from.
func (a *Artifact) Close() error { return a.close() }

// Build compiles a model. Errors have the kinds of their causes: Usage for
// options, BadModel, Unsupported and Shape for models; a panic inside is an
// Internal error.
func Build(ctx context.Context, src Source, o Options) (a *Artifact, err error) {
	defer func() {
		if r := recover(); r != nil {
			a, err = nil, &diag.Error{Kind: diag.Internal, File: src.Name(), Err: fmt.Errorf("%v\n%s", r, debug.Stack())}
		}
	}()
	level, err := parseLevel(o.Level)
	if err != nil {
		return nil, err
	}
	if o.Target == "" {
		o.Target = "native"
	}
	t, err := target.Parse(o.Target)
	if err != nil {
		return nil, err
	}
	if o.Stop != "" && !slices.Contains(Stages(), o.Stop) {
		return nil, diag.New(diag.Usage, "no stage %q (have %s)", o.Stop, strings.Join(Stages(), ", "))
	}
	if o.Ops == nil {
		o.Ops = op.Builtin()
	}
	if o.Kernels == nil {
		o.Kernels = all.Set()
	}
	o.progress(StageImport)
	l, err := src.load(ctx, o.Ops, o.KeepInputs)
	if err != nil {
		return nil, err
	}
	a = &Artifact{module: l.module, close: l.close, recipe: o.recipe(l.digest, level, t)}
	if err := o.setTask(a); err != nil {
		l.close()
		return nil, err
	}
	if err := o.compile(ctx, a, level, t); err != nil {
		l.close()
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil, ctx.Err()
		}
		return nil, diag.In(src.Name(), diag.Internal, err)
	}
	return a, nil
}

// setTask puts the task into the metadata of the module, and its digest into
// the recipe.
func (o *Options) setTask(a *Artifact) error {
	if o.Task == nil {
		return nil
	}
	if err := o.Task.Check(); err != nil {
		return err
	}
	b, err := o.Task.JSON()
	if err != nil {
		return diag.New(diag.BadData, "the task: %v", err)
	}
	m := a.module
	m.Meta = append(slices.DeleteFunc(m.Meta, func(e ir.Meta) bool { return e.Key == task.Key }), ir.Meta{Key: task.Key, Value: string(b)})
	a.recipe = append(a.recipe, artifact.Entry{Key: "task-sha256", Value: digestOf(b)})
	return nil
}

func (o *Options) progress(stage string) {
	if o.OnProgress != nil {
		o.OnProgress(stage)
	}
}

func parseLevel(s string) (int, error) {
	switch s {
	case "0", "1", "2", "3":
		return int(s[0] - '0'), nil
	case "":
		return 2, nil
	}
	return 0, diag.New(diag.Usage, "-O%s: unknown level (have 0, 1, 2, 3)", s)
}

func (o *Options) compile(ctx context.Context, a *Artifact, level int, t target.Target) error {
	if o.Stop == StageImport {
		if err := verify.Module(a.module); err != nil {
			return err
		}
		return bindshape.Bind(a.module, o.Bind)
	}
	o.progress(passes.Optimized)
	po := passes.Options{
		Options: rewrite.Options{Level: level, Fuel: o.Fuel, Off: o.Off, Only: o.Only},
		Ops:     o.Ops, Target: t.String(), Exec: eval.New(), Log: o.Log, OnRemark: o.OnRemark,
		Spec: o.Passes, Extra: o.ExtraPass, Bind: o.Bind,
		Check: o.Check, Shuffle: o.Shuffle, DumpDir: o.DumpDir,
		PrintAfter: o.PrintAfter, PrintTo: o.PrintTo, CrashDir: o.CrashDir, Flags: o.Flags,
	}
	if o.Stop == passes.Canonical {
		po.To = o.Stop
	}
	rep, err := passes.Run(ctx, a.module, po)
	a.report = rep
	if err != nil {
		return err
	}
	if o.Stop == passes.Canonical || o.Stop == passes.Optimized {
		return nil
	}
	o.progress(StagePlan)
	a.program, err = o.lower(ctx, a.module, t)
	return err
}

func (o *Options) lower(ctx context.Context, m *ir.Module, t target.Target) (*plan.Program, error) {
	p, err := backend.Lower(ctx, m, backend.Options{Target: t, Set: o.Kernels, Remark: func(node, msg string) {
		if o.OnRemark != nil {
			o.OnRemark(rewrite.Remark{Kind: rewrite.Missed, Pass: "select-kernels", Node: node, Msg: msg})
		}
	}})
	if err != nil {
		return nil, err
	}
	if err := plan.Verify(p); err != nil {
		return nil, diag.New(diag.Internal, "lowering made a plan that does not hold: %v", err)
	}
	return p, nil
}

// recipe lists everything that the result depends on.
func (o *Options) recipe(digest string, level int, t target.Target) artifact.Recipe {
	r := artifact.Recipe{
		{Key: "compiler", Value: "mlc " + Version},
		{Key: "input-sha256", Value: digest},
		{Key: "target", Value: t.String()},
		{Key: "level", Value: fmt.Sprint(level)},
	}
	add := func(k, v string) {
		if v != "" {
			r = append(r, artifact.Entry{Key: k, Value: v})
		}
	}
	add("passes", o.Passes)
	add("off", strings.Join(o.Off, ","))
	add("only", strings.Join(o.Only, ","))
	if o.Fuel != 0 {
		add("fuel", fmt.Sprint(o.Fuel))
	}
	for _, d := range o.Bind.Dims {
		add("dim", fmt.Sprintf("%s=%d..%d", d.Name, d.Lo, d.Hi))
	}
	for _, s := range o.Bind.Shapes {
		add("shape", fmt.Sprintf("%s=%v", s.Param, s.Dims))
	}
	add("keep-input", strings.Join(o.KeepInputs, ","))
	return r
}
