// Command http is a web service with a model inside: it takes pictures and
// answers with JSON. It needs the runtime only; the compiler is not linked.
//
//	go run ./tools/mlc build testdata/models/digits.onnx --task examples/classify/digits.json -o digits.mlc
//	go run ./examples/http -model digits.mlc -http 127.0.0.1:8080
//	curl --data-binary @examples/classify/testdata/seven.png http://127.0.0.1:8080/classify
//
// http://127.0.0.1:8080/ has a form for browsers. Beside it, in the same mux,
// the Open Inference Protocol answers under /oip/ to those who send tensors:
//
//	curl http://127.0.0.1:8080/oip/v2/models/digits
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mlc-go/mlc/runtime/serve"
	"github.com/mlc-go/mlc/runtime/task"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "http:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, and then lets requests in flight finish.
func run(ctx context.Context, args []string, w io.Writer) error {
	f := flag.NewFlagSet("http", flag.ExitOnError)
	model := f.String("model", "", "artifact with a task that classifies (mlc build --task)")
	addr := f.String("http", "127.0.0.1:8080", "address to listen on")
	f.Parse(args)
	if *model == "" || f.NArg() != 0 {
		return fmt.Errorf("want a model: http -model FILE.mlc [-http ADDRESS]")
	}

	// For an artifact inside the program: //go:embed, then runtime.Decode.
	m, err := serve.LoadArtifact(ctx, *model)
	if err != nil {
		return err
	}
	defer m.Close()
	t, err := task.Open(m)
	if err != nil {
		return err
	}
	if t.Task().Classify == nil {
		return fmt.Errorf("%s finds objects, it does not classify", *model)
	}

	oip, err := serve.New(serve.Options{MaxBody: maxBody, Timeout: timeout})
	if err != nil {
		return err
	}
	defer oip.Close()
	if err := oip.Add(ctx, strings.TrimSuffix(filepath.Base(*model), ".mlc"), *model); err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.Handle("POST /classify", newClassifier(t))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, form) })
	mux.Handle("/oip/", http.StripPrefix("/oip", oip.Handler()))

	l, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "listening on http://%s\n", l.Addr())
	return serveUntil(ctx, l, mux, oip)
}

// serveUntil answers until ctx ends.
func serveUntil(ctx context.Context, l net.Listener, h http.Handler, oip *serve.Server) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: timeout, WriteTimeout: 2 * timeout, IdleTimeout: time.Minute}
	var bg sync.WaitGroup
	watch, stop := context.WithCancel(ctx)
	bg.Go(func() { oip.Watch(watch) }) // replaces the protocol's model when its file changes
	defer bg.Wait()
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := s.Shutdown(end); errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("requests were cut off after %v", timeout)
	} else if err != nil {
		return err
	}
	return nil
}
