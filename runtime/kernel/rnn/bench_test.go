package rnn_test

import (
	"fmt"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/pool"
)

func BenchmarkLSTM(b *testing.B) {
	const steps, batch, width, hidden = 64, 1, 128, 256
	for _, direction := range []string{"forward", "bidirectional"} {
		dirs := 1
		if direction == "bidirectional" {
			dirs = 2
		}
		for _, d := range lstms[:3] {
			if !d.Runnable(cpu.Host()) || d.Run == nil {
				continue
			}
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("%s/%s/%d", direction, d.ID, threads), func(b *testing.B) {
					p := pool.New(threads)
					defer p.Close()
					w, r := kerneltest.Random(1, false, dirs*gemm.PackedB(width, 4*hidden)), kerneltest.Random(2, false, dirs*gemm.PackedB(hidden, 4*hidden))
					c := &kernel.Call{Pool: p, Attrs: attr.Map{"direction": attr.Str(direction)},
						In: []tensor.Value{kerneltest.Random(3, false, steps, batch, width), {}, {}, {}}, Out: []tensor.Value{tensor.V(tensor.New(dtype.F32, steps, dirs, batch, hidden))},
						Consts: []tensor.Tensor{w.Tensor, r.Tensor, tensor.New(dtype.F32, dirs, 4*hidden)}}
					st, err := d.Prepare(c)
					if err != nil {
						b.Fatal(err)
					}
					c.State, c.Scratch = st, nil
					c.Scratch = tensor.AlignedBytes(d.Scratch(c, threads))
					for b.Loop() {
						d.Run(c)
					}
				})
			}
		}
	}
}
