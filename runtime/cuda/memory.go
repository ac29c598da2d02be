//go:build cuda && linux

package cuda

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/mlc-go/mlc/ir/diag"
)

// align is what driver allocations are aligned to; sizes are rounded to it, so
// that freed memory fits again.
const align = 256

// Alloc implements exec.Device. What is pooled is taken first, if it is not
// twice as large as needed; when the device is full, the pool is given back and
// the driver asked again. Errors: Limit with what is free.
func (d *Device) Alloc(n int) (uint64, error) {
	if n < 1 {
		return 0, diag.New(diag.Internal, "CUDA: an allocation of %d bytes", n)
	}
	n = (n + align - 1) &^ (align - 1)
	if addr := d.pooled(n); addr != 0 {
		return addr, nil
	}
	var addr uint64
	err := d.in(func() error {
		ask := func() result {
			return call(d.drv.memAlloc, uintptr(unsafe.Pointer(&addr)), uintptr(n))
		}
		r := ask()
		if r == outOfMemory {
			if err := d.drain(); err != nil {
				return err
			}
			r = ask()
		}
		if r == outOfMemory {
			var free, total uint64
			if err := d.check("memory", call(d.drv.memInfo, uintptr(unsafe.Pointer(&free)), uintptr(unsafe.Pointer(&total)))); err != nil {
				return err
			}
			return &diag.Error{Kind: diag.Limit, Port: "memory of CUDA device " + d.info.Name, Have: fmt.Sprintf("%d bytes free of %d", free, total), Want: fmt.Sprint(n)}
		}
		return d.check("memory", r)
	})
	if err != nil {
		return 0, err
	}
	d.mu.Lock()
	d.sizes[addr] = n
	d.mu.Unlock()
	return addr, nil
}

// pooled takes the smallest block of the pool that fits well, 0: there is none.
func (d *Device) pooled(n int) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	best := -1
	for i, a := range d.pool {
		if s := d.sizes[a]; s >= n && s/2 < n && (best < 0 || s < d.sizes[d.pool[best]]) {
			best = i
		}
	}
	if best < 0 || d.dead != nil {
		return 0
	}
	addr := d.pool[best]
	d.pool = slices.Delete(d.pool, best, best+1)
	d.held -= int64(d.sizes[addr])
	return addr
}

// Free implements exec.Device: memory goes to the pool, the oldest there back to
// the driver where the pool is full. No work that uses it may be under way: its
// next owner has another queue.
func (d *Device) Free(addr uint64) error {
	d.mu.Lock()
	n, ok := d.sizes[addr]
	if !ok || slices.Contains(d.pool, addr) {
		d.mu.Unlock()
		return diag.New(diag.Internal, "CUDA: %#x is not allocated", addr)
	}
	d.pool = append(d.pool, addr)
	d.held += int64(n)
	over := d.held > max(0, d.limit)
	d.mu.Unlock()
	if !over {
		return nil
	}
	return d.in(func() error { return d.shrink(max(0, d.limit)) })
}

// drain gives the whole pool back.
func (d *Device) drain() error { return d.shrink(0) }

// shrink gives the oldest memory of the pool back until it holds at most keep
// bytes. The driver waits for what uses it.
func (d *Device) shrink(keep int64) error {
	for {
		d.mu.Lock()
		if d.held <= keep || len(d.pool) == 0 {
			d.mu.Unlock()
			return nil
		}
		addr := d.pool[0]
		d.pool = d.pool[1:]
		d.held -= int64(d.sizes[addr])
		delete(d.sizes, addr)
		d.mu.Unlock()
		if err := d.check("memory", call(d.drv.memFree, uintptr(addr))); err != nil {
			return err
		}
	}
}
