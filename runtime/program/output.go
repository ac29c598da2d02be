package program

import (
	"io"
	"sync"

	"github.com/mlc-go/mlc/ir/diag"
)

// Output is a standard output that remembers its first fault. Who prints piece by
// piece looks at no error; what was lost on a full disk must be told all the same.
// It is safe for concurrent use.
type Output struct {
	mu  sync.Mutex
	w   io.Writer
	err error
}

// NewOutput makes an Output that writes to w.
func NewOutput(w io.Writer) *Output { return &Output{w: w} }

// Write implements io.Writer; after a fault nothing more is written.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(b)
	if err != nil {
		o.err = diag.New(diag.Usage, "standard output: %v", err)
	}
	return n, o.err
}

// Err is the first fault, kind Usage; nil: all was written.
func (o *Output) Err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}
