package pool

import (
	"fmt"
	"math"
	goruntime "runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// A Task is one computation in chunks.
type Task interface {
	// Do computes chunk i. Chunks run in any order and at the same time; worker
	// is 0 for the goroutine that called Run and below Threads for all, and no
	// two chunks run at once with the same worker, so it can index scratch
	// memory. Do must not call runtime.Goexit.
	Do(i, worker int)
}

// Pool is a set of worker goroutines. A nil *Pool is valid and runs everything
// on the caller.
type Pool struct {
	workers []*worker

	mu     sync.Mutex // held by a Run in progress, and by Close
	closed bool

	task Task // of the current run; read only by who has claimed a chunk of it

	_    [64]byte
	work atomic.Uint64 // number of chunks << 32 | next chunk to claim
	_    [56]byte
	done atomic.Int64 // chunks finished, of the current run
	_    [56]byte
	wait atomic.Uint32 // 1 while the caller is parked on idle
	fail atomic.Pointer[Panic]
	quit atomic.Bool
	idle chan struct{}
	gone sync.WaitGroup
}

type worker struct {
	parked atomic.Uint32 // 1 from the decision to park until somebody wakes it
	_      [60]byte
	wake   chan struct{}
}

// Panic is what Run panics with where a chunk panicked on another goroutine.
// Panics in chunks that ran on the caller arrive as they are.
type Panic struct {
	Value any    // what the chunk panicked with
	Stack []byte // of the goroutine that ran it
}

// Error makes a Panic readable where it ends a program.
func (p *Panic) Error() string { return fmt.Sprintf("%v [in a pool worker]\n%s", p.Value, p.Stack) }

// Unwrap returns the panic value where it is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// New returns a pool that runs chunks on threads goroutines, the caller of Run
// being one of them. For threads <= 1 there are no workers. Close it after use.
func New(threads int) *Pool {
	p := &Pool{idle: make(chan struct{}, 1)}
	for i := 1; i < threads; i++ {
		w := &worker{wake: make(chan struct{}, 1)}
		p.workers = append(p.workers, w)
	}
	p.gone.Add(len(p.workers))
	for i, w := range p.workers {
		go p.serve(w, i+1)
	}
	return p
}

// Threads returns the number of goroutines that Run uses, at least 1.
func (p *Pool) Threads() int {
	if p == nil {
		return 1
	}
	return len(p.workers) + 1
}

// Run calls t.Do for every i in [0, n) and returns when all have returned. It
// allocates nothing. Where a chunk panics the other chunks still run, then Run
// panics. Calls at the same time, from within a chunk, and after Close are
// allowed: they run all on the caller.
func (p *Pool) Run(n int, t Task) {
	if n <= 1 || p == nil || len(p.workers) == 0 || n > math.MaxInt32 || !p.mu.TryLock() {
		inline(n, t)
		return
	}
	defer p.mu.Unlock()
	if p.closed {
		inline(n, t)
		return
	}
	p.run(n, t)
}

func inline(n int, t Task) {
	for i := range n {
		t.Do(i, 0)
	}
}

func (p *Pool) run(n int, t Task) {
	p.task = t
	p.done.Store(0)
	p.work.Store(uint64(n) << 32)
	p.rouse(n - 1)
	defer p.finish(n) // also where a chunk of ours panics
	for {
		i := p.claim()
		if i < 0 {
			return
		}
		p.doOwn(i, t)
	}
}

// claim takes the next chunk of the current run, -1 where none is left. The
// word holds no run number and needs none: a successful swap always claims a
// chunk of the run that is current at that moment, and that run cannot end
// before the chunk is done.
func (p *Pool) claim() int {
	for {
		w := p.work.Load()
		next := w & math.MaxUint32
		if next >= w>>32 {
			return -1
		}
		if p.work.CompareAndSwap(w, w+1) {
			return int(next)
		}
	}
}

func (p *Pool) doOwn(i int, t Task) {
	defer p.done.Add(1)
	t.Do(i, 0)
}

// doOther runs chunk i on a worker and keeps the first panic for the caller.
func (p *Pool) doOther(i, worker int) {
	defer func() {
		if v := recover(); v != nil {
			p.fail.CompareAndSwap(nil, &Panic{v, debug.Stack()})
		}
		n := int64(p.work.Load() >> 32) // before the caller may start another run
		if p.done.Add(1) == n && p.wait.CompareAndSwap(1, 0) {
			p.idle <- struct{}{}
		}
	}()
	p.task.Do(i, worker)
}

// finish claims what is left (only after a panic is there any), waits for the
// chunks that workers have begun, and raises their panic.
func (p *Pool) finish(n int) {
	for {
		i := p.claim()
		if i < 0 {
			break
		}
		func() {
			defer func() { _ = recover() }() // the first panic is already on its way
			p.doOwn(i, p.task)
		}()
	}
	p.await(int64(n))
	p.task = nil
	if f := p.fail.Swap(nil); f != nil {
		panic(f)
	}
}

func (p *Pool) await(n int64) {
	for s := newSpin(); s.again(); {
		if p.done.Load() == n {
			return
		}
	}
	for p.done.Load() != n {
		p.wait.Store(1)
		// Look again: who finished before the store did not see us waiting. A
		// worker late from an earlier run may wake us for nothing, hence the loop.
		if p.done.Load() != n || !p.wait.CompareAndSwap(1, 0) {
			<-p.idle
		}
	}
}

// rouse wakes up to n parked workers.
func (p *Pool) rouse(n int) {
	for _, w := range p.workers {
		if n == 0 {
			return
		}
		if w.parked.Load() == 1 && w.parked.CompareAndSwap(1, 0) {
			w.wake <- struct{}{}
		}
		n--
	}
}

// serve is the life of a worker.
func (p *Pool) serve(w *worker, id int) {
	defer p.gone.Done()
	s := newSpin()
	for {
		if i := p.claim(); i >= 0 {
			p.doOther(i, id)
			s = newSpin()
			continue
		}
		if p.quit.Load() {
			return
		}
		if s.again() {
			continue
		}
		w.parked.Store(1)
		// Look again: a run published before the store did not see us parked.
		if !p.quit.Load() && !p.pending() || !w.parked.CompareAndSwap(1, 0) {
			<-w.wake
		}
		s = newSpin()
	}
}

func (p *Pool) pending() bool {
	w := p.work.Load()
	return w&math.MaxUint32 < w>>32
}

// Close ends the workers and returns when they are gone; a Run in progress
// ends first. Closing again, or closing nil, does nothing.
func (p *Pool) Close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.quit.Store(true)
	p.rouse(len(p.workers))
	p.gone.Wait()
}

// spinTime bounds how long a goroutine without work keeps its core: enough to
// bridge the scalar work between two operators, little enough not to matter to
// the machine.
const spinTime = 60 * time.Microsecond

// spin measures a bounded busy wait, looking at the clock only now and then.
type spin struct {
	n     int
	start time.Time
}

func newSpin() spin { return spin{} }

// again pauses shortly and reports whether there is time left.
func (s *spin) again() bool {
	const look = 16
	pause(4)
	s.n++
	if s.n%look != 0 {
		return true
	}
	if s.n == look {
		s.start = time.Now()
		return goruntime.GOMAXPROCS(0) > 1
	}
	return time.Since(s.start) < spinTime
}
