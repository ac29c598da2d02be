package program

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/artifact"
	"github.com/mlc-go/mlc/runtime/plan"
	"github.com/mlc-go/mlc/runtime/task"
)

// exitInterrupted is the exit code after Ctrl-C.
const exitInterrupted = 130

// app is one invocation.
type app struct {
	name     string // as it was called
	in       io.Reader
	out, err io.Writer
	model    *runtime.Model
	trailer  *Trailer
	bytes    []byte // the artifact
	classes  []string
	task     *task.Model // what it does with pictures; nil: nothing, because of
	noTask   error

	json    bool
	to      string
	top     int
	threads int
	version bool
}

// Main runs the program that args[0] names and gives the exit code, by the kind
// of the error as mlc has them: 0 ok, 2 usage, 3 bad model, data or shape, 4
// unsupported or over a limit, 5 internal, 130 interrupted.
func Main(args []string, in io.Reader, out, errw io.Writer) int {
	a := &app{name: "program", in: in, out: out, err: errw}
	if len(args) > 0 {
		a.name, args = filepath.Base(args[0]), args[1:]
	}
	self, err := executable()
	if err != nil {
		return a.fail(diag.New(diag.Usage, "cannot find its own file, which holds the model: %v (call it by a path that has a slash)", err))
	}
	if _, err := os.Stat(running); err == nil {
		return a.run(self, running, args)
	}
	return a.run(self, self, args)
}

// running is the program's own file on linux, also where it was deleted or replaced
// since it was started, or never had a name.
const running = "/proc/self/exe"

// executable is the program's own file. Where there is no /proc, as in an empty
// chroot, the path that it was called by serves.
func executable() (string, error) {
	p, err := os.Executable()
	if err == nil {
		return p, nil
	}
	if len(os.Args) == 0 {
		return "", err
	}
	if q, e := exec.LookPath(os.Args[0]); e == nil || errors.Is(e, exec.ErrDot) {
		return q, nil
	}
	return "", err
}

// run runs the program self, which can be read at file.
func (a *app) run(self, file string, args []string) int {
	b, unmap, err := artifact.Map(file)
	if err != nil {
		return a.fail(diag.In(self, diag.BadModel, err))
	}
	defer unmap()
	if a.bytes, a.trailer, err = Artifact(b); err != nil {
		return a.fail(diag.In(self, diag.BadModel, err))
	}
	if a.model, err = runtime.Decode(a.bytes); err != nil {
		return a.fail(diag.In(self, diag.BadModel, err))
	}
	defer a.model.Close()
	if a.classes, err = Classes(a.model.Artifact().Program.Meta); err != nil {
		return a.fail(diag.In(self, diag.BadModel, err))
	}
	if err = a.openTask(); err != nil {
		return a.fail(diag.In(self, diag.BadModel, err))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second Ctrl-C does not ask
	to := NewOutput(a.out)
	a.out = to
	err = a.main(ctx, args)
	if lost := to.Err(); lost != nil {
		err = lost
	}
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(a.err, a.name+": interrupted")
		return exitInterrupted
	}
	return a.fail(err)
}

func (a *app) fail(err error) int {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(a.err, "%s: %s\n", a.name, strings.TrimSuffix(line, "\n"))
	}
	return diag.KindOf(err).ExitCode()
}

// main is the command line.
func (a *app) main(ctx context.Context, args []string) error {
	given, err := a.flags(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		a.usage(a.out)
		return nil
	case err != nil:
		return err
	case a.version:
		return a.printVersion()
	}
	s, err := a.model.NewSession(runtime.Threads(a.threads))
	if err != nil {
		return err
	}
	defer s.Close()
	files, err := a.pictures(given)
	if err != nil {
		return err
	}
	if files != nil {
		return a.runPictures(ctx, s, files)
	}
	vals, err := a.inputs(given)
	if err == nil {
		err = a.notOver(given)
	}
	if err != nil {
		return err
	}
	for i, x := range a.model.Inputs() {
		if err := s.BindValue(x.Name, vals[i]); err != nil {
			return err
		}
	}
	if err := s.Run(ctx); err != nil {
		return err
	}
	var outs []tensor.Tensor
	for _, x := range a.model.Outputs() {
		t, err := s.Output(x.Name)
		if err != nil {
			return err
		}
		outs = append(outs, t)
	}
	return a.print(outs)
}

// flags reads flags, which may stand anywhere, and gives the other arguments.
func (a *app) flags(args []string) (given []string, err error) {
	f := flag.NewFlagSet(a.name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.BoolVar(&a.json, "json", false, "")
	f.StringVar(&a.to, "o", "", "")
	f.IntVar(&a.top, "top", 0, "")
	f.IntVar(&a.threads, "threads", 1, "")
	f.BoolVar(&a.version, "version", false, "")
	for {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, diag.New(diag.Usage, "%v (--help tells what there is)", err)
		}
		if f.NArg() == 0 {
			break
		}
		given = append(given, f.Arg(0))
		args = f.Args()[1:]
	}
	switch {
	case a.threads < 1:
		return nil, diag.New(diag.Usage, "--threads %d: want at least 1", a.threads)
	case a.top < 0:
		return nil, diag.New(diag.Usage, "--top %d: want at least 1", a.top)
	}
	return given, nil
}

// Classes reads the names of classes from a model's metadata; nil: none. Error:
// the entry is no JSON list of texts (BadModel).
func Classes(meta []plan.Meta) (l []string, err error) {
	for _, m := range meta {
		if m.Key != plan.KeyClasses {
			continue
		}
		if err := json.Unmarshal([]byte(m.Value), &l); err != nil {
			return nil, diag.New(diag.BadModel, "metadata %s: %v", plan.KeyClasses, err)
		}
		break
	}
	return l, nil
}

// usage tells what the model takes and gives.
func (a *app) usage(w io.Writer) {
	line := a.name
	for _, x := range a.model.Inputs() {
		line += fmt.Sprintf(" [%s=]FILE", x.Name)
	}
	fmt.Fprintf(w, "usage: %s [flags]\n", line)
	if a.task != nil {
		fmt.Fprintf(w, "       %s PICTURE... [flags]\n", a.name)
	}
	fmt.Fprintf(w, "\nRuns the model %q.\n\ntakes\n", a.model.Artifact().Program.Name)
	ports(w, a.model.Inputs())
	fmt.Fprintln(w, "gives")
	ports(w, a.model.Outputs())
	if a.classes != nil {
		fmt.Fprintf(w, "classes\n  %s\n", strings.Join(a.classes, ", "))
	}
	if a.task != nil {
		wide, high := a.task.Size()
		what := map[string]string{"classify": "the classes", "detect": "the objects"}[a.task.Task().Kind()]
		fmt.Fprintf(w, "\nPICTURE is .png or .jpg, or either on standard input; it is brought to %d x %d pixels,\nand %s in it are printed, best first.\n", wide, high, what)
	}
	fmt.Fprint(w, `
FILE is .npy, .json (nested lists), .pb (a TensorProto), .raw or .bin (elements,
little-endian), or - for standard input, whose form is seen from what it holds; a
JSON object there has a value for each input. In place of a file: zeros, random:SEED,
4xf32=1,2,3,4.

  --json       print one JSON object
  --top K      print the K largest elements of each output, or best of each picture
  -o OUT       write .npy: OUT.npy or - (one output), else a folder of NAME.npy
  --threads N  threads to use; results do not depend on it
  --version    say how the model was built, and check it
  --help       this text
`)
}

func ports(w io.Writer, infos []runtime.Info) {
	for _, x := range infos {
		fmt.Fprintf(w, "  %s: %v\n", x.Name, x.Type)
	}
}

// printVersion prints the recipe and compares the digest.
func (a *app) printVersion() error {
	if sha256.Sum256(a.bytes) != a.trailer.Digest {
		return diag.New(diag.BadModel, "is damaged: the digest of its model is wrong; copy or build it again")
	}
	f := a.model.Artifact()
	fmt.Fprintf(a.out, "model %q, sha256 %x, %d bytes\n", f.Program.Name, a.trailer.Digest, len(a.bytes))
	for _, e := range f.Recipe {
		fmt.Fprintf(a.out, "%s: %s\n", e.Key, e.Value)
	}
	return nil
}
