package codegen

import (
	"errors"
	"io"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime/artifact"
)

// Write streams the artifact to w, constants packed one at a time, and gives
// its size in bytes.
func (a *Artifact) Write(w io.WriteSeeker) (int64, error) {
	if a.program == nil {
		return 0, diag.New(diag.Usage, "the build stopped before the plan")
	}
	return artifact.Write(w, a.program, a.recipe)
}

// Bytes is Write into memory.
func (a *Artifact) Bytes() ([]byte, error) {
	var w buffer
	if _, err := a.Write(&w); err != nil {
		return nil, err
	}
	return w.b, nil
}

// buffer is an io.WriteSeeker in memory.
type buffer struct {
	b  []byte
	at int
}

// Write implements io.Writer.
func (w *buffer) Write(p []byte) (int, error) {
	if n := w.at + len(p); n > len(w.b) {
		w.b = append(w.b, make([]byte, n-len(w.b))...)
	}
	copy(w.b[w.at:], p)
	w.at += len(p)
	return len(p), nil
}

// Seek implements io.Seeker.
func (w *buffer) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += int64(w.at)
	case io.SeekEnd:
		off += int64(len(w.b))
	}
	if off < 0 || off > int64(len(w.b)) {
		return 0, errors.New("seek outside the buffer")
	}
	w.at = int(off)
	return off, nil
}
