package ptxsim

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/mlc-go/mlc/ir/diag"
)

// Launch says how a kernel is run.
type Launch struct {
	Grid, Block [3]int   // extents x, y, z; all at least 1
	Dynamic     int      // bytes of the .extern .shared variable
	Args        []uint64 // one per parameter, its bits in the low bytes
	Stats       *Stats   // filled where not nil, also by a run that fails
}

// Stats counts what a launch did.
type Stats struct {
	Blocks       uint64 // run to their end
	Instructions uint64 // issued by warps
	Lanes        uint64 // the same, times the lanes that ran
}

// Skip is a set of checks that are left out.
type Skip uint8

// The checks that can be left out. Bounds, alignment, barriers, shuffles,
// division and the budget are always checked.
const (
	SharedRaces  Skip = 1 << iota
	GlobalRaces       // blocks then run one after another
	UninitShared      // shared memory then begins as zeros
	UninitGlobal      // reads of allocations made by AllocUninit
	UninitRegs        // registers then begin as zeros

	Unchecked = SharedRaces | GlobalRaces | UninitShared | UninitGlobal | UninitRegs
)

// Checks says what Run looks for. The zero value looks for everything.
type Checks struct {
	Skip    Skip
	Budget  uint64 // instructions that one warp may issue; 0 is 1<<32
	Workers int    // goroutines; 0 is GOMAXPROCS. No result depends on it
	Ulp     int    // moves the results of ex2.approx and lg2.approx by up to this many ulp, reproducibly
}

// run is a launch under way.
type run struct {
	k          *kernel
	launch     Launch
	checks     Checks
	args       []uint64
	threads    int // per block
	blocks     uint64
	budget     uint64
	sharedVars []sharedVar
	sharedEnd  uint32
	mem        memView
	ctx        context.Context

	nextBlock atomic.Uint64
	mu        sync.Mutex
	failed    atomic.Uint64 // lowest block with a fault, ^0 for none
	fault     *Fault
	stats     Stats
}

// Run executes a kernel to its end. A mistake of the kernel is a *Fault inside
// a *diag.Error; of several blocks that fail the lowest is reported. After an
// error memory is in an undefined state, but never touched outside what the
// kernel was given. A launch that no device would take is Unsupported or Usage.
func (m *Module) Run(ctx context.Context, mem *Memory, name string, l Launch, c Checks) error {
	k := m.kernels[name]
	if k == nil {
		return diag.New(diag.Usage, "no kernel %q%s", name, diag.DidYouMean(name, m.names, "Kernels lists them"))
	}
	r, err := newRun(m, k, l, c)
	if err != nil {
		return diag.At("kernel "+name, "", diag.Usage, err)
	}
	r.ctx = ctx
	r.mem = mem.view(k)
	defer func() {
		if l.Stats != nil {
			*l.Stats = r.stats
		}
	}()
	workers := c.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	if c.Skip&GlobalRaces != 0 || k.atomics {
		workers = 1
	}
	if uint64(workers) > r.blocks {
		workers = int(r.blocks)
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(r.work)
	}
	r.work()
	wg.Wait()
	mem.release(&r.mem)
	if r.fault != nil {
		return r.fault.wrap()
	}
	if err := ctx.Err(); err != nil && r.stats.Blocks < r.blocks {
		return &diag.Error{Kind: diag.Limit, Node: "kernel " + name, Err: err}
	}
	return nil
}

// work runs blocks until none is left or all that are left come after one
// that failed.
func (r *run) work() {
	b := newBlock(r)
	var s Stats
	for {
		n := r.nextBlock.Add(1) - 1
		if n >= r.blocks || n > r.failed.Load() || r.ctx.Err() != nil {
			break
		}
		f := b.exec(n)
		if f == nil && !b.stopped {
			s.Blocks++
		}
		for i := range b.warps {
			s.Instructions += b.warps[i].issued
			s.Lanes += b.warps[i].lanes
			b.warps[i].lanes = 0
		}
		if f != nil {
			r.report(n, f)
			break
		}
		if b.stopped {
			break
		}
	}
	r.mu.Lock()
	r.stats.Blocks += s.Blocks
	r.stats.Instructions += s.Instructions
	r.stats.Lanes += s.Lanes
	r.mu.Unlock()
}

// report keeps the fault of the lowest block.
func (r *run) report(n uint64, f *Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n < r.failed.Load() {
		r.failed.Store(n)
		r.fault = f
	}
}

// poll says whether the block should go on.
func (b *block) poll() bool {
	if b.run.ctx.Err() != nil || b.run.failed.Load() < b.linear {
		b.stopped = true
		return false
	}
	return true
}

// thread is thread t of a block by its coordinates.
func (r *run) thread(t int) [3]int {
	x, y := r.launch.Block[0], r.launch.Block[1]
	return [3]int{t % x, t / x % y, t / x / y}
}

// newRun checks a launch against the kernel and the limits of devices.
func newRun(m *Module, k *kernel, l Launch, c Checks) (*run, error) {
	r := &run{k: k, launch: l, checks: c, args: l.Args, budget: c.Budget, sharedEnd: k.sharedEnd}
	r.failed.Store(^uint64(0))
	if r.budget == 0 {
		r.budget = 1 << 32
	}
	for i, lim := range [3]int{1<<31 - 1, 65535, 65535} {
		if l.Grid[i] < 1 || l.Grid[i] > lim {
			return nil, diag.New(diag.Usage, "grid extent %c is %d, want 1 to %d", 'x'+i, l.Grid[i], lim)
		}
	}
	for i, lim := range [3]int{1024, 1024, 64} {
		if l.Block[i] < 1 || l.Block[i] > lim {
			return nil, diag.New(diag.Usage, "block extent %c is %d, want 1 to %d", 'x'+i, l.Block[i], lim)
		}
	}
	r.threads = l.Block[0] * l.Block[1] * l.Block[2]
	limit := 1024
	if k.maxThreads > 0 {
		limit = min(limit, k.maxThreads)
	}
	if r.threads > limit {
		return nil, diag.New(diag.Usage, "block of %d threads, want at most %d", r.threads, limit)
	}
	if k.reqBlock[0] != 0 && k.reqBlock != l.Block {
		return nil, diag.New(diag.Usage, "block %v, but .reqntid says %v", l.Block, k.reqBlock)
	}
	r.blocks = uint64(l.Grid[0]) * uint64(l.Grid[1]) // below 2^47
	if r.blocks > 1<<40/uint64(l.Grid[2]) {
		return nil, diag.New(diag.Limit, "grid %v of over 2^40 blocks", l.Grid)
	}
	r.blocks *= uint64(l.Grid[2])
	if warps := r.blocks * uint64((r.threads+warpSize-1)/warpSize); c.Skip&GlobalRaces == 0 && warps >= maxThreadID/warpSize {
		return nil, diag.New(diag.Limit, "%d warps: races on global memory are found among fewer than %d", warps, maxThreadID/warpSize)
	}
	if err := r.checkArgs(); err != nil {
		return nil, err
	}
	return r, r.layShared(m.target)
}

// checkArgs compares the arguments with the parameters.
func (r *run) checkArgs() error {
	if len(r.args) != len(r.k.params) {
		return diag.New(diag.Usage, "have %d arguments, want %d", len(r.args), len(r.k.params))
	}
	for i, p := range r.k.params {
		v := r.args[i]
		if p.typ.bits == 32 && v > 1<<32-1 && !(p.typ.kind == 's' && int64(v) >= -1<<31 && int64(v) < 0) {
			return diag.New(diag.Usage, "argument %d (%s) is 0x%x, out of range of %s", i, p.name, v, p.typ)
		}
	}
	return nil
}

// layShared gives the dynamic variable its extent.
func (r *run) layShared(sm int) error {
	most := 64 << 10
	switch {
	case sm >= 90:
		most = 227 << 10
	case sm == 86 || sm == 89:
		most = 99 << 10
	case sm >= 80:
		most = 163 << 10
	case sm < 75:
		most = 96 << 10
	}
	if r.launch.Dynamic < 0 || r.launch.Dynamic > most || r.launch.Dynamic+int(r.k.static) > most {
		return diag.New(diag.Usage, "%d bytes of dynamic shared memory beside %d static: at most %d together on sm_%d",
			r.launch.Dynamic, r.k.static, most, sm)
	}
	dynamic := false
	for _, v := range r.k.shared {
		if v.isDynamic { // laid out last
			v.size = r.launch.Dynamic
			v.hi = v.lo + uint32(v.size)
			r.sharedEnd = max(r.sharedEnd, v.hi+sharedGap)
			dynamic = true
		}
		r.sharedVars = append(r.sharedVars, v)
	}
	if !dynamic && r.launch.Dynamic > 0 {
		return diag.New(diag.Usage, "%d bytes of dynamic shared memory, but the kernel has no .extern .shared", r.launch.Dynamic)
	}
	return nil
}
