package codegen_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand"
	"strconv"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/quant"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/tools/corpus"
)

// keywords are the labelled samples of the keyword-spotting set.
type keywords struct {
	model  []byte
	x      tensor.Tensor // f32[1000,49,10,1]
	labels []int
}

func loadKeywords(t *testing.T) *keywords {
	data := corpus.Open(t, "data/tinyml.tar.zst")
	read := func(name string) []byte {
		b, err := fs.ReadFile(data, "tinyml/kws/"+name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	mfcc, err := tensor.ReadNPY(bytes.NewReader(read("mfcc_i8.npy")), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	k := &keywords{model: read("kws_ds_cnn_float.onnx"), x: tensor.New(dtype.F32, 1000, 49, 10, 1)}
	for i := range k.x.Len() {
		tensor.Slice[float32](&k.x)[i] = float32(mfcc.Int(i)) * 0.336
	}
	rows, err := csv.NewReader(bytes.NewReader(read("labels.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows[1:] {
		l, err := strconv.Atoi(r[2])
		if err != nil {
			t.Fatal(err)
		}
		k.labels = append(k.labels, l)
	}
	return k
}

// rows gives samples as batches.
type rowSamples struct {
	x    *tensor.Tensor
	rows []int
	size int
}

func (s *rowSamples) Next() ([]tensor.Value, string, error) {
	n := min(s.size, len(s.rows))
	if n == 0 {
		return nil, "", io.EOF
	}
	dims := append([]int{n}, s.x.Dims()[1:]...)
	b := tensor.New(dtype.F32, dims...)
	w := s.x.Len() / s.x.Dim(0)
	for i, r := range s.rows[:n] {
		copy(tensor.Slice[float32](&b)[i*w:(i+1)*w], tensor.Slice[float32](s.x)[r*w:])
	}
	where := "sample " + strconv.Itoa(s.rows[0])
	s.rows = s.rows[n:]
	return []tensor.Value{tensor.V(b)}, where, nil
}

func (k *keywords) quantize(t *testing.T, c quant.Config, rows []int) *codegen.Quantized {
	t.Helper()
	open := func([]conform.Port) (quant.Samples, error) { return &rowSamples{&k.x, rows, 10}, nil }
	q, err := codegen.Quantize(context.Background(), codegen.Bytes(k.model), codegen.QuantizeOptions{Config: c, Threads: 1, Samples: open, Compare: open})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// classes runs a module over all samples.
func (k *keywords) classes(t *testing.T, src codegen.Source) []int {
	t.Helper()
	a, err := codegen.Build(context.Background(), src, codegen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := a.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	m, err := runtime.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var out []int
	s := &rowSamples{&k.x, seq(1000), 50}
	for {
		in, _, err := s.Next()
		if err != nil {
			return out
		}
		res, err := m.Run(context.Background(), map[string]tensor.Tensor{m.Inputs()[0].Name: in[0].Tensor})
		if err != nil {
			t.Fatal(err)
		}
		y := res[m.Outputs()[0].Name]
		for i := range y.Dim(0) {
			best := 0
			for c := range 12 {
				if y.Float(i*12+c) > y.Float(i*12+best) {
					best = c
				}
			}
			out = append(out, best)
		}
	}
}

func seq(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// TestKeywordQuantized: static int8 of the keyword-spotting net, calibrated on
// 100 samples and tested on the other 900, loses at most one point and agrees
// with the float net on 95 %, in each of five draws and by each method.
func TestKeywordQuantized(t *testing.T) {
	k := loadKeywords(t)
	float := k.classes(t, codegen.Bytes(k.model))
	for draw := range 5 {
		for _, c := range []quant.Config{{}, {Method: "percentile:99.99"}, {Signed: true}} {
			perm := rand.New(rand.NewSource(int64(draw))).Perm(1000)
			q := k.quantize(t, c, perm[:100])
			got := k.classes(t, codegen.Graph(q.Module))
			rightF, rightQ, same := 0, 0, 0
			for _, i := range perm[100:] {
				if float[i] == k.labels[i] {
					rightF++
				}
				if got[i] == k.labels[i] {
					rightQ++
				}
				if float[i] == got[i] {
					same++
				}
			}
			lost, agree := float64(rightF-rightQ)/9, float64(same)/9
			t.Logf("draw %d %+v: float %.2f %%, int8 %.2f %%, agreement %.2f %%", draw, c, float64(rightF)/9, float64(rightQ)/9, agree)
			if lost > 1 || agree < 95 {
				t.Errorf("draw %d %+v: lost %.2f points, agreement %.2f %%", draw, c, lost, agree)
			}
			if len(q.Report.Layers) < 10 || q.Report.Samples != 10 {
				t.Errorf("report of %d layers over %d runs", len(q.Report.Layers), q.Report.Samples)
			}
		}
	}
}

// TestCalibrationRefuses: what is not a finite number is named.
func TestCalibrationRefuses(t *testing.T) {
	k := loadKeywords(t)
	var zero float32
	tensor.Slice[float32](&k.x)[7*490+3] = zero / zero
	open := func([]conform.Port) (quant.Samples, error) { return &rowSamples{&k.x, seq(20), 5}, nil }
	_, err := codegen.Quantize(context.Background(), codegen.Bytes(k.model), codegen.QuantizeOptions{Samples: open})
	var e *diag.Error
	if !errors.As(err, &e) || e.Kind != diag.BadData || !strings.Contains(err.Error(), "sample 5") || !strings.Contains(err.Error(), "element 983") {
		t.Errorf("have %v", err)
	}
	none := func([]conform.Port) (quant.Samples, error) { return &rowSamples{&k.x, nil, 5}, nil }
	if _, err := codegen.Quantize(context.Background(), codegen.Bytes(k.model), codegen.QuantizeOptions{Samples: none}); err == nil || !strings.Contains(err.Error(), "no sample to calibrate on") {
		t.Errorf("have %v", err)
	}
}

// closed says how often samples were closed.
type closed struct {
	rowSamples
	n *int
}

func (c *closed) Close() error { *c.n++; return nil }

// Samples are closed, also where calibration fails half-way.
func TestQuantizeCloses(t *testing.T) {
	k := loadKeywords(t)
	for _, bad := range []bool{false, true} {
		n, x := 0, k.x.Clone()
		if bad {
			x.SetFloat(x.Len()/x.Dim(0)*7, math.NaN())
		}
		open := func([]conform.Port) (quant.Samples, error) { return &closed{rowSamples{&x, seq(20), 5}, &n}, nil }
		q, err := codegen.Quantize(context.Background(), codegen.Bytes(k.model), codegen.QuantizeOptions{Threads: 1, Samples: open, Compare: open})
		want := 2
		if bad {
			want = 1
		} else if err == nil {
			q.Close()
		}
		if (err != nil) != bad || n != want {
			t.Errorf("NaN %v: closed %d times, want %d (%v)", bad, n, want, err)
		}
	}
}
