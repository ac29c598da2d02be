package exe

import (
	"bytes"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime/program"
)

// TestWrite: the parts lie where the reader looks, and the same input gives the
// same bytes.
func TestWrite(t *testing.T) {
	art := []byte("\x7fMLC\r\n\x1a\n and more")
	var a, b bytes.Buffer
	for _, w := range []*bytes.Buffer{&a, &b} {
		if n, err := Write(w, make([]byte, program.Align+1), art); err != nil || n != int64(w.Len()) {
			t.Fatal(n, err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two executables of the same parts differ")
	}
	have, tr, err := program.Artifact(a.Bytes())
	if err != nil || !bytes.Equal(have, art) || tr.Offset != 2*program.Align {
		t.Errorf("have %q at %v, %v", have, tr, err)
	}
	if _, err := Write(&a, nil, []byte("no artifact")); diag.KindOf(err) != diag.Internal {
		t.Errorf("no artifact: %v", err)
	}
}
