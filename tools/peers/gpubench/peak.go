package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/mlc-go/mlc/codegen/ptx"
)

// peak measures independent multiply-adds: of f32, fused and in registers; of
// half, products of 16 x 8 x 16 on tensor cores that are summed in float32, the
// instruction that our kernels use.
func peak(ctx context.Context, d device, half, small bool) result {
	x := result{Name: "peak f32 (fma.rn)", Peak: true}
	if half {
		x.Name = "peak f16 (mma.sync, f32 sums)"
	}
	if err := x.peak(ctx, d, half, small); err != nil {
		x.Error = err.Error()
	}
	x.OK = x.Error == ""
	return x
}

const (
	peakThreads = 256
	chains      = 16 // of a thread, for f32; of a warp tiles of 16 x 8, half as many
	unrolled    = 16 // links of each chain in one turn of the loop
)

func (x *result) peak(ctx context.Context, d device, half, small bool) (err error) {
	blocks, turns := 8*d.Info().Processors, 4000
	if half {
		turns /= 4
	}
	if small {
		blocks, turns = 1, 1
	}
	sm := writable(d.Info().Capability)
	m := ptx.NewModule(ptx.Options{SM: sm})
	name, perThread := fmaPeak(m, turns)
	if half {
		name, perThread = mmaPeak(m, turns)
	}
	text, err := m.Text()
	if err != nil {
		return err
	}
	code, err := d.Load([]byte(text))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, code.Close()) }()
	k, err := code.Kernel(name)
	if err != nil {
		return err
	}
	q, err := d.Queue()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	out := make([]byte, 4*blocks*peakThreads)
	mem, err := d.Alloc(len(out))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Free(mem)) }()
	args := []uint64{mem, uint64(math.Float32bits(0.5)), uint64(math.Float32bits(0.25))}
	took, err := best(ctx, d, q, small, func() error {
		return q.Launch(ctx, k, [3]int{blocks, 1, 1}, [3]int{peakThreads, 1, 1}, args)
	})
	if err != nil {
		return err
	}
	x.rate(perThread*float64(blocks*peakThreads), took)
	if err := q.Download(ctx, out, mem); err != nil {
		return err
	}
	// Each chain goes to 0.5 x + 0.25 = x; a tile counts turns.
	want := float32(chains) * 0.5
	if half {
		want = chains / 2 * 4 * 16 * 0.5 * 0.25 * float32(turns*unrolled)
	}
	for i := 0; i < len(out); i += 4 {
		v := math.Float32frombits(uint32(out[i]) | uint32(out[i+1])<<8 | uint32(out[i+2])<<16 | uint32(out[i+3])<<24)
		if diff := math.Abs(float64(v - want)); !(diff <= 1e-4*float64(want)) {
			return fmt.Errorf("thread %d has %v, want %v", i/4, v, want)
		}
	}
	return nil
}

// fmaPeak writes the kernel of f32: the sum of chains of x = x a + b.
func fmaPeak(m *ptx.Module, turns int) (name string, flops float64) {
	k := m.Entry("fma")
	k.Block(peakThreads, 1, 1)
	out, a, b := k.ParamPtr("out"), k.ParamF32("a"), k.ParamF32("b")
	var acc [chains]ptx.VarF32
	for i := range acc {
		acc[i] = k.VarF32(b.Mul(ptx.F(float32(i))))
	}
	k.For(ptx.I(0), ptx.I(turns), ptx.I(1), func(ptx.U32) {
		for range unrolled {
			for i := range acc {
				acc[i].Set(acc[i].Get().FMA(a, b))
			}
		}
	})
	sum := acc[0].Get()
	for _, v := range acc[1:] {
		sum = sum.Add(v.Get())
	}
	out.At(k.GlobalX(), 4).StF32(sum)
	return m.Add(k), 2 * chains * unrolled * float64(turns)
}

// mmaPeak writes that of halves: each warp adds products of constant tiles.
func mmaPeak(m *ptx.Module, turns int) (name string, flops float64) {
	k := m.Entry("mma")
	k.Block(peakThreads, 1, 1)
	out, a, b := k.ParamPtr("out"), k.ParamF32("a"), k.ParamF32("b")
	ha, hb := k.Pack(a, a), k.Pack(b, b)
	var acc [chains / 2][4]ptx.VarF32
	for i := range acc {
		for j := range acc[i] {
			acc[i][j] = k.VarF32(ptx.F(0))
		}
	}
	k.For(ptx.I(0), ptx.I(turns), ptx.I(1), func(ptx.U32) {
		for range unrolled {
			for i := range acc {
				k.MMAm16n8k16(acc[i], [4]ptx.H2{ha, ha, ha, ha}, [2]ptx.H2{hb, hb})
			}
		}
	})
	sum := ptx.F(0)
	for i := range acc {
		for j := range acc[i] {
			sum = sum.Add(acc[i][j].Get())
		}
	}
	out.At(k.GlobalX(), 4).StF32(sum)
	return m.Add(k), 2 * 16 * 8 * 16 / ptx.WarpSize * chains / 2 * unrolled * float64(turns)
}

// writable is the latest target of codegen/ptx that a device runs.
func writable(capability int) int {
	sm := 0
	for _, t := range ptx.Targets() {
		if t <= capability {
			sm = t
		}
	}
	return sm
}

// rate notes a time and what it means.
func (x *result) rate(flops float64, took time.Duration) {
	x.Micros = float64(took) / float64(time.Microsecond)
	x.TFLOPS = flops / max(took.Seconds(), 1e-9) / 1e12
}
