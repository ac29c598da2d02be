package ptxsim

import (
	"slices"
	"sync"

	"github.com/mlc-go/mlc/ir/diag"
)

// Device addresses begin far from those of the host, allocations lie apart,
// and no address is given twice.
const (
	memBase  = 1 << 40
	memGap   = 1 << 20
	memAlign = 256 // of every allocation, as cuMemAlloc
)

// Memory is the global memory of a device. Its methods may be called from
// several goroutines; the bytes of an allocation belong to whoever uses it.
type Memory struct {
	mu    sync.Mutex
	list  []*allocation // by address
	held  int64         // bytes of all
	next  uint64
	pages []*[pageCells]cell // shadow pages for reuse
}

// allocation is a piece of global memory.
type allocation struct {
	base     uint64
	data     []byte
	init     []uint8 // per byte: 1 where written; nil where all is
	readOnly bool
}

// NewMemory is a device memory without allocations.
func NewMemory() *Memory { return &Memory{next: memBase} }

// Alloc makes an allocation of n bytes, all zero, and returns its address. Its
// bytes count as written.
func (m *Memory) Alloc(n int) uint64 { return m.add(make([]byte, max(n, 0)), nil) }

// AllocUninit is Alloc of memory that a kernel must write before it reads it;
// so is memory of a device. The host sees zeros.
func (m *Memory) AllocUninit(n int) uint64 {
	return m.add(make([]byte, max(n, 0)), make([]uint8, max(n, 0)))
}

func (m *Memory) add(data []byte, init []uint8) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := &allocation{base: m.next, data: data, init: init}
	m.list = append(m.list, a)
	m.held += int64(len(data))
	m.next += (uint64(len(data)) + memGap + memAlign - 1) &^ (memAlign - 1)
	return a.base
}

// Free ends the allocation at addr, its very beginning.
func (m *Memory) Free(addr uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := slices.BinarySearchFunc(m.list, addr, func(a *allocation, x uint64) int {
		if a.base < x {
			return -1
		} else if a.base > x {
			return 1
		}
		return 0
	})
	if !ok {
		return diag.New(diag.Usage, "no allocation begins at 0x%x", addr)
	}
	m.held -= int64(len(m.list[i].data))
	m.list = slices.Delete(m.list, i, i+1)
	return nil
}

// Held is how many bytes all allocations have.
func (m *Memory) Held() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held
}

// Protect marks the allocation at addr, its very beginning, as read-only for
// kernels: constants. A store to it is a fault, and reading it costs less.
func (m *Memory) Protect(addr uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := find(m.list, addr)
	if a == nil || a.base != addr {
		return diag.New(diag.Usage, "no allocation begins at 0x%x", addr)
	}
	a.readOnly = true
	return nil
}

// Bytes are the n bytes at addr, not copied; none may be used during a launch
// that may write them. They do not count as written by this: see Write.
func (m *Memory) Bytes(addr uint64, n int) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := find(m.list, addr)
	if a == nil || n < 0 || addr-a.base > uint64(len(a.data)) || uint64(n) > uint64(len(a.data))-(addr-a.base) {
		return nil, diag.New(diag.Usage, "%d bytes at 0x%x are in no allocation", n, addr)
	}
	return a.data[addr-a.base:][:n:n], nil
}

// Write copies p to addr; the bytes then count as written.
func (m *Memory) Write(addr uint64, p []byte) error {
	dst, err := m.Bytes(addr, len(p))
	if err != nil {
		return err
	}
	copy(dst, p)
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := find(m.list, addr); a != nil && a.init != nil {
		for i := range a.init[addr-a.base:][:len(p)] {
			a.init[addr-a.base:][i] = 1
		}
	}
	return nil
}

// Read copies from addr to p.
func (m *Memory) Read(p []byte, addr uint64) error {
	src, err := m.Bytes(addr, len(p))
	copy(p, src)
	return err
}

// Copy moves n bytes within the memory, with what is known of their being
// written.
func (m *Memory) Copy(dst, src uint64, n int) error {
	from, err := m.Bytes(src, n)
	if err != nil {
		return err
	}
	to, err := m.Bytes(dst, n)
	if err != nil {
		return err
	}
	copy(to, from)
	m.mu.Lock()
	defer m.mu.Unlock()
	a, b := find(m.list, dst), find(m.list, src)
	if a == nil || b == nil || a.init == nil {
		return nil
	}
	to = a.init[dst-a.base:][:n]
	if b.init != nil {
		copy(to, b.init[src-b.base:][:n])
		return nil
	}
	for i := range to {
		to[i] = 1
	}
	return nil
}

// Discard says that the n bytes at addr hold nothing any more: a kernel that
// reads them is wrong until they are written again. It works on any allocation.
func (m *Memory) Discard(addr uint64, n int) error {
	if _, err := m.Bytes(addr, n); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a := find(m.list, addr)
	if a == nil {
		return diag.New(diag.Usage, "no allocation at 0x%x", addr)
	}
	if a.init == nil {
		a.init = make([]uint8, len(a.data))
		for i := range a.init {
			a.init[i] = 1
		}
	}
	clear(a.init[addr-a.base:][:n])
	return nil
}

// find is the last allocation that begins at addr or before it.
func find(list []*allocation, addr uint64) *allocation {
	lo, hi := 0, len(list)
	for lo < hi {
		if mid := (lo + hi) / 2; list[mid].base <= addr {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return nil
	}
	return list[lo-1]
}
