package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/runtime/exec"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/all"
	"github.com/mlc-go/mlc/runtime/program"
)

// Registry is what a command knows beyond the built-in; nil fields are the
// built-in tables.
type Registry struct {
	Ops     *ir.OpSet
	Kernels *kernel.Set
	Passes  []pass.Pass
}

// app is one invocation.
type app struct {
	reg      Registry
	in       io.Reader
	out, err io.Writer
	json     bool
	quiet    bool
	verbose  bool
	progress string
	failed   bool        // a comparison or threshold failed: exit 1
	device   exec.Device // where programs with code for one run; nil: the GPU, opened when it is needed
	kept     string      // what an interrupted command has kept, for its last line
}

// exitInterrupted is the exit code after Ctrl-C.
const exitInterrupted = 130

// Main runs the command line and gives the exit code: 0 ok, 1 a comparison
// failed, 2 usage, 3 bad model or data or shape, 4 unsupported or over a
// limit, 5 internal, 130 interrupted.
func Main(reg Registry, args []string, in io.Reader, out, errw io.Writer) int {
	a := newApp(reg)
	to := program.NewOutput(out)
	out = to
	a.in, a.out, a.err = in, out, errw
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second Ctrl-C does not ask
	root := a.root()
	root.SetArgs(clangFlags(args))
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errw)
	err := root.ExecuteContext(ctx)
	if lost := to.Err(); lost != nil {
		err = lost
	}
	switch {
	case err == nil && a.failed:
		return 1
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(errw, "mlc: interrupted"+a.kept)
		return exitInterrupted
	}
	a.report(err)
	return diag.KindOf(err).ExitCode()
}

// newApp fills in the built-in tables.
func newApp(reg Registry) *app {
	if reg.Ops == nil {
		reg.Ops = op.Builtin()
	}
	if reg.Kernels == nil {
		reg.Kernels = all.Set()
	}
	return &app{reg: reg}
}

// report prints an error: one line per fault.
func (a *app) report(err error) {
	if a.json {
		json.NewEncoder(a.err).Encode(map[string]any{"schema": "mlc.error/1", "kind": diag.KindOf(err).String(), "error": a.errorText(err)})
		return
	}
	for _, line := range strings.Split(a.errorText(err), "\n") {
		fmt.Fprintf(a.err, "mlc: %s\n", line)
	}
}

// errorText names a file once: the system's errors repeat the path that the
// fault's locus says already. Of our own faults it shows the stack under -v only.
func (a *app) errorText(err error) string {
	s := err.Error()
	var p *fs.PathError
	if errors.As(err, &p) {
		s = strings.ReplaceAll(s, p.Path+": "+p.Op+" "+p.Path+": ", p.Path+": ")
	}
	if first, rest, ok := strings.Cut(s, "\n"); ok && !a.verbose && diag.KindOf(err) == diag.Internal {
		s = first
		if i := strings.LastIndex(rest, "; reproducer written to"); i >= 0 {
			s += rest[i:]
		}
		s += " (-v shows the stack)"
	}
	return s
}

// clangFlags lets -Rpass=RE and -Rmissed=RE, clang's spelling, stand beside
// short flags.
func clangFlags(args []string) []string {
	out := make([]string, len(args))
	for i, s := range args {
		if strings.HasPrefix(s, "-Rpass") || strings.HasPrefix(s, "-Rmissed") {
			s = "-" + s
		}
		out[i] = s
	}
	return out
}

func (a *app) root() *cobra.Command {
	c := &cobra.Command{
		Use:           "mlc",
		Short:         "A compiler for neural networks",
		Long:          "mlc compiles ONNX models to artifacts that run from Go without cgo,\nchecks them against recorded outputs, and shows what it did.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unknown command %q%s", args[0], commandHint(c.Root(), args[0]))
			}
			return nil
		},
		PersistentPreRunE: func(c *cobra.Command, args []string) error {
			if c.Name() == "doctor" { // says what is wrong with them
				return nil
			}
			if err := a.applySettings(c); err != nil {
				return err
			}
			if !slices.Contains(progressModes, a.progress) {
				return usage("--progress=%s: want %s", a.progress, strings.Join(progressModes, ", "))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return c.Help() },
	}
	c.PersistentFlags().BoolVar(&a.json, "json", false, "print one JSON object")
	c.PersistentFlags().BoolVarP(&a.quiet, "quiet", "q", false, "print results only")
	c.PersistentFlags().StringVar(&a.progress, "progress", "auto", "`form` of progress on standard error: auto (a bar on a terminal, else plain), plain, json, none")
	c.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "say what is being done")
	c.SetFlagErrorFunc(flagError)
	c.AddCommand(a.build(), a.opt(), a.quantize(), a.prune(), a.inspect(), a.print(), a.run(), a.verify(), a.bench(), a.serve(),
		a.train(), a.distill(), a.eval(), a.data(),
		a.models(), a.targets(), a.passes(), a.ops(), a.kernels(), a.doctor(), a.version())
	c.SetHelpCommand(helpCommand())
	c.InitDefaultCompletionCmd()
	for _, s := range c.Commands() {
		switch {
		case s.Name() == "completion":
			s.Args = func(c *cobra.Command, args []string) error {
				return usage("mlc completion: want one of bash, fish, powershell, zsh")
			}
			s.RunE = func(*cobra.Command, []string) error { return nil } // so that Args is asked
		case s.Args == nil:
			s.Args = cobra.NoArgs
		}
		wrapArgs(s)
	}
	return c
}

// helpCommand is cobra's, but an unknown topic is an error.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Describe a command and its flags",
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			s, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				name := strings.Join(args, " ")
				return usage("mlc help: unknown command %q%s", name, commandHint(c.Root(), name))
			}
			s.InitDefaultHelpFlag()
			return s.Help()
		},
	}
}

// wrapArgs gives cobra's complaints about arguments the kind Usage.
func wrapArgs(c *cobra.Command) {
	check := c.Args
	if check == nil {
		return
	}
	c.Args = func(c *cobra.Command, args []string) error {
		err := check(c, args)
		if err == nil || diag.KindOf(err) == diag.Usage {
			return err
		}
		return usage("%s: have arguments %q, want `mlc %s`", c.CommandPath(), args, c.Use)
	}
}

func usage(format string, args ...any) error { return diag.New(diag.Usage, format, args...) }

// emit prints v as JSON with its schema.
func (a *app) emit(schema string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s, _ := json.Marshal("mlc." + schema)
	b = append([]byte(`{"schema":`+string(s)+`,`), b[1:]...)
	if strings.HasSuffix(string(b), ",}") {
		b = append(b[:len(b)-2], '}')
	}
	_, err = fmt.Fprintf(a.out, "%s\n", b)
	return err
}

// logger is where passes log under -v.
func (a *app) logger() *slog.Logger {
	if !a.verbose {
		return nil
	}
	return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// options are the parts of codegen.Options that every command shares.
func (a *app) options() codegen.Options {
	return codegen.Options{Ops: a.reg.Ops, Kernels: a.reg.Kernels, ExtraPass: a.reg.Passes, Log: a.logger()}
}

// note says something to people only.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.err, format+"\n", args...)
	}
}
