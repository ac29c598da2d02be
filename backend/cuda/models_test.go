package cuda_test

import (
	"context"
	"io/fs"
	"regexp"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/plan"
	"github.com/mlc-go/mlc/tools/corpus"
	"github.com/mlc-go/mlc/tools/gpu"
	"github.com/mlc-go/mlc/tools/need"
)

// onDevice builds for CUDA and runs in ptxsim, every check on, or on a GPU.
func onDevice() codegen.Options {
	return codegen.Options{Target: "cuda", Device: gpu.Device()}
}

// TestModels: real models give their recorded outputs.
func TestModels(t *testing.T) {
	need.Time(t, "an interpreter runs real models")
	o := conform.Options{Engine: codegen.CPU(onDevice(), 1), Rtol: 1e-3, Atol: 1e-5,
		Filter: regexp.MustCompile("^(mnist-cntk-8|oww-hello-deepa|orographic-drag|byte-bidi-lstm|dtln-1|yunet-n-dynamic|blazeface-front-128)$")}
	sum, err := conform.Run(context.Background(), corpus.Archives(t), o, func(r conform.Result) {
		t.Logf("%s %s %.2fs %s", r.Status, r.Name, r.Took.Seconds(), r.Msg)
		if r.Status == conform.Failed {
			t.Errorf("%s: %s", r.Name, r.Msg)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Passed != 7 {
		t.Errorf("%d models passed, want 7", sum.Passed)
	}
}

// TestKeywords: the keyword-spotting net gives the probabilities that
// onnxruntime gave for the first samples.
func TestKeywords(t *testing.T) {
	data := corpus.Open(t, "data/tinyml.tar.zst")
	npy := func(name string) tensor.Tensor {
		f, err := data.Open("tinyml/kws/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		x, err := tensor.ReadNPY(f, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	file, err := fs.ReadFile(data, "tinyml/kws/kws_ds_cnn_float.onnx")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	a, err := codegen.Build(ctx, codegen.Bytes(file), codegen.Options{Stop: codegen.StageImport})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	x, err := codegen.NewExecutor(onDevice(), 1).Compile(ctx, a.Module())
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	const n, size = 5, 49 * 10
	mfcc, want := npy("mfcc_i8.npy"), npy("prob_float_first100.npy")
	in := tensor.New(dtype.F32, n, 49, 10, 1)
	for i := range n * size {
		in.SetFloat(i, float64(float32(mfcc.Int(i))*0.336))
	}
	got, err := x.Run(ctx, []tensor.Value{tensor.V(in)})
	if err != nil {
		t.Fatal(err)
	}
	head := tensor.New(dtype.F32, n, 12)
	for i := range n * 12 {
		head.SetFloat(i, want.Float(i))
	}
	if err := tensor.Custom(1e-3, 1e-5).Compare(got[0], tensor.V(head)); err != nil {
		t.Error(err)
	}
}

// m1 are the models of the first milestone, with the symbols that have to be
// bound for coverage to mean something.
var m1 = []string{"mnist-cntk-8", "squeezenet-fp16", "ultraface-rfb-320", "yunet-n-dynamic", "blazeface-front-128", "cyclone-unet",
	"orographic-drag", "oww-hello-deepa", "oww-embedding", "byte-bidi-lstm", "dtln-1"}

// TestCoverage: of each model at least 99 % of the multiply-adds run on the
// device.
func TestCoverage(t *testing.T) {
	for name, c := range corpus.Cases(t, m1...) {
		a, err := codegen.Build(context.Background(), codegen.FS(c.FS, c.Model), codegen.Options{Target: "cuda"})
		if err != nil {
			t.Fatal(err)
		}
		var there, all int64
		for _, f := range a.Program().Funcs {
			for i := range f.Body {
				all += f.Body[i].MACs
				if f.Body[i].Op == plan.Launch {
					there += f.Body[i].MACs
				}
			}
		}
		if all == 0 || float64(there) < 0.99*float64(all) {
			t.Errorf("%s: %d of %d multiply-adds on the device", name, there, all)
		}
		a.Close()
	}
}
