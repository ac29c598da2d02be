package main

import (
	"context"
	"encoding/binary"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mlc-go/mlc"
	"github.com/mlc-go/mlc/ir/build"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/tools/corpus"
)

// wav is a recording of samples.
func wav(samples []byte) []byte {
	b := append([]byte("RIFF"), 0, 0, 0, 0)
	b = append(b, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(samples)))
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8+len(samples)))
	return append(b, samples...)
}

// folder holds the network, the four recordings of data/tinyml, and long.wav:
// silence, yes, silence, no, noise, a second each.
func folder(t *testing.T) (at func(name string) string) {
	t.Helper()
	files, dir := corpus.Open(t, "data/tinyml.tar.zst"), t.TempDir()
	at = func(name string) string { return filepath.Join(dir, name) }
	keep := func(name string, b []byte) {
		if err := os.WriteFile(at(name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) []byte {
		b, err := fs.ReadFile(files, "tinyml/"+name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	keep("kws.onnx", read("kws/kws_ds_cnn_float.onnx"))
	var long []byte
	for _, name := range []string{"silence", "yes", "silence", "no", "noise"} {
		b := read("speech/" + name + "_1000ms.wav")
		keep(name+".wav", b)
		long = append(long, b[len(b)-2*rate:]...) // data is the last part of these files
	}
	keep("long.wav", wav(long))
	return at
}

func keywords(args ...string) (string, error) {
	var out strings.Builder
	err := run(context.Background(), args, &out)
	return out.String(), err
}

// Scores are onnxruntime's on the cepstra of numpy (tools/peers/demos.py), which
// print the same four digits but for the last.
func TestWords(t *testing.T) {
	at := folder(t)
	have, err := keywords("-model", at("kws.onnx"), "-o", at("keywords.mlc"), at("yes.wav"), at("no.wav"), at("silence.wav"), at("noise.wav"))
	if err != nil {
		t.Fatal(err)
	}
	want := at("yes.wav") + ":\n  0.9993  Yes\n  0.0006  Left\n  0.0000  No\n" +
		at("no.wav") + ":\n  0.5416  No\n  0.3426  Go\n  0.1124  Unknown\n" +
		at("silence.wav") + ":\n  0.9962  Silence\n  0.0016  Unknown\n  0.0007  Right\n" +
		at("noise.wav") + ":\n  0.6245  Unknown\n  0.0651  Off\n  0.0626  Up\n"
	if !near(have, want) {
		t.Errorf("have\n%s\nwant\n%s", have, want)
	}

	// What -o wrote takes sound, and hears each word of a stream once.
	have, err = keywords("-model", at("keywords.mlc"), at("long.wav"))
	if err != nil {
		t.Fatal(err)
	}
	if want := at("long.wav") + ":\n  0.75 s  0.5097  Yes\n  3.00 s  0.6723  No\n"; !near(have, want) {
		t.Errorf("have\n%s\nwant\n%s", have, want)
	}
}

// near compares texts line by line, and their scores to 3 of the last digit.
func near(have, want string) bool {
	h, w := strings.Split(have, "\n"), strings.Split(want, "\n")
	for i := range w {
		if len(h) != len(w) || len(h[i]) != len(w[i]) {
			return false
		}
		dot := strings.LastIndex(w[i], "0.")
		if !strings.HasPrefix(w[i], "  ") {
			dot = -1 // a file's name
		}
		if dot < 0 || dot+6 > len(w[i]) {
			if h[i] != w[i] {
				return false
			}
			continue
		}
		if h[i][:dot]+h[i][dot+6:] != w[i][:dot]+w[i][dot+6:] || math.Abs(float64(digits(h[i][dot+2:dot+6])-digits(w[i][dot+2:dot+6]))) > 3 {
			return false
		}
	}
	return true
}

func digits(s string) (n int) {
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}

// TestFeatures: the operators against numpy on "yes", frames 0, 24 and 48.
func TestFeatures(t *testing.T) {
	at := folder(t)
	sound, err := readWAV(at("yes.wav"))
	if err != nil {
		t.Fatal(err)
	}
	b := build.New("mfcc", op.Builtin())
	b.Result("features", mfcc(b.Ops, b.Param(input, tensor.T(dtype.F32, b.Dim("N", 1, 9), shape.Int(rate)))))
	module, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	m, err := mlc.Load(context.Background(), mlc.Graph(module))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	y, dims, err := mlc.Call[float32, float32](context.Background(), m, sound, 1, rate)
	if err != nil {
		t.Fatal(err)
	}
	if len(dims) != 4 || dims[1] != frames || dims[2] != coeffs {
		t.Fatalf("extents %v", dims)
	}
	for frame, want := range map[int][]float64{
		0:  {-34.80266, 8.15962, 4.22503, 2.06236, -3.22117, -3.02854, -1.40603, 0.42175, -0.68102, -1.99365},
		24: {-6.76747, -0.78128, 12.39089, -1.90569, -4.76748, 0.4345, -2.91586, -1.33094, -0.23719, -0.41812},
		48: {-34.84305, -3.84441, -1.13007, -0.2418, 0.70334, 0.63344, -0.32097, 0.28969, -2.30427, -1.42859},
	} {
		for k, v := range want {
			if have := float64(y[frame*coeffs+k]); math.Abs(have-v) > 2e-3 {
				t.Errorf("frame %d, coefficient %d: have %v, want %v", frame, k, have, v)
			}
		}
	}
}

func TestWAV(t *testing.T) {
	good := wav([]byte{1, 0, 0xff, 0xff, 0, 0x80})
	have, err := parseWAV(good)
	if err != nil || len(have) != 3 || have[0] != 1 || have[1] != -1 || have[2] != -32768 {
		t.Errorf("have %v, %v", have, err)
	}
	// An unknown part of odd size, filled up to an even one.
	list := append(append(append([]byte{}, good[:12]...), "LIST\x03\x00\x00\x00abc\x00"...), good[12:]...)
	if have, err := parseWAV(list); err != nil || len(have) != 3 {
		t.Errorf("after another part: %v, %v", have, err)
	}
	change := func(at int, v byte) []byte { b := append([]byte{}, good...); b[at] = v; return b }
	for _, c := range []struct {
		name string
		b    []byte
		says string
	}{
		{"nothing", nil, "is no WAV file"},
		{"text", []byte("RIFF....WAVX"), "is no WAV file"},
		{"head only", good[:12], "has no data"},
		{"half a part's head", good[:18], "has no data"},
		{"no data", good[:36], "has no data"},
		{"cut in the format", good[:30], `part "fmt " has 10 bytes of 16`},
		{"cut in the data", good[:len(good)-1], `part "data" has 5 bytes of 6`},
		{"4 GB of data", change(43, 0xff), "is cut"},
		{"a format of 2 bytes", append(append([]byte{}, good[:12]...), "fmt \x02\x00\x00\x00\x01\x00"...), "says too little"},
		{"data first", append(append([]byte{}, good[:12]...), "data\x00\x00\x00\x00"...), "before its data"},
		{"stereo", change(22, 2), "2 channels, 16 bits, 16000 Hz: want"},
		{"8 bits", change(34, 8), "8 bits"},
		{"compressed", change(20, 85), "form 85"},
		{"another rate", change(25, 0x7d), "32128 Hz"},
	} {
		if _, err := parseWAV(c.b); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

// FuzzWAV: no panic, and never more samples than the file has room for.
func FuzzWAV(f *testing.F) {
	good := wav([]byte{1, 0, 2, 0})
	for i := range len(good) + 1 {
		f.Add(good[:i])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseWAV(b); err == nil && 2*len(s) > len(b) {
			t.Errorf("%d samples of %d bytes", len(s), len(b))
		}
	})
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.wav")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "want a model and recordings"},
		{[]string{"-model", "x.onnx"}, "want a model and recordings"},
		{[]string{"-model", "x.onnx", "-hop", "0", "x.wav"}, "-hop 0"},
		{[]string{"-model", "nowhere.onnx", empty}, "nowhere.onnx"},
		{[]string{"-model", "../../testdata/models/digits.onnx", empty}, "the model takes f32[N,1,28,28], want f32[N,49,10,1]"},
		{[]string{"-model", "../../testdata/models/tagger.onnx", empty}, "want a model of one input, f32[N,49,10,1]"},
	} {
		_, err := keywords(c.args...)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v, want %q", c.args, err, c.says)
		}
	}
}
