package emit

import (
	"context"
	"io"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/mlc-go/mlc/backend/target"
	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/exe"
	"github.com/mlc-go/mlc/codegen/gosrc"
	"github.com/mlc-go/mlc/codegen/onnx"
	"github.com/mlc-go/mlc/codegen/tflite"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/passes"
)

// The kinds of output. All but Go, which is several files (see GoPackage), are
// written by Write.
const (
	MLC    = "mlc"    // the artifact
	Exe    = "exe"    // a program with the artifact in it
	Go     = "go"     // a Go package
	ONNX   = "onnx"   // the optimized module as ONNX
	TFLite = "tflite" // the same as TensorFlow Lite
	MIR    = "mir"    // the same as text
	PTX    = "ptx"    // the kernels of a CUDA target
)

// Kinds lists them.
func Kinds() []string { return []string{MLC, Exe, Go, ONNX, TFLite, MIR, PTX} }

// For is o as a build for a kind of output needs it: stopped before a plan that
// nobody reads, without rewrites that the kind cannot say. Errors: Usage for an
// unknown kind, Unsupported for a system that no executable is made for.
func For(kind string, o codegen.Options) (codegen.Options, error) {
	switch kind {
	case MLC:
	case Go:
		if t, err := parseTarget(o.Target); err != nil || t.Device != "" {
			if err == nil {
				err = &diag.Error{Kind: diag.Unsupported, Port: "Go package", Have: "a program for " + t.String(), Want: "one for a CPU"}
			}
			return o, err
		}
	case Exe:
		if _, err := platform(o.Target); err != nil {
			return o, err
		}
	case PTX:
		t, err := parseTarget(o.Target)
		if err != nil {
			return o, err
		}
		if t.Device != target.CUDA {
			return o, diag.New(diag.Usage, "PTX is of the target cuda, not %v", t)
		}
	case TFLite:
		o.Stop, o.Off = passes.Optimized, append(slices.Clip(o.Off), tflite.Unwanted()...)
	case ONNX, MIR:
		o.Stop = passes.Optimized
	default:
		return o, diag.New(diag.Usage, "unknown kind %q of output (have %s)", kind, strings.Join(Kinds(), ", "))
	}
	return o, nil
}

// parseTarget is target.Parse, native where none is named.
func parseTarget(name string) (target.Target, error) {
	if name == "" {
		name = "native"
	}
	return target.Parse(name)
}

// platform is the system that an executable for a target runs on.
func platform(name string) (string, error) {
	t, err := parseTarget(name)
	if err != nil {
		return "", err
	}
	if t.Device != "" {
		return "", &diag.Error{Kind: diag.Unsupported, Port: "executable", Have: "a program for " + t.String(), Want: "one for a CPU: a stub has no device"}
	}
	sys := t.OS
	if sys == "" && (name == "" || strings.HasPrefix(name, "native")) {
		sys = goruntime.GOOS
	} else if sys == "" {
		sys = "linux"
	}
	p := sys + "/" + t.Arch
	if !slices.Contains(exe.Platforms(), p) {
		return "", &diag.Error{Kind: diag.Unsupported, Port: "executable for the target " + name, Have: p, Want: "one of " + strings.Join(exe.Platforms(), ", ")}
	}
	return p, nil
}

// Options say how the kinds that have a choice are written.
type Options struct {
	Opset  int            // of ONNX; 0: onnx.DefaultOpset
	TFLite tflite.Options // zero: as the model has its inputs and outputs
	Target string         // of an executable, as it was built for
	Stubs  exe.Stubs      // of executables
}

// Write writes what was built with the options of For(kind) as one file. The
// report is nil but for TensorFlow Lite. Errors: Usage for a kind that is no
// single file or that the build stopped before, else those of the kind's package.
func Write(ctx context.Context, w io.Writer, a *codegen.Artifact, kind string, o Options) (*tflite.Report, error) {
	switch kind {
	case ONNX:
		return nil, onnx.Export(w, a.Module(), onnx.Options{Opset: o.Opset})
	case MIR:
		return nil, text.Print(w, a.Module())
	case TFLite:
		return tflite.Export(w, a.Module(), o.TFLite)
	case MLC:
		if s, ok := w.(io.WriteSeeker); ok {
			_, err := a.Write(s)
			return nil, err
		}
		b, err := a.Bytes()
		if err == nil {
			_, err = w.Write(b)
		}
		return nil, err
	case PTX:
		if a.Program() == nil || len(a.Program().Code) == 0 {
			return nil, diag.New(diag.Unsupported, "nothing of the model runs on the device: there is no PTX")
		}
		_, err := w.Write(a.Program().Code)
		return nil, err
	case Exe:
		return nil, executable(ctx, w, a, &o)
	case Go:
		return nil, diag.New(diag.Usage, "a Go package is several files, no stream: see GoPackage")
	}
	return nil, diag.New(diag.Usage, "unknown kind %q of output (have %s)", kind, strings.Join(Kinds(), ", "))
}

func executable(ctx context.Context, w io.Writer, a *codegen.Artifact, o *Options) error {
	p, err := platform(o.Target)
	if err != nil {
		return err
	}
	b, err := a.Bytes()
	if err != nil {
		return err
	}
	stub, err := o.Stubs.Get(ctx, p)
	if err != nil {
		return err
	}
	_, err = exe.Write(w, stub, b)
	return err
}

// GoPackage builds src and makes a Go package of it. n runs of the reference
// interpreter on the model as it was imported become the vectors of the
// package's test; 0 leaves g.Vectors. Errors: as Build; Unsupported by name for
// what cannot be a package, before the interpreter takes its time.
func GoPackage(ctx context.Context, src codegen.Source, o codegen.Options, g gosrc.Options, n int) (*codegen.Artifact, []gosrc.File, error) {
	art, err := codegen.Build(ctx, src, o)
	if err != nil {
		return nil, nil, err
	}
	files, err := goFiles(ctx, art, src, o, g, n)
	if err != nil {
		art.Close()
		return nil, nil, diag.In(src.Name(), diag.Unsupported, err)
	}
	return art, files, nil
}

func goFiles(ctx context.Context, a *codegen.Artifact, src codegen.Source, o codegen.Options, g gosrc.Options, n int) ([]gosrc.File, error) {
	b, err := a.Bytes()
	if err != nil {
		return nil, err
	}
	files, err := gosrc.Files(a.Program(), b, g)
	if err != nil || n == 0 {
		return files, err
	}
	o.Stop, o.OnRemark, o.DumpDir, o.PrintAfter, o.OnProgress = codegen.StageImport, nil, "", nil, nil
	imported, err := codegen.Build(ctx, src, o)
	if err != nil {
		return nil, err
	}
	defer imported.Close()
	if g.Vectors, err = gosrc.Record(ctx, imported.Module(), n); err != nil {
		return nil, err
	}
	return gosrc.Files(a.Program(), b, g)
}
