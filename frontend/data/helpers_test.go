package data_test

import (
	"archive/zip"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/mlc-go/mlc/ir/tensor"
)

// writeNPZ writes arrays as numpy.savez does: a zip of .npy files.
func writeNPZ(t *testing.T, file string, arrays map[string]tensor.Tensor) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	for _, name := range slices.Sorted(maps.Keys(arrays)) {
		w, err := z.Create(name + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		if err := tensor.WriteNPY(w, arrays[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}
