package serve

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// bounds are the upper ends of the latency histogram's buckets in seconds.
var bounds = [...]float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// counters of the requests for one model. The fields are read one by one: a
// scrape between two additions is off by that request.
type counters struct {
	codes   [600]atomic.Uint64
	buckets [len(bounds) + 1]atomic.Uint64
	nanos   atomic.Uint64
}

func (c *counters) add(code int, took time.Duration) {
	if code < 0 || code >= len(c.codes) {
		code = http.StatusInternalServerError
	}
	c.codes[code].Add(1)
	i, s := 0, took.Seconds()
	for i < len(bounds) && s > bounds[i] {
		i++
	}
	c.buckets[i].Add(1)
	c.nanos.Add(uint64(took))
}

// metrics writes everything in Prometheus' text form. Model names need no
// escaping: nameRE.
func (s *Server) metrics(b *bytes.Buffer) {
	head := func(name, kind, help string) { fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }
	type entry struct {
		name string
		c    *counters
		m    *served
	}
	var all []entry
	for _, n := range s.Models() {
		if m := s.model(n); m != nil {
			all = append(all, entry{n, &m.counters, m})
		}
	}
	head("mlc_requests_total", "counter", "Inference requests by model and status code; no model: the name is not served.")
	for _, e := range append(all, entry{c: &s.unknown}) {
		for code := range e.c.codes {
			if n := e.c.codes[code].Load(); n > 0 || code == http.StatusOK && e.m != nil {
				fmt.Fprintf(b, "mlc_requests_total{model=%q,code=\"%d\"} %d\n", e.name, code, n)
			}
		}
	}
	head("mlc_request_duration_seconds", "histogram", "Time from a request's header to its answer's last byte.")
	for _, e := range all {
		n := uint64(0)
		for i := range e.c.buckets {
			n += e.c.buckets[i].Load()
			le := "+Inf"
			if i < len(bounds) {
				le = strconv.FormatFloat(bounds[i], 'g', -1, 64)
			}
			fmt.Fprintf(b, "mlc_request_duration_seconds_bucket{model=%q,le=%q} %d\n", e.name, le, n)
		}
		fmt.Fprintf(b, "mlc_request_duration_seconds_sum{model=%q} %g\n", e.name, time.Duration(e.c.nanos.Load()).Seconds())
		fmt.Fprintf(b, "mlc_request_duration_seconds_count{model=%q} %d\n", e.name, n)
	}
	head("mlc_requests_in_flight", "gauge", "Inference requests that are let in and not answered.")
	fmt.Fprintf(b, "mlc_requests_in_flight %d\n", s.inFlight.Load())
	head("mlc_requests_queued", "gauge", "Of those, requests that wait to run.")
	fmt.Fprintf(b, "mlc_requests_queued %d\n", s.queued.Load())
	head("mlc_body_bytes", "gauge", "Memory that the bodies of requests in flight took.")
	fmt.Fprintf(b, "mlc_body_bytes %d\n", s.bodies.Load())
	head("mlc_model_loaded", "gauge", "1 for a model that can answer.")
	for _, e := range all {
		loaded := 0
		if _, ok := e.m.current(); ok {
			loaded = 1
		}
		fmt.Fprintf(b, "mlc_model_loaded{model=%q} %d\n", e.name, loaded)
	}
	head("mlc_model_version", "gauge", "Number of the version that answers.")
	for _, e := range all {
		n, _ := e.m.current()
		fmt.Fprintf(b, "mlc_model_version{model=%q} %d\n", e.name, n)
	}
	head("mlc_model_loads_total", "counter", "Loads of a model's file by result.")
	for _, e := range all {
		fmt.Fprintf(b, "mlc_model_loads_total{model=%q,result=\"ok\"} %d\n", e.name, e.m.loads.Load())
		fmt.Fprintf(b, "mlc_model_loads_total{model=%q,result=\"error\"} %d\n", e.name, e.m.loadErrors.Load())
	}
}
