package codegen_test

import (
	"context"
	"regexp"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/tools/corpus"
	"github.com/mlc-go/mlc/tools/need"
)

// m1 are the models that the first milestone promises.
const m1 = "^(mnist-cntk-8|squeezenet-fp16|ultraface-rfb-320|yunet-n-dynamic|blazeface-front-128|cyclone-unet|" +
	"orographic-drag|oww-hello-deepa|oww-embedding|byte-bidi-lstm|dtln-1)$"

func runCorpus(t *testing.T, e conform.Engine, match string) {
	t.Helper()
	o := conform.Options{Engine: e, Rtol: 1e-3, Atol: 1e-5, Filter: regexp.MustCompile(match),
		Tolerances: []conform.Rule{{Match: regexp.MustCompile("^squeezenet-fp16$"), Tol: tensor.Custom(1e-2, 1e-5), Reason: "weights and activations are f16"}}}
	sum, err := conform.Run(context.Background(), corpus.Archives(t), o, func(r conform.Result) {
		t.Logf("%s %s %.2fs %s", r.Status, r.Name, r.Took.Seconds(), r.Msg)
		if r.Status == conform.Failed {
			t.Errorf("%s: %s", r.Name, r.Msg)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Passed+sum.Failed == 0 {
		t.Fatal("no case ran")
	}
}

func TestCorpusReference(t *testing.T) {
	need.Time(t, "the reference runs real models")
	runCorpus(t, codegen.Reference(codegen.Options{}), m1)
}

func TestCorpusCPU(t *testing.T) {
	for _, level := range []string{"0", "2", "3"} {
		t.Run("O"+level, func(t *testing.T) { runCorpus(t, codegen.CPU(codegen.Options{Level: level}, 1), m1) })
	}
}
