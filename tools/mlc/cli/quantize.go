package cli

import (
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/codegen/onnx"
	"github.com/mlc-go/mlc/passes/quant"
)

// quantFlags are the flags of commands that quantize.
type quantFlags struct {
	calib, method, activations string
	keep                       []string
	batch, samples, threads    int
}

func (f *quantFlags) register(s *pflag.FlagSet) {
	s.StringVar(&f.calib, "calib", "", "calibrate on `DATA`: "+calibForms)
	s.StringVar(&f.method, "method", "minmax", "how ranges are `found`: minmax, percentile:99.99")
	s.StringVar(&f.activations, "activation-type", "u8", "`type` of activations: u8, i8")
	s.StringArrayVar(&f.keep, "keep", nil, "leave the node `NAME` float")
	s.IntVar(&f.samples, "calib-samples", 0, "calibrate on `N` of the samples: the first of folders and npz files, else evenly spread; 0: all")
	s.IntVar(&f.batch, "calib-batch", 16, "`samples` a run, where the model leaves the batch open")
}

// options makes the options of codegen.Quantize.
func (f *quantFlags) options(a *app, o codegen.Options, report bool) (codegen.QuantizeOptions, error) {
	q := codegen.QuantizeOptions{Options: o, Config: quant.Config{Method: f.method, Keep: f.keep}, Threads: f.threads}
	switch f.activations {
	case "u8":
	case "i8":
		q.Config.Signed = true
	default:
		return q, usage("--activation-type=%s: unknown type (have u8, i8)", f.activations)
	}
	if f.calib == "" {
		return q, usage("static quantization needs --calib DATA (%s)", calibForms)
	}
	if f.batch < 1 {
		return q, usage("--calib-batch=%d: want 1 or more", f.batch)
	}
	if f.samples < 0 {
		return q, usage("--calib-samples=%d: want 0 (all) or more", f.samples)
	}
	q.Samples = func(in []conform.Port) (quant.Samples, error) {
		return a.counted("calibrating", f.calib, in, f.batch, f.samples)
	}
	if report {
		n := compared
		if f.samples > 0 {
			n = min(n, f.samples)
		}
		q.Compare = func(in []conform.Port) (quant.Samples, error) {
			return a.counted("comparing", f.calib, in, f.batch, n)
		}
	}
	return q, nil
}

// compared is how many samples a report looks at.
const compared = 64

func (a *app) quantize() *cobra.Command {
	var f quantFlags
	var out, report string
	var opset int
	var dims, shapes []string
	c := &cobra.Command{
		Use:   "quantize MODEL -o OUT --calib DATA",
		Short: "Quantize a model to static 8-bit integers (QuantizeLinear and DequantizeLinear)",
		Args:  cobra.ExactArgs(1),
	}
	f.register(c.Flags())
	c.Flags().StringVarP(&out, "output", "o", "", "write to `OUT`: .onnx, .mir, .mlc or .tflite by its suffix; - is standard output, as ONNX")
	c.Flags().StringVar(&report, "report", "", "write how values differ, as JSON or HTML by its suffix, to `FILE`")
	c.Flags().IntVar(&opset, "opset", onnx.DefaultOpset, "`opset` of an ONNX export")
	c.Flags().IntVar(&f.threads, "threads", 1, "`threads` of the runs over samples")
	c.Flags().StringArrayVar(&dims, "dim", nil, "bind a symbol: `N=1` or N=1..8")
	c.Flags().StringArrayVar(&shapes, "shape", nil, "bind an input's extents: `NAME=1,3,224,224`")
	c.RunE = func(c *cobra.Command, args []string) error {
		t0 := time.Now()
		if out == "" {
			return usage("quantize needs -o OUT")
		}
		kind, err := emitKind("", out)
		if err != nil {
			return err
		}
		if kind == "mlc" && filepath.Ext(out) != ".mlc" {
			kind = "onnx"
		}
		var page func(io.Writer, *quant.Report) error
		switch ext := filepath.Ext(report); ext {
		case ".json":
			page = func(w io.Writer, r *quant.Report) error { return r.JSON(w) }
		case ".html":
			page = func(w io.Writer, r *quant.Report) error { return r.HTML(w) }
		default:
			if report != "" {
				return usage("--report=%s: want a name ending in .json or .html", report)
			}
		}
		for _, w := range []struct{ flag, path string }{{"-o", out}, {"--report", report}} {
			if err := hasFolder(w.flag, w.path); err != nil {
				return err
			}
			if err := notOver(w.flag, w.path, args[0]); err != nil {
				return err
			}
		}
		o := a.options()
		if err := bindFlags(&o, dims, shapes); err != nil {
			return err
		}
		qo, err := f.options(a, o, true)
		if err != nil {
			return err
		}
		src, err := a.source(args[0])
		if err != nil {
			return err
		}
		q, err := codegen.Quantize(c.Context(), src, qo)
		if err != nil {
			return err
		}
		defer q.Close()
		size, err := a.write(out, func(w io.WriteSeeker) error { return a.emitModule(c, w, q.Module, kind, opset, a.options()) })
		if err != nil {
			return err
		}
		if report != "" {
			if _, err := atomicWrite(report, func(w io.WriteSeeker) error { return page(w, q.Report) }); err != nil {
				return err
			}
		}
		if out == "-" {
			return nil
		}
		return a.quantized(q.Report, out, kind, size, time.Since(t0))
	}
	return c
}

// quantized prints the summary, the worst values first in mind.
func (a *app) quantized(r *quant.Report, out, kind string, size int64, took time.Duration) error {
	worst := 0
	for i, l := range r.Layers {
		if l.SQNR < r.Layers[worst].SQNR {
			worst = i
		}
	}
	l := r.Layers[worst]
	if a.json {
		return a.emit("quantize/1", map[string]any{"output": out, "kind": kind, "bytes": size, "values": len(r.Layers), "seconds": took.Seconds(), "report": r})
	}
	if !a.quiet {
		_, err := io.WriteString(a.out, quantLine(out, size, len(r.Layers), l, took)+"\n")
		return err
	}
	return nil
}

// maybeQuantized is the model named, quantized first where mode says so; of o
// it takes out what quantization has done.
func (a *app) maybeQuantized(c *cobra.Command, model string, o *codegen.Options, mode string, f *quantFlags) (src codegen.Source, done func() error, err error) {
	done = func() error { return nil }
	if src, err = a.source(model); err != nil {
		return src, done, err
	}
	switch mode {
	case "":
		own := pflag.NewFlagSet("quantize", pflag.ContinueOnError)
		(&quantFlags{}).register(own)
		own.VisitAll(func(x *pflag.Flag) {
			if typed(c.Flags(), x.Name) && err == nil {
				err = usage("--%s goes with --quantize int8", x.Name)
			}
		})
		return src, done, err
	case "int8":
	default:
		return src, done, usage("--quantize=%s: unknown way (have int8)", mode)
	}
	f.threads = 1
	qo, err := f.options(a, *o, false)
	if err != nil {
		return src, done, err
	}
	q, err := codegen.Quantize(c.Context(), src, qo)
	if err != nil {
		return src, done, err
	}
	o.Bind, o.KeepInputs = codegen.Options{}.Bind, nil // done already
	return codegen.Graph(q.Module), q.Close, nil
}
