// Command peers exports models of the corpus for tools/peers/export.py to run
// in another engine: it imports each, exports it again, and puts the recorded
// data beside it, so that the folders are complete. The Python programs beside
// it hold the checks; they are no part of go test.
//
//	go run ./tools/peers -out DIR [-opset N] [-shared DIR] [NAME...]
//	python3 tools/peers/export.py DIR
//
// With -examples it exports the examples of the operator table instead (with
// -tflite as TensorFlow Lite files, for litert.py, as -graphs, perhaps of an -open batch
// or -int8, and -corners do), with
// -losses it writes training runs for losses.py, with -keywords the net and the
// samples that quantize.py and qnodes.py want.
package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	export "github.com/mlc-go/mlc/codegen/onnx"
	"github.com/mlc-go/mlc/frontend/onnx"
	"github.com/mlc-go/mlc/ir/op"
)

func main() {
	out := flag.String("out", "", "folder to write to")
	opset := flag.Int("opset", export.DefaultOpset, "of the exports")
	shared := flag.String("shared", filepath.Join("..", "shared"), "folder that holds corpus/ and data/")
	table := flag.Bool("examples", false, "export the examples of the operator table")
	runs := flag.Bool("losses", false, "write training runs")
	lenet := flag.Bool("epochs", false, "train LeNet on -out/{x,y}.npy, an epoch for each line of standard input")
	threads := flag.Int("threads", 0, "of -epochs; 0: all")
	lite := flag.Bool("tflite", false, "with -examples: as TensorFlow Lite files")
	graphs := flag.Int("graphs", 0, "write so many random graphs as TensorFlow Lite files")
	var form graphForm
	flag.IntVar(&form.seed, "seed", 0, "of the first of -graphs")
	flag.BoolVar(&form.open, "open", false, "-graphs of an open batch, with data for 1, 3 and 8")
	flag.BoolVar(&form.int8, "int8", false, "-graphs quantized; those without a product are left out")
	forms := flag.Bool("corners", false, "write the models of corners.txtar as TensorFlow Lite files")
	kws := flag.Bool("keywords", false, "write the keyword-spotting net and its samples")
	flag.Parse()
	if *out == "" {
		fmt.Fprintln(os.Stderr, "peers: -out is needed")
		os.Exit(2)
	}
	var special func() error
	switch {
	case *runs:
		special = func() error { return losses(*out) }
	case *graphs > 0:
		special = func() error { return litertGraphs(*out, *graphs, form) }
	case *forms:
		special = func() error { return litertCorners(*out) }
	case *table && *lite:
		special = func() error { return litertExamples(*out) }
	case *table:
		special = func() error { return examples(*out, *opset) }
	case *lenet:
		special = func() error { return epochs(*out, *threads, os.Stdin, os.Stdout) }
	case *kws:
		special = func() error { return keywords(*out, *shared) }
	}
	if special != nil {
		if err := special(); err != nil {
			fmt.Fprintln(os.Stderr, "peers:", err)
			os.Exit(1)
		}
		return
	}
	archives, err := filepath.Glob(filepath.Join(*shared, "corpus", "real-onnx-*.tar.zst"))
	if err != nil || len(archives) == 0 {
		fmt.Fprintf(os.Stderr, "peers: no corpus in %s (%v)\n", *shared, err)
		os.Exit(1)
	}
	failed := false
	for _, a := range archives {
		files, err := unpack(a)
		if err != nil {
			fmt.Fprintln(os.Stderr, "peers:", err)
			os.Exit(1)
		}
		for _, name := range models(files, flag.Args()) {
			if err := one(files, name, *out, *opset); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
				failed = true
			}
		}
	}
	if failed {
		os.Exit(1)
	}
}

// models are those asked for, or all, in order.
func models(files map[string][]byte, only []string) []string {
	var out []string
	for name := range files {
		dir := path.Dir(name)
		if path.Base(name) == "model.onnx" && (len(only) == 0 || slices.Contains(only, dir)) {
			out = append(out, dir)
		}
	}
	slices.Sort(out)
	return out
}

func one(files map[string][]byte, name, out string, opset int) error {
	raw, err := onnx.DecodeBytes(files[name+"/model.onnx"], nil, onnx.DecodeOptions{})
	if err != nil {
		return err
	}
	defer raw.Close()
	ops := op.Builtin()
	m, err := onnx.Import(context.Background(), raw, onnx.ImportOptions{Ops: ops})
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	if err := export.Export(&buf, m, export.Options{Opset: opset, Ops: ops}); err != nil {
		return err
	}
	if err := put(filepath.Join(out, name, "model.onnx"), buf.Bytes()); err != nil {
		return err
	}
	for file, b := range files {
		if strings.HasPrefix(file, name+"/test_data_set_") {
			if err := put(filepath.Join(out, filepath.FromSlash(file)), b); err != nil {
				return err
			}
		}
	}
	return nil
}

func put(file string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}

func unpack(file string) (map[string][]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	out := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeReg {
			if out[path.Clean(h.Name)], err = io.ReadAll(r); err != nil {
				return nil, err
			}
		}
	}
}
