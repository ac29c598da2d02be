package serve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"regexp"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/artifact"
)

// Loader makes a Model of a file. The Model must not depend on the file
// afterwards: it may be overwritten while the Model serves.
type Loader func(ctx context.Context, path string) (*runtime.Model, error)

// Options configures a Server. A zero field stands for its default.
type Options struct {
	Load        Loader        // default: LoadArtifact
	MaxBody     int64         // bytes of a request's body, after decompression; default DefaultMaxBody
	MaxBodies   int64         // bytes of all bodies that are in memory at once; default DefaultMaxBodies, and MaxBody at least
	MaxElems    int           // elements of all inputs of a request; default DefaultMaxElems
	Concurrency int           // requests that run at once, over all models; default GOMAXPROCS
	Queue       int           // requests beyond those whose bodies are there and that may wait; default DefaultQueue, negative: none
	Threads     int           // of each run; default 1
	MemoryLimit int64         // bytes of intermediate values of each run, as runtime.MemoryLimit
	Timeout     time.Duration // from a request's header to its answer; default DefaultTimeout
	Grace       time.Duration // for requests in flight when Serve is to end; default DefaultGrace
	Poll        time.Duration // between looks at model files; default DefaultPoll, negative: never
	Log         *slog.Logger  // default: nothing is logged
}

// The defaults of Options.
const (
	DefaultMaxBody   = 64 << 20
	DefaultMaxBodies = 1 << 30
	DefaultMaxElems  = 16 << 20
	DefaultQueue     = 256
	DefaultTimeout   = 30 * time.Second
	DefaultGrace     = 30 * time.Second
	DefaultPoll      = time.Second
)

// Server serves models by name. Its methods are safe for concurrent use.
type Server struct {
	o        Options
	run      chan struct{} // holds a token per running request
	inFlight atomic.Int64  // let in and not answered
	placed   atomic.Int64  // of those, whose bodies are there
	bodies   atomic.Int64  // bytes of bodies
	queued   atomic.Int64  // of those, waiting to run
	draining atomic.Bool
	unknown  counters // requests for no model that is served

	mu     sync.RWMutex
	models map[string]*served
	names  []string // in the order of Add
}

// New makes a Server without models. Errors: a negative limit.
func New(o Options) (*Server, error) {
	for _, l := range []struct {
		name string
		v    int64
	}{{"MaxBody", o.MaxBody}, {"MaxBodies", o.MaxBodies}, {"MaxElems", int64(o.MaxElems)}, {"Concurrency", int64(o.Concurrency)},
		{"Threads", int64(o.Threads)}, {"Timeout", int64(o.Timeout)}, {"Grace", int64(o.Grace)}} {
		if l.v < 0 {
			return nil, diag.New(diag.Usage, "serve.Options.%s: have %d, want at least 0 (the default)", l.name, l.v)
		}
	}
	or := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	or(&o.MaxElems, DefaultMaxElems)
	or(&o.Concurrency, goruntime.GOMAXPROCS(0))
	or(&o.Queue, DefaultQueue)
	or(&o.Threads, 1)
	o.Queue = max(0, o.Queue)
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	o.MaxBody = min(o.MaxBody, math.MaxInt64-1) // one byte more tells a body that is too long
	if o.MaxBodies == 0 {
		o.MaxBodies = DefaultMaxBodies
	}
	// A body that is as large as may be has its growth and the last read beside it.
	o.MaxBodies = max(o.MaxBodies, o.MaxBody+min(bytes.MinRead, math.MaxInt64-o.MaxBody))
	for _, d := range []struct {
		v *time.Duration
		d time.Duration
	}{{&o.Timeout, DefaultTimeout}, {&o.Grace, DefaultGrace}, {&o.Poll, DefaultPoll}} {
		if *d.v == 0 {
			*d.v = d.d
		}
	}
	if o.Load == nil {
		o.Load = LoadArtifact
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{o: o, run: make(chan struct{}, o.Concurrency), models: map[string]*served{}}, nil
}

// LoadArtifact reads an artifact into memory. It does not map the file, as
// runtime.Open does: who overwrites a served file in place must not change the
// model that is running.
func LoadArtifact(_ context.Context, path string) (*runtime.Model, error) {
	return ReadArtifact(path)
}

// ReadArtifact is LoadArtifact with options of the runtime.
func ReadArtifact(path string, opts ...runtime.Option) (*runtime.Model, error) {
	b, err := readAligned(path)
	if err != nil {
		return nil, diag.In(path, diag.BadModel, err)
	}
	m, err := runtime.Decode(b, opts...)
	if err != nil {
		return nil, diag.In(path, diag.BadModel, err)
	}
	return m, nil
}

// readAligned reads a file to where constants can be viewed: a second copy of a
// model, beside the one that serves, is much. What is no artifact is not read.
func readAligned(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	head := make([]byte, 64)
	if n, err := io.ReadFull(f, head); !artifact.IsArtifact(head[:n]) {
		if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = diag.New(diag.BadModel, "not an mlc artifact")
		}
		return nil, err
	}
	b := tensor.AlignedBytes(int(st.Size()))
	n, err := io.ReadFull(f, b[copy(b, head):])
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) { // cut while it was read: Decode says so
		err = nil
	}
	return b[:min(len(b), len(head)+n)], err
}

var nameRE = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// Add loads a model, warms it up and serves it under a name as version 1.
// Errors: a name that is taken or cannot stand in a URL (Usage); what the
// Loader says; an input or output that the protocol cannot express
// (Unsupported).
func (s *Server) Add(ctx context.Context, name, path string) error {
	if !nameRE.MatchString(name) {
		return diag.New(diag.Usage, "model name %q: want letters, digits and _.-", name)
	}
	m := &served{s: s, name: name, path: path}
	s.mu.RLock()
	taken := s.models[name] != nil
	s.mu.RUnlock()
	if taken {
		return diag.New(diag.Usage, "two models are named %q", name)
	}
	m.seen = stat(path)
	v, err := m.load(ctx)
	if err != nil {
		m.loadErrors.Add(1)
		return err
	}
	m.swap(v)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.models[name] != nil {
		m.close()
		return diag.New(diag.Usage, "two models are named %q", name)
	}
	s.models[name] = m
	s.names = append(s.names, name)
	return nil
}

// Models lists the names that are served, in the order of Add.
func (s *Server) Models() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.names)
}

func (s *Server) model(name string) *served {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.models[name]
}

// Serve answers on l until ctx ends, and replaces models whose files change.
// Then it takes no more connections and waits for the requests in flight, for
// Options.Grace at most. Errors: the listener's; requests that were cut off
// (Limit).
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: min(10*time.Second, s.o.Timeout),
		ReadTimeout:       s.o.Timeout,     // a body that nobody asked for is awaited too
		WriteTimeout:      2 * s.o.Timeout, // a client that does not read its answer
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
	watchCtx, stop := context.WithCancel(ctx)
	var bg sync.WaitGroup
	bg.Go(func() { s.watch(watchCtx) })
	defer bg.Wait()
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(l) }()
	select {
	case err := <-failed:
		h.Close() // connections that it has taken
		return diag.In("", diag.Limit, err)
	case <-ctx.Done():
	}
	s.draining.Store(true)
	s.o.Log.Info("draining", "in_flight", s.inFlight.Load())
	end, cancel := context.WithTimeout(context.Background(), s.o.Grace)
	defer cancel()
	if err := h.Shutdown(end); err != nil {
		n := s.inFlight.Load()
		h.Close()
		if !errors.Is(err, context.DeadlineExceeded) {
			return diag.In("", diag.Internal, err)
		}
		if n > 0 {
			return diag.New(diag.Limit, "%d requests were cut off after %v", n, s.o.Grace)
		}
		s.o.Log.Warn("connections without a request were cut off", "after", s.o.Grace)
	}
	s.o.Log.Info("drained")
	return nil
}

// Watch replaces models whose files change, until ctx ends; from then on
// health/ready says that the server drains. It is what Serve does beside
// answering, for who mounts Handler in a server of his own.
func (s *Server) Watch(ctx context.Context) {
	s.watch(ctx)
	<-ctx.Done()
	s.draining.Store(true)
}

// Close lets go of all models, after their running requests. The server
// answers 404 for them from then on.
func (s *Server) Close() {
	s.mu.Lock()
	models := s.models
	s.models, s.names = map[string]*served{}, nil
	s.mu.Unlock()
	for _, m := range models {
		m.close()
	}
}
