package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"mime"
	"net/http"
	"runtime"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime/task"
)

const (
	maxBody   = 8 << 20          // bytes of an upload
	maxPixels = 16 << 20         // of a picture: a small file can hold a large one
	timeout   = 10 * time.Second // of a request, and for the last ones at the end
	form      = `<!doctype html><title>classify</title><form method="post" action="/classify" enctype="multipart/form-data">` +
		`<input type="file" name="picture" accept="image/png,image/jpeg"> <button>classify</button></form>`
)

// classifier answers POST with the classes of the picture that came.
type classifier struct {
	model *task.Model
	turns chan struct{} // holds a token for each picture in memory
}

func newClassifier(m *task.Model) *classifier {
	return &classifier{m, make(chan struct{}, runtime.GOMAXPROCS(0))}
}

func (c *classifier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	classes, err := c.classify(w, r)
	if err != nil {
		answer(w, statusOf(err), map[string]string{"error": err.Error()})
		return
	}
	answer(w, http.StatusOK, map[string][]task.Class{"classes": classes})
}

func (c *classifier) classify(w http.ResponseWriter, r *http.Request) ([]task.Class, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	b, err := upload(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	select {
	case c.turns <- struct{}{}:
		defer func() { <-c.turns }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if size, _, err := image.DecodeConfig(bytes.NewReader(b)); err == nil && int64(size.Width)*int64(size.Height) > maxPixels {
		return nil, diag.New(diag.Limit, "the picture has %d x %d pixels, want at most %d", size.Width, size.Height, maxPixels)
	}
	p, err := task.Decode(b)
	if err != nil {
		return nil, err
	}
	return c.model.Classify(ctx, p) // stops between kernels when ctx ends
}

// upload reads a picture that is the body, or the file of a form.
func upload(r *http.Request) ([]byte, error) {
	body := r.Body
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "multipart/form-data" {
		file, _, err := r.FormFile("picture")
		if err != nil {
			return nil, &diag.Error{Kind: diag.BadData, Err: fmt.Errorf("the form: want a file named picture: %w", err)}
		}
		defer r.MultipartForm.RemoveAll()
		defer file.Close()
		body = file
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, &diag.Error{Kind: diag.BadData, Err: fmt.Errorf("the body: %w", err)}
	}
	return b, nil
}

// statusOf says whose fault an error is: the kind of a diag.Error tells.
func statusOf(err error) int {
	var large *http.MaxBytesError
	switch kind := diag.KindOf(err); {
	case errors.As(err, &large) || kind == diag.Limit:
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	case kind == diag.BadData:
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

func answer(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // a score that is no number, which JSON does not have
		code, b = http.StatusInternalServerError, []byte(`{"error":"the scores are no numbers"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(append(b, '\n'))
}
