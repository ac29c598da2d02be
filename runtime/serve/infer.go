package serve

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime"
)

// buffers are what a request needs and the next one can have.
type buffers struct {
	body    bytes.Buffer
	out     response
	charged int64 // of Server.bodies
	placed  bool  // counted in Server.placed
}

// maxKept bounds the bytes that idle buffers keep.
const maxKept = 4 << 20

var bufferPool = sync.Pool{New: func() any { return new(buffers) }}

func (b *buffers) free() {
	if b.body.Cap()+cap(b.out.json)+cap(b.out.bin) <= maxKept {
		bufferPool.Put(b)
	}
}

// job is what is left to do of a request that was read: its run on a version, and
// its answer, which goes to the request's buffers.
type job func(ctx context.Context, v *version, name string) error

// reader takes a request's body in and says when the answer must be there.
type reader func(w http.ResponseWriter, r *http.Request, start time.Time, b *buffers) (job, time.Time, error)

// post answers one request to run a model and counts it.
func (s *Server) post(w http.ResponseWriter, r *http.Request, m *served, name, version string, read reader) {
	start := time.Now()
	c := &s.unknown
	if m != nil {
		c = &m.counters
	}
	b := bufferPool.Get().(*buffers)
	s.inFlight.Add(1)
	code := http.StatusInternalServerError // what a panic leaves
	defer func() {
		s.inFlight.Add(-1)
		if b != nil { // a panic: something may still read them
			s.leave(b)
		}
		c.add(code, time.Since(start))
	}()
	code, err := s.postTo(w, r, m, name, version, start, b, read)
	if err == nil {
		if err := b.out.write(w); err != nil {
			code = statusClientGone
			s.o.Log.Debug("answer not taken", "model", name, "error", err)
		}
		s.leave(b)
		b.free()
		b = nil
		return
	}
	if code >= 500 && code != http.StatusServiceUnavailable && code != http.StatusGatewayTimeout {
		s.o.Log.Error("request failed", "model", name, "code", code, "error", clip(err.Error()))
	} else {
		s.o.Log.Debug("request refused", "model", name, "code", code, "error", clip(err.Error()))
	}
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeError(w, code, err.Error())
	s.leave(b)
	b.free()
	b = nil
}

// leave gives back what a request held.
func (s *Server) leave(b *buffers) {
	s.bodies.Add(-b.charged)
	if b.placed {
		s.placed.Add(-1)
	}
	b.charged, b.placed = 0, false
}

// postTo fills b.out, or says what is wrong and the status code.
func (s *Server) postTo(w http.ResponseWriter, r *http.Request, m *served, name, version string, start time.Time, b *buffers, read reader) (int, error) {
	if m == nil {
		return http.StatusNotFound, fmt.Errorf("no model %q is served", name)
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return http.StatusMethodNotAllowed, fmt.Errorf("method %s: want POST", r.Method)
	}
	if s.placed.Load()-int64(s.o.Concurrency) >= int64(s.o.Queue) {
		return http.StatusServiceUnavailable, s.queueFull() // before a body is sent for nothing
	}
	do, end, err := read(w, r, start, b)
	if err != nil {
		return statusOf(r.Context(), err), err
	}
	ctx, cancel := context.WithDeadline(r.Context(), end)
	defer cancel()
	if err := s.wait(ctx); err != nil {
		return statusOf(ctx, err), err
	}
	defer func() { <-s.run }()
	v, err := acquire(m, name, version)
	if err != nil {
		return statusOf(context.Background(), err), err
	}
	defer v.release()
	if err := do(ctx, v, name); err != nil {
		return statusOf(ctx, err), err
	}
	return http.StatusOK, nil
}

// readInfer reads an inference request of the protocol.
func (s *Server) readInfer(w http.ResponseWriter, r *http.Request, start time.Time, b *buffers) (job, time.Time, error) {
	header, err := headerLength(r)
	if err == nil {
		err = s.readBody(w, r, start, b)
	}
	if err != nil {
		return nil, start, err
	}
	req, err := parseRequest(b.body.Bytes(), header, s.o.MaxElems)
	if err != nil {
		if _, ok := err.(tooLarge); !ok {
			err = fail(http.StatusBadRequest, "%v", err)
		}
		return nil, start, err
	}
	return func(ctx context.Context, v *version, name string) error {
		return s.answer(ctx, v, name, req, &b.out)
	}, s.deadline(start, req), nil
}

// headerLength reads Inference-Header-Content-Length, -1 if it is not there.
func headerLength(r *http.Request) (int, error) {
	h := r.Header.Get("Inference-Header-Content-Length")
	if h == "" {
		return -1, nil
	}
	n, err := strconv.ParseUint(h, 10, 31)
	if err != nil {
		return 0, fail(http.StatusBadRequest, "Inference-Header-Content-Length %q: want an integer from 0", h)
	}
	return int(n), nil
}

func (s *Server) queueFull() error {
	return fail(http.StatusServiceUnavailable, "the queue of %d requests is full", s.o.Queue)
}

// readBody reads the body, decompressed, within the limits of bytes and time, and
// then gives the request its place in the queue: who sends slowly holds none.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, start time.Time, b *buffers) error {
	b.body.Reset()
	if r.ContentLength > s.o.MaxBody {
		return fail(http.StatusRequestEntityTooLarge, "a body of %d bytes: want %d at most", r.ContentLength, s.o.MaxBody)
	}
	rc := http.NewResponseController(w)
	timed := rc.SetReadDeadline(start.Add(s.o.Timeout)) == nil
	var body io.Reader = http.MaxBytesReader(w, r.Body, s.o.MaxBody)
	var err error
	switch enc := strings.ToLower(r.Header.Get("Content-Encoding")); enc {
	case "", "identity":
	case "gzip":
		body, err = gzip.NewReader(body)
	case "deflate":
		body, err = zlib.NewReader(body)
	default:
		return fail(http.StatusUnsupportedMediaType, "Content-Encoding %q: want gzip, deflate or none", enc)
	}
	if err == nil {
		err = s.fill(b, io.LimitReader(body, s.o.MaxBody+1), r.ContentLength)
	}
	var big *http.MaxBytesError
	var answer *statusError
	switch {
	case errors.As(err, &answer):
		return err
	case errors.As(err, &big) || int64(b.body.Len()) > s.o.MaxBody:
		return fail(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", s.o.MaxBody)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fail(http.StatusRequestTimeout, "the body did not come within %v", s.o.Timeout)
	case err != nil:
		return fail(http.StatusBadRequest, "the body: %v", err)
	}
	if timed {
		rc.SetReadDeadline(time.Time{})
	}
	b.placed = true
	if s.placed.Add(1)-int64(s.o.Concurrency) > int64(s.o.Queue) {
		return s.queueFull()
	}
	return nil
}

// firstBytes is how much of a body has memory before any of it has come.
const firstBytes = 64 << 10

// fill reads r to its end; length is what it is said to have, or less than 1. The
// buffer grows fourfold at most, so that who says much and sends little holds
// little, and what it grows by counts against Options.MaxBodies.
func (s *Server) fill(b *buffers, r io.Reader, length int64) error {
	for {
		if b.body.Available() == 0 {
			n := max(3*int64(b.body.Len()), firstBytes)
			if left := length - int64(b.body.Len()); left >= 0 && length > 0 {
				n = min(n, left+bytes.MinRead) // one read more finds the end
			}
			b.charged += n
			if s.bodies.Add(n) > s.o.MaxBodies {
				return fail(http.StatusServiceUnavailable, "the bodies of all requests have %d bytes", s.o.MaxBodies)
			}
			b.body.Grow(int(n))
		}
		p := b.body.AvailableBuffer()
		n, err := r.Read(p[:cap(p)])
		b.body.Write(p[:n])
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// wait takes a turn to run, given back by receiving from s.run.
func (s *Server) wait(ctx context.Context) error {
	select {
	case s.run <- struct{}{}:
		return nil
	default:
	}
	s.queued.Add(1)
	defer s.queued.Add(-1)
	select {
	case s.run <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no turn to run: %w", ctx.Err())
	}
}

// answer runs req on v and encodes the outputs.
func (s *Server) answer(ctx context.Context, v *version, name string, req *request, out *response) error {
	in, err := v.arrange(req.inputs)
	if err != nil {
		return err
	}
	wants := req.outputs
	if len(wants) == 0 {
		for _, o := range v.outputs {
			wants = append(wants, wanted{o.Name, req.binary})
		}
	}
	for _, w := range wants {
		if !slices.ContainsFunc(v.outputs, func(i runtime.Info) bool { return i.Name == w.name }) {
			return fail(http.StatusBadRequest, "output %q: the model has %s", w.name, names(v.outputs))
		}
	}
	return v.runOn(ctx, func(x *runtime.Session) error {
		for i, p := range v.inputs {
			if err := x.Bind(p.Name, in[i]); err != nil {
				return err
			}
		}
		if err := x.Run(ctx); err != nil {
			return err
		}
		outs := make([]output, len(wants))
		for i, w := range wants {
			t, err := x.Output(w.name)
			if err != nil {
				return err
			}
			outs[i] = output{w.name, t, w.binary}
		}
		if err := out.encode(name, v.id, req.id, outs); err != nil {
			return fail(http.StatusUnprocessableEntity, "%v", err)
		}
		return nil
	})
}

// arrange puts the inputs into the model's order and checks that all are there
// and of the right types; extents are the session's to check.
func (v *version) arrange(in []namedTensor) ([]tensor.Tensor, error) {
	out := make([]tensor.Tensor, len(v.inputs))
	for _, x := range in {
		i, ok := v.index[x.name]
		if !ok {
			return nil, fail(http.StatusBadRequest, "input %q: the model has %s", x.name, names(v.inputs))
		}
		t := x.t
		if want := v.inputs[i].Type.DType; t.DType() != want {
			return nil, fail(http.StatusBadRequest, "input %q: have %s, want %s", x.name, datatypeOf(t.DType()), datatypeOf(want))
		}
		out[i] = t
	}
	for i := range out {
		if !out[i].Valid() {
			return nil, &diag.Error{Kind: diag.BadData, Node: fmt.Sprintf("input %q", v.inputs[i].Name), Have: "nothing", Want: v.inputs[i].Type.String()}
		}
	}
	return out, nil
}

func names(infos []runtime.Info) string {
	out := make([]string, len(infos))
	for i, x := range infos {
		out[i] = x.Name
	}
	return strings.Join(out, ", ")
}
