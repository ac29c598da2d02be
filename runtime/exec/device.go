package exec

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/plan"
)

// Device is memory and kernels beside the host's. Its methods are called by
// several goroutines at a time. Addresses are the device's own; 0 is none.
type Device interface {
	// Load takes the code of a program (PTX).
	Load(code []byte) (Code, error)
	// Alloc gives n bytes (n > 0) at a multiple of 256, Free takes them back
	// when nothing in a queue uses them any more.
	Alloc(n int) (addr uint64, err error)
	Free(addr uint64) error
	// Queue makes an order of work: what is put into it is done in that order.
	Queue() (Queue, error)
}

// Scatterer is a Device that may want each buffer of a program to have memory of
// its own: slower, but nothing can hide between two buffers.
type Scatterer interface {
	Scatter() bool
}

// Code is loaded code.
type Code interface {
	// Kernel finds a kernel by name.
	Kernel(name string) (Kernel, error)
	Close() error
}

// Kernel is what Queue.Launch runs, in the device's own form.
type Kernel any

// Queue is used by one goroutine at a time.
type Queue interface {
	// Upload copies src to addr; src may change when Upload returns.
	Upload(addr uint64, src []byte) error
	// Download waits for what was put in before, and copies from addr.
	Download(ctx context.Context, dst []byte, addr uint64) error
	// Copy copies n bytes on the device.
	Copy(to, from uint64, n int) error
	// Launch runs a kernel; each parameter is in the low bytes of its args.
	Launch(ctx context.Context, k Kernel, grid, block [3]int, args []uint64) error
	// Wait waits for everything that was put in.
	Wait(ctx context.Context) error
	Close() error
}

// deviceModel is what a Model has on a device.
type deviceModel struct {
	dev     Device
	code    Code
	kernels map[string]Kernel
	consts  []uint64 // address by constant, 0: not there
	free    []uint64
	scatter bool
}

// onDevice loads p's code and the constants that launches read.
func (m *Model) onDevice(dev Device) error {
	if dev == nil {
		return &diag.Error{Kind: diag.Unsupported, Port: "device", Have: "none", Want: "one for " + m.prog.Target + " (an mlc built with -tags cuda has it, or --engine ptxsim)"}
	}
	d := &deviceModel{dev: dev, kernels: map[string]Kernel{}, consts: make([]uint64, len(m.prog.Consts))}
	if x, ok := dev.(Scatterer); ok {
		d.scatter = x.Scatter()
	}
	m.device = d
	if err := d.load(m); err != nil {
		d.close()
		m.device = nil
		return err
	}
	return nil
}

func (d *deviceModel) load(m *Model) error {
	var err error
	if d.code, err = d.dev.Load(m.prog.Code); err != nil {
		return err
	}
	q, err := d.dev.Queue()
	if err != nil {
		return err
	}
	defer q.Close()
	for _, fn := range m.prog.Funcs {
		for i := range fn.Body {
			if g := fn.Body[i].Grid; fn.Body[i].Op == plan.Launch && d.kernels[g.Kernel] == nil {
				if d.kernels[g.Kernel], err = d.code.Kernel(g.Kernel); err != nil {
					return err
				}
			}
		}
		for i := range fn.Slots {
			s := &fn.Slots[i]
			if s.Kind != plan.Fixed || s.Space != plan.Device || d.consts[s.Index] != 0 {
				continue
			}
			b := m.consts[s.Index].Tensor.Bytes()
			addr, err := d.dev.Alloc(max(1, len(b)))
			if err != nil {
				return err
			}
			d.free, d.consts[s.Index] = append(d.free, addr), addr
			if len(b) > 0 {
				if err := q.Upload(addr, b); err != nil {
					return err
				}
			}
		}
	}
	return q.Wait(context.Background())
}

func (d *deviceModel) close() error {
	var err error
	for _, a := range d.free {
		err = errors.Join(err, d.dev.Free(a))
	}
	d.free = nil
	if d.code != nil {
		err = errors.Join(err, d.code.Close())
	}
	return err
}

// deviceSession is a session's memory and queue.
type deviceSession struct {
	queue Queue
	arena uint64
	size  int
	own   []uint64 // of bindings whose buffers are scattered
}

// deviceArena gives the session at least size bytes on the device.
func (s *Session) deviceArena(size int) (grown bool, err error) {
	d := s.m.device
	if s.device.queue == nil {
		if s.device.queue, err = d.dev.Queue(); err != nil {
			return false, err
		}
	}
	if size <= s.device.size || d.scatter {
		return false, nil
	}
	addr, err := d.dev.Alloc(size)
	if err != nil {
		return false, err
	}
	old := s.device.arena
	s.device.arena, s.device.size = addr, size
	if old == 0 {
		return true, nil
	}
	if err := s.device.queue.Wait(context.Background()); err != nil {
		return true, err
	}
	return true, d.dev.Free(old)
}

func (s *Session) closeDevice() error {
	if s.device.queue == nil {
		return nil
	}
	err := errors.Join(s.device.queue.Wait(context.Background()), s.device.queue.Close())
	if s.device.arena != 0 {
		s.device.own = append(s.device.own, s.device.arena)
	}
	for _, a := range s.device.own {
		err = errors.Join(err, s.m.device.dev.Free(a))
	}
	s.device = deviceSession{}
	return err
}

// launch is a Launch instruction prepared; none of its tiles: grid[0] is 0.
type launch struct {
	kernel Kernel
	grid   [3]int
	args   []uint64
}

// maxGrid is how many blocks there are at most on each axis, of any device.
var maxGrid = [3]int64{math.MaxInt32, 65535, 65535}

func (s *Session) prepareLaunch(fr *frame, in *plan.Instr, c *call) error {
	g := in.Grid
	l := &launch{kernel: s.m.device.kernels[g.Kernel]}
	c.launch = l
	for i := range 3 {
		n, err := g.Count[i].Eval(s.env)
		if err != nil || n < 0 {
			return &diag.Error{Kind: diag.Shape, Port: "grid", Have: g.Count[i].String(), Err: err}
		}
		n = (n + int64(g.Tile[i]) - 1) / int64(g.Tile[i])
		if n > maxGrid[i] {
			return &diag.Error{Kind: diag.Limit, Port: fmt.Sprintf("blocks on axis %d", i), Have: fmt.Sprint(n), Want: fmt.Sprintf("at most %d", maxGrid[i])}
		}
		l.grid[i] = int(n)
	}
	for _, a := range g.Args {
		switch a.Kind {
		case plan.ArgIn:
			l.args = append(l.args, fr.addr[in.In[a.I]])
		case plan.ArgOut:
			l.args = append(l.args, fr.addr[in.Out[a.I]])
		default:
			n, err := a.Dim.Eval(s.env)
			if err != nil || n < 0 || n > math.MaxInt32 {
				return &diag.Error{Kind: diag.Limit, Port: "extent", Have: fmt.Sprintf("%v = %d", a.Dim, n), Want: fmt.Sprintf("0..%d", math.MaxInt32), Err: err}
			}
			l.args = append(l.args, uint64(n))
		}
	}
	return nil
}

// runLaunch puts a prepared launch into the queue.
func (s *Session) runLaunch(in *plan.Instr, l *launch) error {
	if l.grid[0] == 0 || l.grid[1] == 0 || l.grid[2] == 0 {
		return nil
	}
	return s.device.queue.Launch(s.ctx, l.kernel, l.grid, in.Grid.Block, l.args)
}

// cross copies between the spaces, or within the device.
func (s *Session) cross(fr *frame, from, to plan.SlotID) error {
	q, fn := s.device.queue, fr.fn
	bytes := func(i plan.SlotID) int {
		n, _ := tensor.Count(fr.place.Dims[i])
		return fn.Slots[i].Type.DType.Bytes(n)
	}
	host, dev, up := &fr.vals[from].Tensor, to, true
	if fn.Slots[from].Space == plan.Device {
		if fn.Slots[to].Space == plan.Device {
			if n := min(bytes(from), bytes(to)); n > 0 {
				return q.Copy(fr.addr[to], fr.addr[from], n)
			}
			return nil
		}
		host, dev, up = &fr.vals[to].Tensor, from, false
	}
	b := host.Bytes()
	if len(b) != bytes(dev) {
		return &diag.Error{Kind: diag.Shape, Node: fmt.Sprintf("value %q", fn.Slots[from].Name), Have: fmt.Sprintf("%d bytes", len(b)), Want: fmt.Sprint(bytes(dev))}
	}
	switch {
	case len(b) == 0:
		return nil
	case up:
		return q.Upload(fr.addr[dev], b)
	}
	return q.Download(s.ctx, b, fr.addr[dev])
}

// addresses gives every device slot its address.
func (s *Session) addresses(b *binding, fr *frame) error {
	fn := fr.fn
	fr.addr = make([]uint64, len(fn.Slots))
	if s.m.device.scatter {
		if err := s.scatter(fr); err != nil {
			return err
		}
	}
	for i := range fn.Slots {
		sl := &fn.Slots[i]
		if sl.Space != plan.Device {
			continue
		}
		switch root := &fn.Slots[fn.Root(plan.SlotID(i))]; root.Kind {
		case plan.Fixed:
			fr.addr[i] = s.m.device.consts[root.Index]
			if n, ok := tensor.Count(fr.place.Dims[i]); !ok || n != s.m.consts[root.Index].Tensor.Len() {
				return diag.New(diag.Shape, "value %q: %v of the elements of %v", sl.Name, fr.place.Dims[i], shape.Format(root.Type.Dims))
			}
		default:
			if s.m.device.scatter {
				fr.addr[i] = fr.addr[fn.Root(plan.SlotID(i))]
			} else {
				fr.addr[i] = s.device.arena + uint64(fr.dbase+fr.place.Offset[i])
			}
		}
	}
	return nil
}

// scatter gives every buffer memory of its own, which the session keeps to its
// end.
func (s *Session) scatter(fr *frame) error {
	for i := range fr.fn.Slots {
		sl := &fr.fn.Slots[i]
		if sl.Space != plan.Device || sl.Kind != plan.Buf || sl.Alias != plan.None {
			continue
		}
		n, _ := tensor.Count(fr.place.Dims[i])
		addr, err := s.m.device.dev.Alloc(max(1, sl.Type.DType.Bytes(n)))
		if err != nil {
			return err
		}
		fr.addr[i] = addr
		s.device.own = append(s.device.own, addr)
	}
	return nil
}
