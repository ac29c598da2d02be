package mlc

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/calib"
	"github.com/mlc-go/mlc/codegen/emit"
	"github.com/mlc-go/mlc/codegen/gosrc"
	"github.com/mlc-go/mlc/codegen/tflite"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/passes/bindshape"
	"github.com/mlc-go/mlc/passes/pass"
)

// Artifact is a compiled model that can be written out.
type Artifact struct {
	a     *codegen.Artifact
	src   Source // of the build: the model, or what Quantize made of it
	o     codegen.Options
	lite  tflite.Options
	close func() error // of src
}

// Compile builds a model. Errors are *diag.Error with the kind of their cause.
func Compile(ctx context.Context, s Source, opts ...Option) (*Artifact, error) {
	c, err := configure(opts)
	if err != nil {
		return nil, err
	}
	return c.compile(ctx, s)
}

func (c *config) compile(ctx context.Context, s Source) (*Artifact, error) {
	a := &Artifact{src: s, o: c.o, lite: c.lite, close: func() error { return nil }}
	if c.calib != nil {
		q, err := codegen.Quantize(ctx, s, codegen.QuantizeOptions{Options: c.o, Threads: 1, Samples: calib.Dataset(c.calib, calibBatch, 0)})
		if err != nil {
			return nil, err
		}
		a.src, a.close = codegen.Graph(q.Module), q.Close
		a.o.Bind, a.o.KeepInputs = bindshape.Binding{}, nil // done already
	}
	var err error
	if a.a, err = codegen.Build(ctx, a.src, a.o); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// calibBatch is how many samples a run of calibration takes where the model
// leaves it open.
const calibBatch = 16

// Module is the optimized module.
func (a *Artifact) Module() *ir.Module { return a.a.Module() }

// Digest is the same for the same input, options and compiler version.
func (a *Artifact) Digest() string { return a.a.Digest() }

// Report says what each pass did.
func (a *Artifact) Report() *pass.Report { return a.a.Report() }

// Export writes the model as "mlc", "onnx", "mir", "tflite" or "exe". TensorFlow
// Lite cannot say all that kernels can: for it the passes run again on the
// model, which must be what it was (BadModel). An executable is for the target's
// system, linux on amd64 or arm64; an mlc that was not released with their stubs
// builds one with the go command, and keeps it in the user's cache folder.
func (a *Artifact) Export(ctx context.Context, w io.Writer, format string) error {
	art := a.a
	if format == emit.TFLite {
		again, err := a.again(ctx, format)
		if err != nil {
			return err
		}
		defer again.Close()
		art = again
	}
	o := emit.Options{Target: a.o.Target, TFLite: a.lite}
	if dir, err := os.UserCacheDir(); err == nil { // else a stub is built anew
		o.Stubs.Cache = filepath.Join(dir, "mlc", "stubs")
	}
	_, err := emit.Write(ctx, w, art, format, o)
	return err
}

// again builds the same model for another kind of output.
func (a *Artifact) again(ctx context.Context, kind string) (*codegen.Artifact, error) {
	o, err := emit.For(kind, a.o)
	if err != nil {
		return nil, err
	}
	b, err := codegen.Build(ctx, a.src, o)
	if err != nil {
		return nil, err
	}
	const input = "input-sha256"
	if b.Recipe().Get(input) != a.a.Recipe().Get(input) {
		b.Close()
		return nil, &diag.Error{Kind: diag.BadModel, File: a.src.Name(), Err: errors.New("the model has changed since it was compiled")}
	}
	return b, nil
}

// GoPackage gives the files of a Go package of that name with a typed Predict,
// an example, and a test whose outputs the reference interpreter has recorded.
// Extents must be known: see Dim and Shape.
func (a *Artifact) GoPackage(ctx context.Context, name string) ([]GoFile, error) {
	art, files, err := emit.GoPackage(ctx, a.src, a.o, gosrc.Options{Package: name}, 1)
	if err != nil {
		return nil, err
	}
	return files, art.Close()
}

// Close lets go of the model's file, which constants may still be read from.
func (a *Artifact) Close() error { return errors.Join(a.a.Close(), a.close()) }
