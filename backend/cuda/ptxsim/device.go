package ptxsim

import (
	"context"
	"fmt"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime/exec"
)

// Device runs programs as a GPU would, in this process: what is put into a queue
// is done at once. Memory counts as unwritten until somebody writes it.
type Device struct {
	mem    *Memory
	checks Checks
	packed bool
}

var (
	_ exec.Device  = (*Device)(nil)
	_ exec.Checker = (*Device)(nil)
)

// maxDevice is how much memory a Device has.
const maxDevice = 4 << 30

// NewDevice is a device that looks for what c says. Buffers do not share memory,
// so that going beyond one is found.
func NewDevice(c Checks) *Device { return &Device{NewMemory(), c, false} }

// NewPackedDevice is NewDevice where buffers share memory as on a GPU, so that
// one which is written while another is still needed is found, by results.
func NewPackedDevice(c Checks) *Device { return &Device{NewMemory(), c, true} }

// Held is how many bytes are allocated.
func (d *Device) Held() int64 { return d.mem.Held() }

// Scatter implements exec.Checker.
func (d *Device) Scatter() bool { return !d.packed }

// Protect implements exec.Checker.
func (d *Device) Protect(addr uint64) error { return d.mem.Protect(addr) }

// Load implements exec.Device.
func (d *Device) Load(code []byte) (exec.Code, error) {
	m, err := Parse(code)
	if err != nil {
		return nil, err
	}
	return loaded{m}, nil
}

type loaded struct{ m *Module }

// entry is what Launch takes.
type entry struct {
	m    *Module
	name string
}

func (c loaded) Kernel(name string) (exec.Kernel, error) {
	for _, k := range c.m.Kernels() {
		if k == name {
			return entry{c.m, name}, nil
		}
	}
	return nil, diag.New(diag.BadModel, "the code has no kernel %s", name)
}

func (c loaded) Close() error { return nil }

// Alloc implements exec.Device. Error: Limit.
func (d *Device) Alloc(n int) (uint64, error) {
	if held := d.mem.Held(); int64(n) > maxDevice-held {
		return 0, &diag.Error{Kind: diag.Limit, Port: "memory of ptxsim", Have: fmt.Sprintf("%d bytes in use and %d more", held, n), Want: fmt.Sprintf("at most %d", int64(maxDevice))}
	}
	return d.mem.AllocUninit(n), nil
}

// Free implements exec.Device.
func (d *Device) Free(addr uint64) error { return d.mem.Free(addr) }

// Queue implements exec.Device.
func (d *Device) Queue() (exec.Queue, error) { return queue{d}, nil }

type queue struct{ d *Device }

func (q queue) Upload(addr uint64, src []byte) error { return q.d.mem.Write(addr, src) }

func (q queue) Download(ctx context.Context, dst []byte, addr uint64) error {
	b, err := q.d.mem.Bytes(addr, len(dst))
	if err == nil {
		copy(dst, b)
	}
	return err
}

func (q queue) Copy(to, from uint64, n int) error { return q.d.mem.Copy(to, from, n) }

func (q queue) Launch(ctx context.Context, k exec.Kernel, grid, block [3]int, args []uint64) error {
	x, ok := k.(entry)
	if !ok {
		return diag.New(diag.Internal, "ptxsim: a kernel of another device")
	}
	return x.m.Run(ctx, q.d.mem, x.name, Launch{Grid: grid, Block: block, Args: args}, q.d.checks)
}

func (q queue) Wait(ctx context.Context) error { return ctx.Err() }
func (q queue) Close() error                   { return nil }
