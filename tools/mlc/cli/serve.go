package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/serve"
)

func (a *app) serve() *cobra.Command {
	var f compileFlags
	var addr string
	o := serve.Options{}
	c := &cobra.Command{
		Use:   "serve [NAME=]MODEL...",
		Short: "Serve models and artifacts over HTTP by the Open Inference Protocol until SIGTERM or Ctrl-C",
		Args:  cobra.MinimumNArgs(1),
	}
	f.register(c, "2")
	s := c.Flags()
	s.StringVar(&addr, "http", ":8080", "`address` to listen on; port 0 is any free one, which is printed")
	s.Int64Var(&o.MaxBody, "max-body", serve.DefaultMaxBody, "`bytes` that a request's body may have")
	s.Int64Var(&o.MaxBodies, "max-bodies", serve.DefaultMaxBodies, "`bytes` that the bodies of all requests may take at once; more are answered with 503")
	s.IntVar(&o.MaxElems, "max-elems", serve.DefaultMaxElems, "`elements` that all inputs of a request may have, or pixels that a picture may have")
	s.IntVar(&o.Concurrency, "concurrency", 0, "`requests` that run at once; 0 for one per CPU")
	s.IntVar(&o.Queue, "queue", serve.DefaultQueue, "`requests` whose bodies are there and that may wait beyond those; more are answered with 503")
	s.IntVar(&o.Threads, "threads", 1, "`threads` of each run")
	s.Int64Var(&o.MemoryLimit, "memory", 0, "`bytes` of intermediate values of each run; 0 for the machine's memory or 16 GiB, whichever is less")
	s.DurationVar(&o.Timeout, "timeout", serve.DefaultTimeout, "`time` that a request may take from its header to its answer")
	s.DurationVar(&o.Grace, "grace", serve.DefaultGrace, "`time` for requests in flight when the server is to stop")
	s.DurationVar(&o.Poll, "poll", serve.DefaultPoll, "`time` between looks at model files for replacements; 0 for none")
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case o.MaxBody < 1 || o.MaxBodies < 1 || o.MaxElems < 1 || o.Threads < 1:
			return usage("--max-body, --max-bodies, --max-elems, --threads: want at least 1")
		case o.Concurrency < 0 || o.Queue < 0 || o.MemoryLimit < 0 || o.Poll < 0:
			return usage("--concurrency, --queue, --memory, --poll: want at least 0")
		case o.Timeout <= 0 || o.Grace <= 0:
			return usage("--timeout, --grace: want more than 0")
		}
		if o.Queue == 0 {
			o.Queue = -1
		}
		if o.Poll == 0 {
			o.Poll = -1
		}
		co := a.options()
		if err := f.fill(c, a, &co); err != nil {
			return err
		}
		o.Load, o.Log = a.servedModel(co), a.serveLog()
		return a.serveOn(c.Context(), addr, o, args)
	}
	return c
}

// servedModel loads artifacts into memory and compiles everything else.
// Nothing is mapped: who overwrites a served file in place must not bring down
// the server.
func (a *app) servedModel(o codegen.Options) serve.Loader {
	return func(ctx context.Context, path string) (*runtime.Model, error) {
		if st, err := os.Stat(path); err == nil && st.IsDir() {
			return nil, usage("%s: is a folder, want a model file", path)
		}
		if isArtifactFile(path) {
			return serve.ReadArtifact(path, a.open()...)
		}
		m, err := a.compileUnmapped(ctx, path, o)
		var e *diag.Error
		if errors.As(err, &e) && (e.File == "" || e.File == filepath.Base(path)) {
			c := *e
			c.File = path
			return nil, &c
		}
		return m, err
	}
}

func (a *app) compileUnmapped(ctx context.Context, path string, o codegen.Options) (*runtime.Model, error) {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, diag.In(path, diag.BadModel, err)
	}
	defer root.Close()
	return a.compiled(ctx, codegen.FS(unmapped{root.FS()}, filepath.Base(path)), o)
}

// unmapped hides that its files are the system's, which would be mapped.
type unmapped struct{ fs.FS }

// Open is that of fs.FS.
func (u unmapped) Open(name string) (fs.File, error) {
	f, err := u.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return struct{ fs.File }{f}, nil
}

// serveLog is where the server tells what happens to it.
func (a *app) serveLog() *slog.Logger {
	level := slog.LevelInfo
	switch {
	case a.verbose:
		level = slog.LevelDebug
	case a.quiet:
		level = slog.LevelError
	}
	var h slog.Handler
	if o := (&slog.HandlerOptions{Level: level}); a.json {
		h = slog.NewJSONHandler(a.err, o)
	} else {
		h = slog.NewTextHandler(a.err, o)
	}
	return slog.New(h)
}

func (a *app) serveOn(ctx context.Context, addr string, o serve.Options, args []string) error {
	s, err := serve.New(o)
	if err != nil {
		return err
	}
	defer s.Close()
	type modelReport struct {
		Name string `json:"name"`
		File string `json:"file"`
	}
	var models []modelReport
	for _, arg := range args {
		name, path := servedName(arg)
		if err := s.Add(ctx, name, path); err != nil {
			return err
		}
		models = append(models, modelReport{name, path})
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return usage("--http %s: %v", addr, err)
	}
	if a.json {
		err = a.emit("serve/1", map[string]any{"address": l.Addr().String(), "models": models})
	} else {
		_, err = fmt.Fprintf(a.out, "serving %s on http://%s\n", strings.Join(s.Models(), ", "), l.Addr())
	}
	if err != nil {
		l.Close()
		return err
	}
	err = s.Serve(ctx, l)
	if err != nil && ctx.Err() != nil {
		a.kept = ": " + err.Error()
	}
	return err
}

// servedName splits NAME=MODEL; without a name it is the file's, without its
// suffix.
func servedName(arg string) (name, path string) {
	if name, path, ok := strings.Cut(arg, "="); ok && !strings.ContainsAny(name, `/\`) {
		return name, path
	}
	base := filepath.Base(arg)
	return strings.TrimSuffix(base, filepath.Ext(base)), arg
}
