package ptxsim

import (
	"math/bits"
	"sync/atomic"
)

// memView is the memory as a launch finds it: allocations made later are not
// seen, those freed meanwhile stay.
type memView struct {
	parts []memPart // by address
	mem   *Memory
	unit  int // shift of bytes to cells
}

// memPart is an allocation in a view, with its shadow.
type memPart struct {
	base     uint64
	data     []byte
	init     []uint8
	readOnly bool
	pages    atomic.Pointer[pageTable] // made when first needed: most launches touch few allocations
}

// pageTable has the pages of one allocation, which are made when first touched.
type pageTable []atomic.Pointer[[pageCells]cell]

// pageCells is the number of cells in a page of shadow.
const (
	pageShift = 10
	pageCells = 1 << pageShift
)

func (m *Memory) view(k *kernel) memView {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := memView{parts: make([]memPart, len(m.list)), mem: m, unit: bits.TrailingZeros(uint(k.globalUnit))}
	for i, a := range m.list {
		p := &v.parts[i]
		p.base, p.data, p.init, p.readOnly = a.base, a.data, a.init, a.readOnly
	}
	return v
}

// release gives the pages of shadow back.
func (m *Memory) release(v *memView) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range v.parts {
		t := v.parts[i].pages.Load()
		if t == nil {
			continue
		}
		for j := range *t {
			if p := (*t)[j].Load(); p != nil {
				m.pages = append(m.pages, p)
			}
		}
	}
}

// page is page i of a part's shadow.
func (v *memView) page(p *memPart, i uint64) *[pageCells]cell {
	if t := p.pages.Load(); t != nil {
		if pg := (*t)[i].Load(); pg != nil {
			return pg
		}
	}
	return v.newPage(p, i)
}

func (v *memView) newPage(p *memPart, i uint64) *[pageCells]cell {
	m := v.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	t := p.pages.Load()
	if t == nil {
		table := make(pageTable, (len(p.data)>>v.unit+pageCells)/pageCells)
		t = &table
		p.pages.Store(t)
	}
	if pg := (*t)[i].Load(); pg != nil {
		return pg
	}
	var pg *[pageCells]cell
	if n := len(m.pages); n > 0 {
		pg = m.pages[n-1]
		m.pages = m.pages[:n-1]
		clear(pg[:])
	} else {
		pg = new([pageCells]cell)
	}
	(*t)[i].Store(pg)
	return pg
}

// part is the part that holds size bytes at addr, nil for none.
func (v *memView) part(addr uint64, size int) *memPart {
	lo, hi := 0, len(v.parts)
	for lo < hi {
		if mid := (lo + hi) / 2; v.parts[mid].base <= addr {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 || !v.parts[lo-1].holds(addr, size) {
		return nil
	}
	return &v.parts[lo-1]
}

func (p *memPart) holds(addr uint64, size int) bool {
	o := addr - p.base
	return o < uint64(len(p.data)) && uint64(size) <= uint64(len(p.data))-o
}

// written says whether all size bytes at o were.
func (p *memPart) written(o uint64, size int) bool {
	if p.init == nil {
		return true
	}
	for _, x := range p.init[o:][:size] {
		if x == 0 {
			return false
		}
	}
	return true
}
