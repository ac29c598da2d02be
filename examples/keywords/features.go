package main

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/build"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// The parameters of MLPerf Tiny, with TensorFlow's conventions.
const (
	input  = "sound"          // f32[N,16000], samples as they stand in the file
	rate   = 16000            // a second, what the network looks at
	window = rate * 30 / 1000 // samples of a frame
	stride = rate * 20 / 1000 // from a frame to the next
	frames = (rate-window)/stride + 1
	fft    = 512               // the next power of two
	mels   = 40                // bands, equally wide in mel,
	low    = 20.0              // from this many Hz
	high   = 4000.0            // to this many
	bins   = fft * high / rate // of the spectrum below high; bin 0 is in no band
	coeffs = 10
)

// prependMFCC lets a network that takes [N,49,10,1] features take sound.
func prependMFCC(m *ir.Module) error {
	f := m.Main()
	want := tensor.T(dtype.F32, shape.Dim{}, shape.Int(frames), shape.Int(coeffs), shape.Int(1))
	if len(f.Params) != 1 || !f.Params[0].Type.IsTensor() || f.Params[0].Type.DType != dtype.F32 || f.Params[0].Type.Rank() != want.Rank() {
		return fmt.Errorf("want a model of one input, f32[N,%d,%d,1]", frames, coeffs)
	}
	features := f.Params[0]
	for i, d := range features.Type.Dims[1:] {
		if !d.Equal(want.Dims[i+1]) {
			return fmt.Errorf("the model takes %v, want f32[N,%d,%d,1]", features.Type, frames, coeffs)
		}
	}
	sound := f.AddParam(input, tensor.T(dtype.F32, features.Type.Dims[0], shape.Int(rate)))
	b := ir.NewBuilder(f, 0, op.Builtin(), "mfcc") // before all that is there
	x := mfcc(build.On(b), sound)
	if err := b.Err(); err != nil {
		return err
	}
	ir.ReplaceUses(features, x)
	f.Params = []*ir.Value{sound}
	return nil
}

// mfcc computes cepstra of mel spectra: frames, windowed, to the magnitude of
// their spectrum, to bands, to logarithms, to cosines. A Fourier transform of
// 480 samples is a product with a matrix here; the window is part of it.
func mfcc(o build.Ops, sound *ir.Value) *ir.Value {
	one, tiny := o.Scalar(dtype.F32, 1), o.Scalar(dtype.F32, 1e-6)
	x := o.Div(sound, o.Max([]*ir.Value{o.ReduceMax(sound, o.Ints(1)), one})) // the loudest sample is 1
	at := tensor.New(dtype.I64, frames, window)
	for i := range frames * window {
		at.SetInt(i, int64(i/window*stride+i%window))
	}
	x = o.Gather(x, o.Const(at), build.Axis(1)) // [N,49,480]
	hann := func(i int) float64 { return 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/window) }
	angle := func(i, bin int) float64 { return 2 * math.Pi * float64(i*bin%fft) / fft }
	re := o.MatMul(x, matrix(o, window, bins, func(i, bin int) float64 { return hann(i) * math.Cos(angle(i, bin)) }))
	im := o.MatMul(x, matrix(o, window, bins, func(i, bin int) float64 { return hann(i) * math.Sin(angle(i, bin)) }))
	x = o.Sqrt(o.Add(o.Mul(re, re), o.Mul(im, im))) // [N,49,128]
	x = o.MatMul(x, matrix(o, bins, mels, band))
	x = o.MatMul(o.Log(o.Add(x, tiny)), matrix(o, mels, coeffs, func(i, k int) float64 {
		return math.Sqrt(2.0/mels) * math.Cos(math.Pi*float64(k)*(float64(i)+0.5)/mels)
	}))
	return o.Unsqueeze(x, o.Ints(3)) // [N,49,10,1]
}

// band is what a bin of the spectrum gives to a band: a triangle over mel.
func band(bin, i int) float64 {
	if bin == 0 {
		return 0
	}
	mel := func(hz float64) float64 { return 1127 * math.Log(1+hz/700) }
	width := (mel(high) - mel(low)) / (mels + 1)
	left := mel(low) + float64(i)*width
	at := (mel(float64(bin)*rate/fft) - left) / width // 0 at the left corner, 1 at the tip, 2 at the right corner
	return max(0, min(at, 2-at))
}

// matrix is a constant of the model.
func matrix(o build.Ops, rows, cols int, f func(i, j int) float64) *ir.Value {
	t := tensor.New(dtype.F32, rows, cols)
	for i := range rows * cols {
		t.SetFloat(i, f(i/cols, i%cols))
	}
	return o.Const(t)
}
