// Command keywords hears ten words in recordings. The model is the float network
// of MLPerf Tiny's keyword spotting (kws_ds_cnn, [N,49,10,1] to 12 scores), which
// takes cepstra, not sound: features.go writes how one becomes the other as
// operators before it, so that what ships takes sound and cannot disagree.
//
//	go run ./examples/keywords -model kws_ds_cnn_float.onnx yes.wav no.wav
//	go run ./examples/keywords -model kws_ds_cnn_float.onnx -o keywords.mlc
//	go run ./examples/keywords -model keywords.mlc long.wav
//
// A recording is WAV, mono, 16 bits, 16 kHz: ffmpeg -i IN -ac 1 -ar 16000 OUT.wav.
// In one that is longer than a second, words are looked for as in a stream.
package main

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/mlc-go/mlc"
	"github.com/mlc-go/mlc/frontend/onnx"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/runtime"
)

// words are the model's classes, in its order; the last two are no words.
var words = []string{"Down", "Go", "Left", "No", "Off", "On", "Right", "Stop", "Up", "Yes", "Silence", "Unknown"}

const spoken = 10 // of them

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "keywords:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, w io.Writer) error {
	f := flag.NewFlagSet("keywords", flag.ExitOnError)
	model := f.String("model", "", "the network, .onnx, or what -o wrote")
	out := f.String("o", "", "write an artifact that takes sound here")
	hop := f.Float64("hop", 0.25, "seconds from one look at a stream to the next")
	least := f.Float64("least", 0.5, "least score of a word in a stream, the mean of two looks")
	f.Parse(args)
	if *model == "" || f.NArg() == 0 && *out == "" {
		return fmt.Errorf("want a model and recordings: keywords -model FILE [-o FILE.mlc] [RECORDING.wav ...]")
	}
	if !(*hop >= 0.01 && *hop <= 1) {
		return fmt.Errorf("-hop %v: want 0.01 to 1", *hop)
	}
	step := int(*hop * rate)
	m, err := load(ctx, *model, *out)
	if err != nil {
		return err
	}
	defer m.Close()

	for _, name := range f.Args() {
		sound, err := readWAV(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(w, "%s:\n", name)
		if len(sound) > rate {
			err = listen(ctx, m, w, sound, step, float32(*least))
		} else {
			err = best(ctx, m, w, sound)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// load opens an artifact that takes sound, or makes one of the network: the
// features are written before it, both are compiled as one model.
func load(ctx context.Context, path, out string) (*runtime.Model, error) {
	if filepath.Ext(path) == ".mlc" {
		m, err := runtime.Open(path)
		if err != nil {
			return nil, err
		}
		if in := m.Inputs(); len(in) != 1 || in[0].Name != input {
			m.Close()
			return nil, fmt.Errorf("%s does not take %s: want what -o writes", path, input)
		}
		return m, nil
	}
	raw, err := onnx.OpenFile(path, onnx.DecodeOptions{})
	if err != nil {
		return nil, err
	}
	defer raw.Close() // weights are read from the file until the artifact is there
	module, err := onnx.Import(ctx, raw, onnx.ImportOptions{Ops: op.Builtin()})
	if err != nil {
		return nil, err
	}
	if err := prependMFCC(module); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	a, err := mlc.Compile(ctx, mlc.Graph(module))
	if err != nil {
		return nil, err
	}
	defer a.Close()
	var file bytes.Buffer
	if err := a.Export(ctx, &file, "mlc"); err != nil {
		return nil, err
	}
	if out != "" {
		if err := os.WriteFile(out, file.Bytes(), 0o644); err != nil {
			return nil, err
		}
	}
	return mlc.Load(ctx, mlc.Bytes(file.Bytes()))
}

// scores are those of one second; what is shorter ends in silence.
func scores(ctx context.Context, m *runtime.Model, sound []float32) ([]float32, error) {
	second := make([]float32, rate)
	copy(second, sound)
	y, _, err := mlc.Call[float32, float32](ctx, m, second, 1, rate)
	if err == nil && len(y) != len(words) {
		err = fmt.Errorf("the model gives %d scores, want %d", len(y), len(words))
	}
	return y, err
}

// best prints the three best classes of one second.
func best(ctx context.Context, m *runtime.Model, w io.Writer, sound []float32) error {
	y, err := scores(ctx, m, sound)
	if err != nil {
		return err
	}
	order := make([]int, len(words))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(y[b], y[a]) })
	for _, i := range order[:3] {
		fmt.Fprintf(w, "  %.4f  %s\n", y[i], words[i])
	}
	return nil
}

// listen looks at a second at a time, moves on by step, and tells each word once,
// where the mean of its last two scores first reaches least.
func listen(ctx context.Context, m *runtime.Model, w io.Writer, sound []float32, step int, least float32) error {
	before, told := make([]float32, len(words)), -1
	for at := 0; at+rate <= len(sound); at += step {
		y, err := scores(ctx, m, sound[at:at+rate])
		if err != nil {
			return err
		}
		mean, now := float32(0), -1
		for i := range spoken {
			if v := (before[i] + y[i]) / 2; v > mean {
				mean, now = v, i
			}
		}
		if mean < least {
			now = -1
		} else if now != told {
			fmt.Fprintf(w, "  %.2f s  %.4f  %s\n", float64(at)/rate, mean, words[now])
		}
		before, told = y, now
	}
	return nil
}
