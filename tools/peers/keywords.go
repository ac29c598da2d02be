package main

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"path/filepath"

	"github.com/mlc-go/mlc/frontend/onnx"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
)

// keywords writes the keyword-spotting net of data/tinyml for quantize.py and
// qnodes.py: model.onnx, its 1,000 samples as x.npy, and calib.npz, which holds
// the first 100 under the name of the model's input.
func keywords(out, shared string) error {
	files, err := unpack(filepath.Join(shared, "data", "tinyml.tar.zst"))
	if err != nil {
		return err
	}
	model := files["tinyml/kws/kws_ds_cnn_float.onnx"]
	raw, err := onnx.DecodeBytes(model, nil, onnx.DecodeOptions{})
	if err != nil {
		return err
	}
	defer raw.Close()
	m, err := onnx.Import(context.Background(), raw, onnx.ImportOptions{Ops: op.Builtin()})
	if err != nil {
		return err
	}
	mfcc, err := tensor.ReadNPY(bytes.NewReader(files["tinyml/kws/mfcc_i8.npy"]), 1<<30)
	if err != nil {
		return err
	}
	const width = 49 * 10
	n := mfcc.Len() / width
	if n < 100 || n*width != mfcc.Len() {
		return fmt.Errorf("samples of %v, want rows of %d", mfcc.Type(), width)
	}
	x := tensor.New(dtype.F32, n, 49, 10, 1)
	for i := range x.Len() {
		tensor.Slice[float32](&x)[i] = float32(mfcc.Int(i)) * 0.336 // the scale of info.json
	}
	calib := tensor.New(dtype.F32, 100, 49, 10, 1)
	copy(calib.Bytes(), x.Bytes())

	var npy, npz bytes.Buffer
	if err := tensor.WriteNPY(&npy, x); err != nil {
		return err
	}
	z := zip.NewWriter(&npz)
	w, err := z.Create(m.Main().Params[0].Name + ".npy")
	if err != nil {
		return err
	}
	if err := tensor.WriteNPY(w, calib); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	for name, b := range map[string][]byte{"model.onnx": model, "x.npy": npy.Bytes(), "calib.npz": npz.Bytes()} {
		if err := put(filepath.Join(out, name), b); err != nil {
			return err
		}
	}
	return nil
}
