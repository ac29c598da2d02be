package pool

import (
	"errors"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// count counts how often each chunk ran and checks that workers are exclusive.
type count struct {
	t    *testing.T
	seen []int32
	busy []atomic.Bool
}

func (c *count) Do(i, worker int) {
	if c.busy[worker].Swap(true) {
		c.t.Errorf("worker %d runs two chunks at once", worker)
	}
	c.seen[i]++ // unsynchronised on purpose: the race detector watches the join
	c.busy[worker].Store(false)
}

func TestRunDoesEachChunkOnce(t *testing.T) {
	for _, threads := range []int{0, 1, 2, 3, 8} {
		p := New(threads)
		for _, n := range []int{0, 1, 2, 3, 7, 100} {
			for rep := range 200 {
				c := &count{t, make([]int32, n), make([]atomic.Bool, p.Threads())}
				p.Run(n, c)
				for i, s := range c.seen {
					if s != 1 {
						t.Fatalf("threads %d, n %d, rep %d: chunk %d ran %d times", threads, n, rep, i, s)
					}
				}
			}
		}
		p.Close()
		p.Close()
		p.Run(3, &count{t, make([]int32, 3), make([]atomic.Bool, 1)}) // inline after Close
	}
	var none *Pool
	none.Run(3, &count{t, make([]int32, 3), make([]atomic.Bool, 1)})
	none.Close()
}

func TestRunAfterParking(t *testing.T) {
	p := New(3)
	defer p.Close()
	for range 20 {
		time.Sleep(2 * spinTime)
		c := &count{t, make([]int32, 10), make([]atomic.Bool, 3)}
		p.Run(10, c)
		for i, s := range c.seen {
			if s != 1 {
				t.Fatalf("chunk %d ran %d times", i, s)
			}
		}
	}
}

// meet returns only when both chunks run at the same time.
type meet struct{ sync.WaitGroup }

func (m *meet) Do(int, int) {
	m.Done()
	m.Wait()
}

func TestChunksRunAtOnce(t *testing.T) {
	p := New(2)
	defer p.Close()
	for range 50 {
		m := new(meet)
		m.Add(2)
		p.Run(2, m)
	}
}

// sleepy makes the caller park while a worker is still busy.
type sleepy struct{}

func (sleepy) Do(_, worker int) {
	time.Sleep(time.Duration(1+4*worker) * time.Millisecond)
}

func TestCallerParks(t *testing.T) {
	p := New(2)
	defer p.Close()
	for range 10 {
		p.Run(2, sleepy{})
	}
}

var errBroken = errors.New("broken")

// breaks panics in chunk bad, and only off the caller if other.
type breaks struct {
	bad   int
	ran   atomic.Int32
	other bool
	meet
}

func (b *breaks) Do(i, worker int) {
	b.ran.Add(1)
	if b.other {
		b.meet.Do(i, worker)
		if worker != 0 {
			panic(errBroken)
		}
		return
	}
	if i == b.bad {
		panic(errBroken)
	}
}

func TestPanicReachesCaller(t *testing.T) {
	p := New(2)
	defer p.Close()
	for rep := range 100 {
		n := 5
		b := &breaks{bad: rep % n}
		if rep%2 == 1 {
			n, b.other = 2, true
			b.Add(2)
		}
		func() {
			defer func() {
				err, _ := recover().(error)
				if !errors.Is(err, errBroken) {
					t.Errorf("have panic %v", err)
				}
				var p *Panic
				if b.other && (!errors.As(err, &p) || len(p.Stack) == 0) {
					t.Errorf("no stack of the worker in %v", err)
				}
			}()
			p.Run(n, b)
			t.Error("Run returned")
		}()
		if b.ran.Load() != int32(n) {
			t.Errorf("%d of %d chunks ran", b.ran.Load(), n)
		}
	}
}

// nest runs the pool from within a chunk.
type nest struct {
	p *Pool
	n atomic.Int32
}

type leaf struct{ n *atomic.Int32 }

func (l leaf) Do(int, int)  { l.n.Add(1) }
func (x *nest) Do(int, int) { x.p.Run(3, leaf{&x.n}) }

func TestNestedAndConcurrentRuns(t *testing.T) {
	p := New(3)
	defer p.Close()
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 100 {
				x := &nest{p: p}
				p.Run(4, x)
				if n := x.n.Load(); n != 12 {
					t.Errorf("%d inner chunks ran, want 12", n)
				}
			}
		}()
	}
	wg.Wait()
}

func TestCloseEndsGoroutines(t *testing.T) {
	before := goruntime.NumGoroutine()
	for range 10 {
		p := New(4)
		p.Run(4, sleepy{})
		p.Close()
	}
	// Close waits for the last statement of a worker; the scheduler may take a
	// moment more to forget it.
	for i := 0; goruntime.NumGoroutine() > before && i < 100; i++ {
		time.Sleep(time.Millisecond)
	}
	if n := goruntime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

func TestRunDoesNotAllocate(t *testing.T) {
	p := New(2)
	defer p.Close()
	task := &count{t, make([]int32, 8), make([]atomic.Bool, 2)}
	start := time.Now()
	if n := testing.AllocsPerRun(1000, func() { p.Run(8, task) }); n != 0 {
		t.Errorf("%v allocations a run", n)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("1000 runs with GOMAXPROCS=1 took %v", d)
	}
}

type empty struct{}

func (empty) Do(int, int) {}

func BenchmarkForkJoin(b *testing.B) {
	p := New(2)
	defer p.Close()
	for b.Loop() {
		p.Run(2, empty{})
	}
}
