package train_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/verify"
)

// blobs are images whose class is the place of a bright spot.
func blobs(t testing.TB, n, classes, size int, d dtype.DType) data.Dataset {
	r := rand.New(rand.NewPCG(7, 7))
	x, y := tensor.New(d, n, 1, size, size), tensor.New(dtype.I64, n)
	for i := range n {
		c := r.IntN(classes)
		y.SetInt(i, int64(c))
		cy, cx := (c/3)*size/4+2, (c%3)*size/4+2
		for k := range size * size {
			v := r.Float64() * 0.5
			if dy, dx := k/size-cy, k%size-cx; dy*dy+dx*dx <= 4 {
				v += 1
			}
			x.SetFloat(i*size*size+k, v)
		}
	}
	s, err := data.NewTable([]data.Field{{Name: "image", DType: d, Dims: []int{1, size, size}}, {Name: "class", DType: dtype.I64, Target: true}}, []tensor.Tensor{x, y}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func lenet(t testing.TB, d dtype.DType) *ir.Module {
	m, err := nn.Named("lenet", nn.Input{Dims: []int{1, 28, 28}}, 9, nn.Options{Seed: 1, DType: d})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestLeNetSmoke(t *testing.T) {
	m := lenet(t, dtype.F32)
	s, err := train.Step(m, train.Config{Optimizer: train.Adam})
	if err != nil {
		t.Fatal(err)
	}
	if err := verify.Module(s); err != nil {
		t.Fatal(err)
	}
	set := blobs(t, 256, 9, 28, dtype.F32)
	for _, c := range []struct {
		name string
		x    ir.Executor
	}{{"eval", eval.New()}, {"cpu", codegen.NewExecutor(codegen.Options{}, 2)}} {
		h, err := train.Fit(context.Background(), c.x, m, set, set, train.Config{Optimizer: train.Adam, Batch: 32, Epochs: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range h.Epochs {
			t.Log(c.name, e.N, e.Loss, e.Top1, *e.Val, e.Took)
		}
	}
}

var (
	profileFlag  = flag.String("profile-model", "lenet", "model by name whose training step BenchmarkProfile takes apart")
	profileDims  = flag.String("profile-dims", "1,28,28", "extents of its samples")
	profileCores = flag.Int("profile-threads", 2, "threads it runs on")
)

// BenchmarkProfile prints where a step's time goes, whatever b.N.
func BenchmarkProfile(t *testing.B) {
	name := *profileFlag
	var in []int
	for _, f := range strings.Split(*profileDims, ",") {
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, n)
	}
	m, err := nn.Named(name, nn.Input{Dims: in}, 9, nn.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	s, err := train.Step(m, train.Config{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := codegen.NewExecutor(codegen.Options{}, *profileCores).Compile(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	label := tensor.New(dtype.I64, 64)
	img, _ := tensor.Random(dtype.F32, 1, append([]int{64}, in...)...)
	lr := tensor.Scalar(dtype.F32, 0.01)
	args := tensor.Vs(img, label, lr)
	sum := map[string]time.Duration{}
	var total time.Duration
	least := time.Hour
	for i := range 120 {
		if i == 10 {
			clear(sum)
			total = 0
			x.(codegen.Profiler).Profile(func(op, source string, took time.Duration) {
				k := op + " " + source
				if old, ok := sum[k]; !ok || took < old {
					sum[k] = took
				}
			})
		}
		t0 := time.Now()
		if _, err := x.Run(context.Background(), args); err != nil {
			t.Fatal(err)
		}
		total += time.Since(t0)
		least = min(least, time.Since(t0))
	}
	var keys []string
	for k := range sum {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return int(sum[b] - sum[a]) })
	var all time.Duration
	for _, k := range keys {
		all += sum[k]
		fmt.Printf("%10v  %s\n", sum[k], k)
	}
	fmt.Println("step", total/110, "least", least, "least of each", all)
}
