package cli_test

import (
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/tools/need"
)

// The commands of docs/training.md run as they stand there, on small data of
// the same forms: what they come to on the real ones is for tools/full.
func TestTrainingDoc(t *testing.T) {
	need.Command(t, "bash", "the documented commands are for it")
	dir := t.TempDir()
	commandOnPath(t, dir)
	pictures(t, dir, "train", 200)
	pictures(t, dir, "t10k", 50)
	table(t, filepath.Join(dir, "iris.csv"), 4)
	table(t, filepath.Join(dir, "wine_data.csv"), 13)
	ran := 0
	for _, f := range fences(t, "../../../docs/training.md") {
		if f.lang != "sh" {
			continue
		}
		f.text = fmt.Sprintf("MNIST='%s' FASHION='%[1]s' TABLES='%[1]s'\n", dir) + f.text
		shell(t, dir, &f)
		ran++
	}
	if ran < 4 {
		t.Errorf("%d blocks of commands found", ran)
	}
	for _, m := range []string{"lenet.onnx", "fashion.onnx", "iris.onnx", "wine.onnx", "confusion.csv"} {
		if _, err := os.Stat(filepath.Join(dir, m)); err != nil {
			t.Error(err)
		}
	}
	// Two columns tell the classes apart by far, through their normalization.
	for _, m := range []string{"iris", "wine"} {
		csv := map[string]string{"iris": "iris.csv", "wine": "wine_data.csv"}[m]
		out := shell(t, dir, &fence{file: "score", text: fmt.Sprintf("mlc eval %s.onnx --data '%s?skip=1&header=no'\n", m, csv)})
		if !strings.HasPrefix(out, "top1 0.9") && !strings.HasPrefix(out, "top1 1\n") {
			t.Errorf("%s: %s", m, out)
		}
	}
}

// pictures writes n pictures of 28 by 28 with labels, as MNIST has them.
func pictures(t *testing.T, dir, name string, n int) {
	t.Helper()
	put := func(file string, kind []byte, body []byte, dims ...uint32) {
		f, err := os.Create(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		z := gzip.NewWriter(f)
		z.Write(append(kind, byte(len(dims))))
		binary.Write(z, binary.BigEndian, dims)
		z.Write(body)
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	images, labels := make([]byte, n*28*28), make([]byte, n)
	for i := range images {
		images[i] = byte(rng.Uint32())
	}
	for i := range labels {
		labels[i] = byte(i % 10)
	}
	put(name+"-images-idx3-ubyte.gz", []byte{0, 0, 8}, images, uint32(n), 28, 28)
	put(name+"-labels-idx1-ubyte.gz", []byte{0, 0, 8}, labels, uint32(n))
}

// table writes a CSV as sklearn ships them: a first line of counts and names,
// then rows of numbers and a class. The columns lie orders of magnitude apart.
func table(t *testing.T, file string, columns int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(columns), 1))
	var b strings.Builder
	fmt.Fprintf(&b, "90,%d,setosa,versicolor,virginica\n", columns)
	for i := range 90 {
		class := i % 3
		for c := range columns {
			v := rng.NormFloat64()
			if c < 2 {
				v += float64(4 * ((class + c) % 3))
			}
			fmt.Fprintf(&b, "%.3f,", (v+20)*[]float64{1, 1000, 0.1}[c%3])
		}
		fmt.Fprintf(&b, "%d\n", class)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
