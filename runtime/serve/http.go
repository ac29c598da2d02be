package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime"
)

// statusError is an answer that is not 200.
type statusError struct {
	code int
	msg  string
}

func (e *statusError) Error() string { return e.msg }

func fail(code int, format string, args ...any) error {
	return &statusError{code, fmt.Sprintf(format, args...)}
}

// statusClientGone is what metrics say of a client that did not wait.
const statusClientGone = 499

// statusOf finds the code for an error: the client's fault is 4xx, ours 5xx.
func statusOf(ctx context.Context, err error) int {
	var e *statusError
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &e):
		return e.code
	case errors.As(err, &big):
		return http.StatusRequestEntityTooLarge
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	case ctx.Err() != nil:
		return statusClientGone
	}
	if _, ok := err.(tooLarge); ok {
		return http.StatusRequestEntityTooLarge
	}
	switch diag.KindOf(err) {
	case diag.BadData, diag.Shape, diag.Unsupported:
		return http.StatusBadRequest
	case diag.Limit:
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusInternalServerError
}

// Handler answers the protocol and /metrics. Under a path of another mux it
// stands behind http.StripPrefix; Watch does what Serve does beside it.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.route) }

func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			s.o.Log.Error("panic", "path", r.URL.Path, "fault", p, "stack", string(debug.Stack()))
			writeError(w, http.StatusInternalServerError, "internal error")
		}
	}()
	path := strings.TrimSuffix(r.URL.Path, "/")
	rest, isModel := strings.CutPrefix(path, "/v2/models/")
	switch {
	case isModel:
		s.routeModel(w, r, strings.Split(rest, "/"))
	case path == "/v2":
		get(w, r, func() { writeJSON(w, serverMetadata()) })
	case path == "/v2/health/live":
		get(w, r, func() { writeJSON(w, map[string]bool{"live": true}) })
	case path == "/v2/health/ready":
		get(w, r, func() { s.ready(w) })
	case path == "/metrics":
		get(w, r, func() {
			var b bytes.Buffer
			s.metrics(&b)
			w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
			w.Write(b.Bytes())
		})
	default:
		writeError(w, http.StatusNotFound, fmt.Sprintf("no such path %q", r.URL.Path))
	}
}

// routeModel answers /v2/models/NAME[/versions/V][/ready|/infer|/picture].
func (s *Server) routeModel(w http.ResponseWriter, r *http.Request, p []string) {
	name, version, verb := p[0], "", ""
	p = p[1:]
	if len(p) >= 2 && p[0] == "versions" && p[1] != "" {
		version, p = p[1], p[2:]
	}
	if len(p) > 0 {
		verb, p = p[0], p[1:]
	}
	m := s.model(name)
	if len(p) > 0 {
		verb = "?"
	}
	switch verb {
	case "", "ready":
	case "infer":
		s.post(w, r, m, name, version, s.readInfer)
		return
	case "picture":
		s.post(w, r, m, name, version, s.readPicture)
		return
	default:
		writeError(w, http.StatusNotFound, fmt.Sprintf("no such path %q", r.URL.Path))
		return
	}
	get(w, r, func() {
		v, err := acquire(m, name, version)
		if err != nil {
			writeError(w, statusOf(context.Background(), err), err.Error())
			return
		}
		defer v.release()
		if verb == "ready" {
			writeJSON(w, map[string]any{"name": name, "ready": true})
			return
		}
		writeJSON(w, v.metadata(name))
	})
}

// acquire gives the version that a request names, or the current one.
func acquire(m *served, name, version string) (*version, error) {
	if m == nil {
		return nil, fail(http.StatusNotFound, "no model %q is served", name)
	}
	v := m.acquire()
	switch {
	case v == nil:
		return nil, fail(http.StatusNotFound, "no model %q is served", name)
	case version != "" && version != v.id:
		defer v.release()
		return nil, fail(http.StatusNotFound, "model %q: have version %s, want %q", name, v.id, version)
	}
	return v, nil
}

func (s *Server) ready(w http.ResponseWriter) {
	if s.draining.Load() {
		writeError(w, http.StatusServiceUnavailable, "the server is draining")
		return
	}
	writeJSON(w, map[string]bool{"ready": true})
}

func get(w http.ResponseWriter, r *http.Request, f func()) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		writeError(w, http.StatusMethodNotAllowed, fmt.Sprintf("method %s: want GET", r.Method))
		return
	}
	f()
}

func writeJSON(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		writeError(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(b)
}

// maxMessage bounds the bytes of an error, which may quote the request.
const maxMessage = 1000

// clip takes the middle out of a message that is too long: the fault is at its end.
func clip(msg string) string {
	if len(msg) <= maxMessage {
		return msg
	}
	return strings.ToValidUTF8(msg[:maxMessage/2], "") + " ... " + strings.ToValidUTF8(msg[len(msg)-maxMessage/2:], "")
}

func writeError(w http.ResponseWriter, code int, msg string) {
	msg = clip(msg)
	b, _ := json.Marshal(map[string]string{"error": msg}) // a string always has a form
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(b)
}

type metadata struct {
	Name     string           `json:"name"`
	Versions []string         `json:"versions"`
	Platform string           `json:"platform"`
	Inputs   []tensorMetadata `json:"inputs"`
	Outputs  []tensorMetadata `json:"outputs"`
	// Parameters has the task of a model that takes pictures.
	Parameters map[string]string `json:"parameters,omitempty"`
}

type tensorMetadata struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
}

func serverMetadata() any {
	return map[string]any{"name": "mlc", "version": buildVersion(), "extensions": []string{"binary_tensor_data", "mlc_picture"}}
}

func buildVersion() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "devel"
}

func (v *version) metadata(name string) metadata {
	list := func(infos []runtime.Info) []tensorMetadata {
		out := make([]tensorMetadata, len(infos))
		for i, x := range infos {
			out[i] = tensorMetadata{x.Name, datatypeOf(x.Type.DType), extents(x.Type)}
		}
		return out
	}
	d := metadata{Name: name, Versions: []string{v.id}, Platform: "mlc", Inputs: list(v.inputs), Outputs: list(v.outputs)}
	if v.task != nil {
		d.Parameters = map[string]string{"task": v.task.Task().Kind()}
	}
	return d
}

// deadline is the request's end: the server's limit, or the client's own where
// that is earlier.
func (s *Server) deadline(start time.Time, r *request) time.Time {
	d := s.o.Timeout
	if m := time.Duration(r.micros) * time.Microsecond; r.micros > 0 && r.micros < int64(d/time.Microsecond) {
		d = m
	}
	return start.Add(d)
}
