package data

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Digest writes to w what tells d from other data: its recorded fields and a
// SHA-256 of all that each holds, in order. Derived fields follow from them.
func Digest(w io.Writer, d Dataset) error {
	d = recorded(d)
	sums := make([]hash.Hash, len(d.Fields()))
	for i := range sums {
		sums[i] = sha256.New()
	}
	err := scan(d, func(_ int, b []tensor.Tensor) error {
		for i := range b {
			hashSamples(sums[i], &b[i], 0, b[i].Dim(0))
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(w, d.Len())
	for i, f := range d.Fields() {
		fmt.Fprintf(w, "%q %v %v %v %q %x\n", f.Name, f.DType, f.Dims, f.Target, f.Classes, sums[i].Sum(nil))
	}
	return nil
}

// hashSamples writes n samples of a batch from k on.
func hashSamples(w io.Writer, t *tensor.Tensor, k, n int) {
	if t.DType() == dtype.String {
		c := len(t.Strings()) / t.Dim(0)
		for _, s := range t.Strings()[k*c : (k+n)*c] {
			binary.Write(w, binary.LittleEndian, int64(len(s)))
			io.WriteString(w, s)
		}
		return
	}
	c := len(t.Bytes()) / t.Dim(0)
	w.Write(t.Bytes()[k*c : (k+n)*c])
}
