package exec

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

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

// Checker is a Device that looks for mistakes in kernels.
type Checker interface {
	// Scatter says whether each buffer of a program has memory of its own: slower,
	// but nothing can hide between two.
	Scatter() bool
	// Protect says that kernels only read the allocation at addr from now on.
	Protect(addr uint64) error
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
	faults  [][2]int // function and instruction of launches that tell of faults, a word each
	watched []bool   // functions that have some
}

// onDevice loads p's code and the constants that launches read.
func (m *Model) onDevice(dev Device) error {
	if dev == nil {
		return &diag.Error{Kind: diag.Unsupported, Port: "device", Have: "none", Want: "one for " + m.prog.Target + ", given by runtime.WithDevice (package runtime/cuda has GPUs)"}
	}
	d := &deviceModel{dev: dev, kernels: map[string]Kernel{}, consts: make([]uint64, len(m.prog.Consts)), watched: make([]bool, len(m.prog.Funcs))}
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
	checker, checked := d.dev.(Checker)
	d.scatter = checked && checker.Scatter()
	if d.code, err = d.dev.Load(m.prog.Code); err != nil {
		return err
	}
	q, err := d.dev.Queue()
	if err != nil {
		return err
	}
	defer q.Close()
	for id, fn := range m.prog.Funcs {
		for i := range fn.Body {
			g := fn.Body[i].Grid
			if fn.Body[i].Op != plan.Launch {
				continue
			}
			if d.kernels[g.Kernel] == nil {
				if d.kernels[g.Kernel], err = d.code.Kernel(g.Kernel); err != nil {
					return err
				}
			}
			if slices.ContainsFunc(g.Args, func(a plan.Arg) bool { return a.Kind == plan.ArgFault }) {
				d.faults, d.watched[id] = append(d.faults, [2]int{id, i}), true
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
			if checked {
				if err := checker.Protect(addr); err != nil {
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
	fault uint64 // a word for each of the model's faults
	words []byte // the same here
	clean bool   // all of them are 0
}

// deviceArena gives the session at least size bytes on the device. Bindings are
// dropped where that moves: they point into what there was.
func (s *Session) deviceArena(size int) error {
	d := s.m.device
	if int64(size) > s.devLimit {
		return &diag.Error{Kind: diag.Limit, Port: "memory for intermediate values on the device", Have: fmt.Sprintf("%d bytes", size), Want: fmt.Sprintf("at most %d (see MemoryLimit)", s.devLimit)}
	}
	var err error
	if s.device.queue == nil {
		if s.device.queue, err = d.dev.Queue(); err != nil {
			return err
		}
	}
	if n := 4 * len(d.faults); n > 0 && s.device.fault == 0 {
		if s.device.fault, err = d.dev.Alloc(n); err != nil {
			return err
		}
		s.device.words = make([]byte, n)
	}
	if size <= s.device.size || d.scatter {
		return nil
	}
	if err := s.dropBindings(); err != nil {
		return err
	}
	if old := s.device.arena; old != 0 {
		s.device.arena, s.device.size = 0, 0
		if err := errors.Join(s.device.queue.Wait(context.Background()), d.dev.Free(old)); err != nil {
			return err
		}
	}
	addr, err := d.dev.Alloc(size)
	if err == nil {
		s.device.arena, s.device.size = addr, size
	}
	return err
}

func (s *Session) closeDevice() error {
	if s.device.queue == nil {
		return nil
	}
	err := errors.Join(s.dropBindings(), s.device.queue.Wait(context.Background()), s.device.queue.Close())
	for _, a := range []uint64{s.device.arena, s.device.fault} {
		if a != 0 {
			err = errors.Join(err, s.m.device.dev.Free(a))
		}
	}
	s.device = deviceSession{}
	return err
}

// beginFaults makes all words of faults 0, where they are not.
func (s *Session) beginFaults() error {
	if s.m.device == nil || s.device.clean || len(s.device.words) == 0 {
		return nil
	}
	clear(s.device.words)
	return s.device.queue.Upload(s.device.fault, s.device.words)
}

// checkFaults gives the first fault that a launch told of.
func (s *Session) checkFaults() error {
	s.device.clean = false
	if err := s.device.queue.Download(s.ctx, s.device.words, s.device.fault); err != nil {
		return err
	}
	for i, where := range s.m.device.faults {
		if binary.LittleEndian.Uint32(s.device.words[4*i:]) != 0 {
			return at(&s.m.prog.Funcs[where[0]].Body[where[1]], diag.New(diag.BadData, "an index is out of range"))
		}
	}
	s.device.clean = true
	return nil
}

// launch is a Launch instruction prepared; none of its tiles: grid[0] is 0.
type launch struct {
	kernel Kernel
	grid   [3]int
	args   []uint64
}

// maxGrid is how many blocks there are at most on each axis, of any device.
var maxGrid = [3]int64{math.MaxInt32, 65535, 65535}

func (s *Session) prepareLaunch(fr *frame, i int) error {
	in, c := &fr.fn.Body[i], &fr.calls[i]
	g := in.Grid
	l := &launch{kernel: s.m.device.kernels[g.Kernel]}
	c.launch = l
	for axis := range 3 {
		n, err := g.Count[axis].Eval(s.env)
		if err != nil || n < 0 {
			return &diag.Error{Kind: diag.Shape, Port: "grid", Have: g.Count[axis].String(), Err: err}
		}
		if n > 0 {
			n = (n-1)/int64(g.Tile[axis]) + 1
		}
		if n > maxGrid[axis] {
			return &diag.Error{Kind: diag.Limit, Port: fmt.Sprintf("blocks on axis %d", axis), Have: fmt.Sprint(n), Want: fmt.Sprintf("at most %d", maxGrid[axis])}
		}
		l.grid[axis] = int(n)
	}
	for _, a := range g.Args {
		switch a.Kind {
		case plan.ArgIn:
			l.args = append(l.args, fr.addr[in.In[a.I]])
		case plan.ArgOut:
			l.args = append(l.args, fr.addr[in.Out[a.I]])
		case plan.ArgFault:
			word := slices.Index(s.m.device.faults, [2]int{fr.id, i})
			l.args = append(l.args, s.device.fault+uint64(4*word))
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
		if err := s.scatter(b, fr); err != nil {
			return err
		}
	}
	for i := range fn.Slots {
		sl := &fn.Slots[i]
		if sl.Space != plan.Device {
			continue
		}
		n, ok := tensor.Count(fr.place.Dims[i])
		if !ok || n > math.MaxInt32 {
			return &diag.Error{Kind: diag.Limit, Node: fmt.Sprintf("value %q", sl.Name), Have: fmt.Sprint(fr.place.Dims[i]), Want: fmt.Sprintf("at most %d elements on a device", math.MaxInt32)}
		}
		root := fn.Root(plan.SlotID(i))
		switch r := &fn.Slots[root]; {
		case r.Kind == plan.Fixed:
			fr.addr[i] = s.m.device.consts[r.Index]
			if n != s.m.consts[r.Index].Tensor.Len() {
				return diag.New(diag.Shape, "value %q: %v of the elements of %v", sl.Name, fr.place.Dims[i], shape.Format(r.Type.Dims))
			}
		case s.m.device.scatter:
			fr.addr[i] = fr.addr[root]
		default:
			fr.addr[i] = s.device.arena + uint64(fr.dbase+fr.place.Offset[i])
		}
	}
	return nil
}

// scatter gives every buffer memory of its own, which b keeps: as much as the
// largest of its views has.
func (s *Session) scatter(b *binding, fr *frame) error {
	size := map[plan.SlotID]int{}
	for i := range fr.fn.Slots {
		sl := &fr.fn.Slots[i]
		if sl.Space == plan.Device && sl.Kind == plan.Buf {
			n, _ := tensor.Count(fr.place.Dims[i])
			root := fr.fn.Root(plan.SlotID(i))
			size[root] = max(1, size[root], sl.Type.DType.Bytes(n))
		}
	}
	for i := range fr.fn.Slots {
		n, ok := size[plan.SlotID(i)]
		if !ok || fr.fn.Slots[i].Kind != plan.Buf {
			continue
		}
		addr, err := s.m.device.dev.Alloc(n)
		if err != nil {
			return err
		}
		fr.addr[i] = addr
		b.own = append(b.own, addr)
	}
	return nil
}
