package onnx

import (
	"context"
	"path"
	"testing"
	"testing/fstest"

	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/tools/need"
)

// milestoneModels are the models of the corpus that import, and what their
// recorded outputs may differ from those of the reference functions.
var milestoneModels = []struct {
	name string
	tol  tensor.Tol
}{
	{"mnist-cntk-8", tensor.Close},
	{"squeezenet-fp16", tensor.Custom(1e-2, 1e-5)}, // recorded by an engine that rounds to f16 elsewhere
	{"ultraface-rfb-320", tensor.Close},
	{"yunet-n-dynamic", tensor.Close},
	{"blazeface-front-128", tensor.Close},
	{"cyclone-unet", tensor.Close},
	{"orographic-drag", tensor.Close},
	{"oww-hello-deepa", tensor.Close},
	{"oww-embedding", tensor.Close},
	{"byte-bidi-lstm", tensor.Close},
	{"dtln-1", tensor.Close},
}

func TestCorpusModels(t *testing.T) {
	need.Time(t, "most of a minute")
	seen := map[string]bool{}
	for _, archive := range []string{"real-onnx-0", "real-onnx-1", "real-onnx-2"} {
		files := shared(t, "corpus/"+archive+".tar.zst")
		for _, m := range milestoneModels {
			if files[m.name+"/model.onnx"] == nil {
				continue
			}
			seen[m.name] = true
			t.Run(m.name, func(t *testing.T) {
				if err := runRecorded(t, files, m.name, m.tol); err != nil {
					t.Error(err)
				}
			})
		}
	}
	for _, m := range milestoneModels {
		if !seen[m.name] {
			t.Errorf("%s is in no archive", m.name)
		}
	}
}

// runRecorded imports dir/model.onnx and compares every recorded set with
// what the interpreter gives.
func runRecorded(t *testing.T, files fstest.MapFS, dir string, tol tensor.Tol) error {
	t.Helper()
	raw, err := Decode(files, path.Join(dir, "model.onnx"), DecodeOptions{})
	if err != nil {
		return err
	}
	defer raw.Close()
	m, err := Import(context.Background(), raw, ImportOptions{Ops: op.Builtin()})
	if err != nil {
		return err
	}
	sets := dataSets(t, files, dir)
	for _, set := range sets {
		if err := compareRun(m, set, tol); err != nil {
			return err
		}
	}
	return nil
}
