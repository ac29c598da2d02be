package mlc

import (
	"log/slog"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/tflite"
	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/passes/bindshape"
	"github.com/mlc-go/mlc/runtime/task"
)

// Option changes how Compile and Load build.
type Option func(*config) error

type config struct {
	o     codegen.Options
	reg   *Registry
	calib data.Dataset // nil: not quantized
	lite  tflite.Options
}

// Opt sets the level: "0", "1", "2" (default), "3".
func Opt(level string) Option { return func(c *config) error { c.o.Level = level; return nil } }

// Target sets the machine: "native" (default), "amd64", "arm64", "generic",
// with features as in "amd64+avx2".
func Target(t string) Option { return func(c *config) error { c.o.Target = t; return nil } }

// Passes replaces the level's pipeline by one such as "clean, canonical, my-pass,
// optimized": names of passes, groups ("repeat(dce,cse)") and stages, which
// `mlc passes` lists in the order of the levels.
func Passes(spec string) Option { return func(c *config) error { c.o.Passes = spec; return nil } }

// Disable switches passes or rules off.
func Disable(names ...string) Option {
	return func(c *config) error { c.o.Off = append(c.o.Off, names...); return nil }
}

// Shape fixes the extents of an input; -1 leaves one open.
func Shape(input string, dims ...int64) Option {
	return func(c *config) error {
		c.o.Bind.Shapes = append(c.o.Bind.Shapes, bindshape.Shape{Param: input, Dims: dims})
		return nil
	}
}

// Dim fixes a symbol, or bounds it where lo < hi.
func Dim(name string, lo, hi int64) Option {
	return func(c *config) error {
		c.o.Bind.Dims = append(c.o.Bind.Dims, bindshape.Dim{Name: name, Lo: lo, Hi: hi})
		return nil
	}
}

// Quantize makes the model one of 8-bit integers first: mode is "int8", static
// ranges found by running all samples of calib, whose fields feed the inputs by
// name.
func Quantize(mode string, calib data.Dataset) Option {
	return func(c *config) error {
		if mode != "int8" {
			return diag.New(diag.Usage, "unknown quantization %q (have int8)", mode)
		}
		if calib == nil || calib.Len() == 0 {
			return diag.New(diag.Usage, "quantization %s needs samples to calibrate on", mode)
		}
		c.calib = calib
		return nil
	}
}

// TFLite says how Export writes TensorFlow Lite: the layout and element type of
// inputs and outputs.
func TFLite(t tflite.Options) Option { return func(c *config) error { c.lite = t; return nil } }

// Task keeps in the model what it does with pictures, for task.Open.
func Task(t task.Task) Option { return func(c *config) error { c.o.Task = &t; return nil } }

// With compiles with operators, kernels and passes of one's own.
func With(r *Registry) Option { return func(c *config) error { c.reg = r; return nil } }

// Log sends what the compiler does to l.
func Log(l *slog.Logger) Option { return func(c *config) error { c.o.Log = l; return nil } }

// OnRemark is told what passes did and could not do.
func OnRemark(f func(Remark)) Option { return func(c *config) error { c.o.OnRemark = f; return nil } }

// OnProgress is told each stage of a build as it begins.
func OnProgress(f func(stage string)) Option {
	return func(c *config) error { c.o.OnProgress = f; return nil }
}

func configure(opts []Option) (*config, error) {
	c := &config{}
	for _, f := range opts {
		if err := f(c); err != nil {
			return nil, err
		}
	}
	if c.reg != nil {
		set, err := c.reg.set()
		if err != nil {
			return nil, err
		}
		c.o.Ops, c.o.Kernels, c.o.ExtraPass = c.reg.ops, set, c.reg.passes
	}
	return c, nil
}
