// Package exectest has a device without kernels of its own, for tests of what
// runs programs on one.
//
// It owns a memory whose every access is checked, counts what is not given back,
// and fails when asked to. It must not know PTX: a kernel is a Go function.
//
//	dev := &exectest.Device{Kernels: map[string]exectest.Kernel{"neg": neg}}
//	m, err := exec.NewOn(p, set, features, dev)
package exectest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/mlc-go/mlc/runtime/exec"
)

// Kernel does what a launch does.
type Kernel func(d *Device, grid, block [3]int, args []uint64) error

// Device is an exec.Device, and safe for concurrent use where Kernels is not
// changed meanwhile. Its zero value has kernels of every name, which do nothing.
type Device struct {
	Kernels   map[string]Kernel // nil: every kernel does nothing
	Scattered bool
	Memory    int // bytes there are; 0: 1 GiB

	// FailAt is which call of a method from now on fails by Err, 1 the next; 0: none.
	FailAt int
	Err    error

	mu     sync.Mutex
	mem    []block // by address
	next   uint64
	held   int
	open   int // codes and queues
	wrong  error
	waited int
}

type block struct {
	addr uint64
	b    []byte
	ro   bool
}

var (
	_ exec.Device  = (*Device)(nil)
	_ exec.Checker = (*Device)(nil)
)

// Fault is the first access outside of all memory, or to what is not there.
func (d *Device) Fault() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wrong
}

// Held is how many bytes are allocated, and how many codes and queues are open.
func (d *Device) Held() (bytes, open int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.held, d.open
}

// Waits is how often somebody waited for a queue.
func (d *Device) Waits() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waited
}

// fail counts a call.
func (d *Device) fail() error {
	if d.FailAt > 0 {
		if d.FailAt--; d.FailAt == 0 {
			return d.Err
		}
	}
	return nil
}

func (d *Device) refuse(format string, a ...any) error {
	err := fmt.Errorf(format, a...)
	if d.wrong == nil {
		d.wrong = err
	}
	return err
}

func (d *Device) at(addr uint64) (int, bool) {
	return slices.BinarySearchFunc(d.mem, addr, func(b block, addr uint64) int {
		switch {
		case b.addr+uint64(len(b.b)) <= addr:
			return -1
		case b.addr > addr:
			return 1
		}
		return 0
	})
}

// bytes are n bytes at addr, without a lock.
func (d *Device) bytes(addr uint64, n int, write bool) ([]byte, error) {
	i, ok := d.at(addr)
	if !ok || n < 1 || n > len(d.mem[i].b) || addr-d.mem[i].addr > uint64(len(d.mem[i].b)-n) {
		return nil, d.refuse("%d bytes at 0x%x are in no allocation", n, addr)
	}
	if write && d.mem[i].ro {
		return nil, d.refuse("a write to a constant at 0x%x", addr)
	}
	return d.mem[i].b[addr-d.mem[i].addr:][:n], nil
}

// Bytes are n bytes at addr, for kernels.
func (d *Device) Bytes(addr uint64, n int, write bool) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bytes(addr, n, write)
}

// Scatter implements exec.Checker.
func (d *Device) Scatter() bool { return d.Scattered }

// Protect implements exec.Checker.
func (d *Device) Protect(addr uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fail(); err != nil {
		return err
	}
	i, ok := d.at(addr)
	if !ok || d.mem[i].addr != addr {
		return d.refuse("protecting 0x%x", addr)
	}
	d.mem[i].ro = true
	return nil
}

// Load implements exec.Device.
func (d *Device) Load([]byte) (exec.Code, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fail(); err != nil {
		return nil, err
	}
	d.open++
	return code{d}, nil
}

// Alloc implements exec.Device.
func (d *Device) Alloc(n int) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fail(); err != nil {
		return 0, err
	}
	if n < 1 {
		return 0, d.refuse("an allocation of %d bytes", n)
	}
	all := d.Memory
	if all == 0 {
		all = 1 << 30
	}
	if n > all-d.held {
		return 0, fmt.Errorf("device memory is full")
	}
	if d.next == 0 {
		d.next = 1 << 40
	}
	addr := d.next
	d.next += (uint64(n) + 1<<12) &^ 255
	d.mem = append(d.mem, block{addr: addr, b: make([]byte, n)})
	d.held += n
	return addr, nil
}

// Free implements exec.Device. A call that is to fail frees all the same.
func (d *Device) Free(addr uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, ok := d.at(addr)
	if !ok || d.mem[i].addr != addr {
		return d.refuse("0x%x is not allocated", addr)
	}
	d.held -= len(d.mem[i].b)
	d.mem = slices.Delete(d.mem, i, i+1)
	return d.fail()
}

// Queue implements exec.Device.
func (d *Device) Queue() (exec.Queue, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fail(); err != nil {
		return nil, err
	}
	d.open++
	return &queue{d: d}, nil
}

type code struct{ d *Device }

func (c code) Kernel(name string) (exec.Kernel, error) {
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	if err := c.d.fail(); err != nil {
		return nil, err
	}
	if c.d.Kernels == nil {
		return Kernel(func(*Device, [3]int, [3]int, []uint64) error { return nil }), nil
	}
	if k := c.d.Kernels[name]; k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("no kernel %s", name)
}

func (c code) Close() error {
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	c.d.open--
	return c.d.fail()
}

type queue struct {
	d      *Device
	closed bool
}

// begin locks the device for a call.
func (q *queue) begin() error {
	q.d.mu.Lock()
	if q.closed {
		return q.d.refuse("a closed queue is used")
	}
	return q.d.fail()
}

func (q *queue) Upload(addr uint64, src []byte) error {
	err := q.begin()
	defer q.d.mu.Unlock()
	if err != nil {
		return err
	}
	b, err := q.d.bytes(addr, len(src), true)
	copy(b, src)
	return err
}

func (q *queue) Download(ctx context.Context, dst []byte, addr uint64) error {
	err := q.begin()
	defer q.d.mu.Unlock()
	if err != nil {
		return err
	}
	b, err := q.d.bytes(addr, len(dst), false)
	copy(dst, b)
	return err
}

func (q *queue) Copy(to, from uint64, n int) error {
	err := q.begin()
	defer q.d.mu.Unlock()
	if err != nil {
		return err
	}
	src, err := q.d.bytes(from, n, false)
	if err != nil {
		return err
	}
	dst, err := q.d.bytes(to, n, true)
	copy(dst, src)
	return err
}

func (q *queue) Launch(ctx context.Context, k exec.Kernel, grid, block [3]int, args []uint64) error {
	err := q.begin()
	if err == nil && (min(grid[0], grid[1], grid[2]) < 1 || min(block[0], block[1], block[2]) < 1) {
		err = q.d.refuse("a grid of %v blocks of %v", grid, block)
	}
	q.d.mu.Unlock()
	if err != nil {
		return err
	}
	return k.(Kernel)(q.d, grid, block, args)
}

func (q *queue) Wait(ctx context.Context) error {
	err := q.begin()
	defer q.d.mu.Unlock()
	q.d.waited++
	if err == nil {
		err = ctx.Err()
	}
	return err
}

func (q *queue) Close() error {
	err := q.begin()
	defer q.d.mu.Unlock()
	q.closed = true
	q.d.open--
	return err
}
