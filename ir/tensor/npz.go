package tensor

import (
	"archive/zip"
	"fmt"
	"io"
	"strings"
)

// Named is a tensor under the name that a file gives it.
type Named struct {
	Name   string
	Tensor Tensor
}

// maxNPZEntries bounds the number of arrays in one file.
const maxNPZEntries = 1 << 16

// ReadNPZ reads the arrays of a .npz file of size bytes, in the order of the
// file; other entries are passed over. Together they may take limit bytes
// (0: no limit).
func ReadNPZ(r io.ReaderAt, size, limit int64) ([]Named, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("npz: %w", err)
	}
	if len(z.File) > maxNPZEntries {
		return nil, fmt.Errorf("npz: have %d entries, want at most %d", len(z.File), maxNPZEntries)
	}
	var out []Named
	left := limit
	for _, f := range z.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue
		}
		t, err := readNPZEntry(f, left, limit > 0)
		if err != nil {
			return nil, fmt.Errorf("npz: %s: %w", f.Name, err)
		}
		left -= int64(len(t.b))
		for _, x := range t.strs {
			left -= int64(len(x)) + stringBytes
		}
		out = append(out, Named{name, t})
	}
	return out, nil
}

func readNPZEntry(f *zip.File, left int64, limited bool) (Tensor, error) {
	if limited && left <= 0 {
		return Tensor{}, fmt.Errorf("the arrays before it take all of the limit")
	}
	r, err := f.Open()
	if err != nil {
		return Tensor{}, err
	}
	defer r.Close()
	if !limited {
		left = 0
	}
	t, err := ReadNPY(r, left)
	if err != nil {
		return t, err
	}
	// Reading to the end makes the zip reader compare the checksum.
	if _, err := io.Copy(io.Discard, io.LimitReader(r, 1<<16)); err != nil {
		return t, err
	}
	return t, nil
}
