//go:build cuda && linux

package cuda

import (
	"context"
	"encoding/binary"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/mlc-go/mlc/ir/diag"
	rt "github.com/mlc-go/mlc/runtime/exec"
	"github.com/mlc-go/mlc/tools/need"
)

// fake is testdata/fake.c, built and loaded: a driver that does what it is told.
type fake struct {
	path     string
	fail     func(name string, code, after int32)
	machine  func(version, devices, major, minor int32)
	limit    func(n int64)
	busy     func(n int32)
	live     func() int64
	launches func() int64
	contexts func() int32
	wait     func(ms int32)
	waiting  func() int32
}

func newFake(t *testing.T) *fake {
	t.Helper()
	gcc := need.Command(t, "gcc", "the fake driver is C")
	f := &fake{path: filepath.Join(t.TempDir(), "libfake.so")}
	if out, err := exec.Command(gcc, "-shared", "-fPIC", "-O1", "-Wall", "-o", f.path, "testdata/fake.c").CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	lib, err := purego.Dlopen(f.path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { purego.Dlclose(lib) })
	for name, fn := range map[string]any{"fake_fail": &f.fail, "fake_machine": &f.machine, "fake_limit": &f.limit, "fake_busy": &f.busy, "fake_live": &f.live, "fake_launches": &f.launches, "fake_contexts": &f.contexts, "fake_wait": &f.wait, "fake_waiting": &f.waiting} {
		purego.RegisterLibFunc(fn, lib, name)
	}
	return f
}

func (f *fake) open(t *testing.T, o Options) *Device {
	t.Helper()
	o.Library = f.path
	d, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestRun loads, launches a kernel of eleven parameters and one that computes,
// and copies in all directions.
func TestRun(t *testing.T) {
	f := newFake(t)
	d := f.open(t, Options{})
	if i := d.Info(); i.Name != "Fake 0" || i.Capability != 86 || i.Driver != 12040 || i.Memory != 1<<30 || i.Processors != 46 || i.ClockKHz != 1410000 || i.SharedMemory != 49152 {
		t.Errorf("%+v", i)
	}
	ctx := context.Background()
	code, err := d.Load([]byte("fine"))
	must(t, err)
	q, err := d.Queue()
	must(t, err)
	mem, err := d.Alloc(1000)
	must(t, err)
	if mem%256 != 0 {
		t.Errorf("address %#x", mem)
	}
	sum, err := code.Kernel("sum")
	must(t, err)
	// 1 + 2 + ... + 9 and a number that needs all 32 bits; what is above them is not read.
	args := []uint64{mem, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xdead_0000_f000_0000}
	must(t, q.Launch(ctx, sum, [3]int{3, 2, 1}, [3]int{2, 1, 4}, args))
	got := make([]byte, 4*48)
	must(t, q.Download(ctx, got, mem))
	for i := range 48 {
		if v := binary.LittleEndian.Uint32(got[4*i:]); v != 0xf000_0000+45+uint32(i) {
			t.Fatalf("element %d is %#x", i, v)
		}
	}
	x, err := d.Alloc(16)
	must(t, err)
	y, err := d.Alloc(16)
	must(t, err)
	floats := []float32{1, 2, 3, 4}
	must(t, q.Upload(x, unsafe.Slice((*byte)(unsafe.Pointer(&floats[0])), 16)))
	must(t, q.Copy(y, x, 16))
	axpy, err := code.Kernel("axpy")
	must(t, err)
	must(t, q.Launch(ctx, axpy, [3]int{1, 1, 1}, [3]int{32, 1, 1}, []uint64{x, y, 3})) // three of the four
	waiting, stop := context.WithCancel(ctx)
	f.busy(1000)
	must(t, q.Wait(waiting))
	took, err := d.Time(ctx, q, func() error {
		for range 2 {
			if err := q.Launch(ctx, axpy, [3]int{1, 1, 1}, [3]int{1, 1, 1}, []uint64{x, y, 0}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || took != 3*time.Millisecond {
		t.Errorf("two launches took %v, %v, want 3ms", took, err)
	}
	// A context that ends ends the waiting, not the queue.
	f.busy(1 << 30)
	time.AfterFunc(10*time.Millisecond, stop)
	if err := q.Wait(waiting); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
	if err := q.Download(waiting, got[:16], y); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
	f.busy(0)
	must(t, q.Download(ctx, got[:16], y))
	for i, want := range []float32{3, 6, 9, 4} {
		if v := math.Float32frombits(binary.LittleEndian.Uint32(got[4*i:])); v != want {
			t.Errorf("y[%d] = %v, want %v", i, v, want)
		}
	}
	if f.launches() != 4 {
		t.Errorf("%d launches", f.launches())
	}
	for _, a := range []uint64{mem, x, y} {
		must(t, d.Free(a))
	}
	must(t, q.Close())
	must(t, code.Close())
	must(t, d.Close())
	must(t, d.Close())
	if f.live() != 0 || f.contexts() != 0 {
		t.Errorf("%d allocations and streams, %d contexts are left", f.live(), f.contexts())
	}
	if _, err := d.Alloc(1); err == nil {
		t.Error("a closed device gives memory")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOpenErrors: what stands in the way of a device is said, and nothing is
// left behind.
func TestOpenErrors(t *testing.T) {
	f := newFake(t)
	for _, c := range []struct {
		name string
		set  func()
		o    Options
		kind diag.Kind
		want string
	}{
		{"no library", nil, Options{Library: "libnothere.so.1"}, diag.Unsupported, "the NVIDIA driver brings it"},
		{"another library", nil, Options{Library: "libc.so.6"}, diag.Unsupported, "libc.so.6 without cu"},
		{"old driver", func() { f.machine(10020, 1, 8, 0) }, Options{}, diag.Unsupported, "have CUDA 10.2, want CUDA 11.0 or later"},
		{"no device", func() { f.machine(12040, 0, 8, 0) }, Options{}, diag.Unsupported, "below 0"},
		{"no such device", nil, Options{Device: 3}, diag.Usage, "have 3, want below 1"},
		{"negative device", nil, Options{Device: -1}, diag.Usage, "have -1"},
		{"old device", func() { f.machine(12040, 1, 6, 1) }, Options{}, diag.Unsupported, "have compute capability 6.1, want 7.5"},
		{"start", func() { f.fail("cuInit", 100, 0) }, Options{}, diag.Unsupported, "start: CUDA_ERROR_FAKE (100)"},
		{"version", func() { f.fail("cuDriverGetVersion", 3, 0) }, Options{}, diag.Internal, "version"},
		{"count", func() { f.fail("cuDeviceGetCount", 3, 0) }, Options{}, diag.Internal, "devices"},
		{"get", func() { f.fail("cuDeviceGet", 101, 0) }, Options{}, diag.Usage, "device"},
		{"name", func() { f.fail("cuDeviceGetName", 3, 0) }, Options{}, diag.Internal, "device"},
		{"memory", func() { f.fail("cuDeviceTotalMem_v2", 3, 0) }, Options{}, diag.Internal, "device"},
		{"attributes", func() { f.fail("cuDeviceGetAttribute", 3, 2) }, Options{}, diag.Internal, "attributes"},
		{"context", func() { f.fail("cuDevicePrimaryCtxRetain", 2, 0) }, Options{}, diag.Limit, "context"},
	} {
		f.machine(12040, 1, 8, 6)
		f.fail("", 0, 0)
		if c.set != nil {
			c.set()
		}
		if c.o.Library == "" {
			c.o.Library = f.path
		}
		d, err := Open(c.o)
		if err == nil {
			d.Close()
		}
		if diag.KindOf(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v (kind %v), want %v: %s", c.name, err, diag.KindOf(err), c.kind, c.want)
		}
		if f.contexts() != 0 || f.live() != 0 {
			t.Errorf("%s: something is left", c.name)
		}
	}
}

// TestFaults: each function's failure is an error of its own.
func TestFaults(t *testing.T) {
	ctx := context.Background()
	f := newFake(t)
	d := f.open(t, Options{Pool: -1})
	code, err := d.Load([]byte("fine"))
	must(t, err)
	q, err := d.Queue()
	must(t, err)
	mem, err := d.Alloc(64)
	must(t, err)
	sum, err := code.Kernel("sum")
	must(t, err)
	var buf [8]byte
	load := func(text string) error {
		c, err := d.Load([]byte(text))
		if err == nil {
			err = c.Close()
		}
		return err
	}
	queue := func() error {
		q, err := d.Queue()
		if err == nil {
			err = q.Close()
		}
		return err
	}
	alloc := func() error {
		a, err := d.Alloc(64)
		if err == nil {
			err = d.Free(a)
		}
		return err
	}
	args := make([]uint64, 11)
	args[0] = mem
	ending, cancelEnding := context.WithCancel(ctx)
	defer cancelEnding()
	for _, c := range []struct {
		fn   string
		code int32
		f    func() error
		kind diag.Kind
		want string
	}{
		{"", 0, func() error { return load("a syntax error") }, diag.BadModel, "CUDA_ERROR_INVALID_PTX (218): as the fake driver was told\nptxas fake, line 7; error : Unknown symbol"},
		{"cuModuleLoadDataEx", 222, func() error { return load("x") }, diag.Unsupported, "compiling the kernels"},
		{"cuModuleUnload", 3, func() error { return load("x") }, diag.Internal, "unloading"},
		{"", 0, func() error { _, err := code.Kernel("none"); return err }, diag.BadModel, "kernel none"},
		{"cuCtxSetCurrent", 3, alloc, diag.Internal, "context"},
		{"cuMemAlloc_v2", 3, alloc, diag.Internal, "memory"},
		{"cuMemFree_v2", 3, alloc, diag.Internal, "memory"},
		{"", 0, func() error { _, err := d.Alloc(2 << 30); return err }, diag.Limit, "bytes free of 1073741824, want 2147483648"},
		{"", 0, func() error { _, err := d.Alloc(0); return err }, diag.Internal, "0 bytes"},
		{"", 0, func() error { return d.Free(12345) }, diag.Internal, "not allocated"},
		{"cuMemcpyHtoDAsync_v2", 1, func() error { return q.Upload(mem, buf[:]) }, diag.Internal, "copying to the device"},
		{"cuMemcpyDtoHAsync_v2", 1, func() error { return q.Download(ctx, buf[:], mem) }, diag.Internal, "copying from the device"},
		{"cuMemcpyDtoDAsync_v2", 1, func() error { return q.Copy(mem, mem, 8) }, diag.Internal, "copying on the device"},
		{"cuStreamSynchronize", 1, func() error { return q.Download(ctx, buf[:], mem) }, diag.Internal, "waiting for the device"},
		{"cuStreamSynchronize", 1, func() error { return q.Download(ending, buf[:], mem) }, diag.Internal, "copying from the device"},
		{"cuStreamSynchronize", 1, func() error { return q.Wait(ctx) }, diag.Internal, "waiting"},
		{"cuStreamCreate", 1, queue, diag.Internal, "stream"},
		{"cuStreamDestroy_v2", 1, queue, diag.Internal, "stream"},
		{"cuEventCreate", 1, queue, diag.Internal, "event"},
		{"cuEventDestroy_v2", 1, queue, diag.Internal, "event"},
		{"cuEventRecord", 1, func() error { return q.Wait(ending) }, diag.Internal, "waiting"},
		{"cuEventQuery", 1, func() error { return q.Wait(ending) }, diag.Internal, "waiting"},
		{"cuEventElapsedTime", 1, func() error { _, err := d.Time(ctx, q, func() error { return nil }); return err }, diag.Internal, "event"},
		{"cuLaunchKernel", 701, func() error { return q.Launch(ctx, sum, [3]int{1, 1, 1}, [3]int{1, 1, 1}, args) }, diag.Internal, "launching"},
		{"", 0, func() error { return q.Launch(ctx, "sum", [3]int{1, 1, 1}, [3]int{1, 1, 1}, args) }, diag.Internal, "another device"},
	} {
		f.fail(c.fn, c.code, 0)
		err := c.f()
		if err == nil || diag.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %d: %v (kind %v), want %v: %s", c.fn, c.code, err, diag.KindOf(err), c.kind, c.want)
		}
		f.fail("", 0, 0)
		if err := alloc(); err != nil {
			t.Fatalf("after %s: %v", c.fn, err)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := q.Wait(cancelled); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
	// An illegal access ends the context: all that follows says so.
	f.fail("cuStreamSynchronize", 700, 0)
	if err := q.Wait(ctx); err == nil || !strings.Contains(err.Error(), "CUDA_ERROR_ILLEGAL_ADDRESS") {
		t.Errorf("illegal access: %v", err)
	}
	f.fail("", 0, 0)
	for i, err := range []error{alloc(), queue(), load("x"), q.Wait(ctx)} {
		if err == nil || !strings.Contains(err.Error(), "the device is lost, open it again") {
			t.Errorf("%d: %v", i, err)
		}
	}
	if err := d.Close(); err == nil {
		t.Error("a lost device closes without a word")
	}
}

// TestPool: what is freed is used again where it fits, is bounded, and is given
// back when the device is full.
func TestPool(t *testing.T) {
	f := newFake(t)
	f.limit(1 << 20)
	d := f.open(t, Options{Pool: 600 << 10})
	get := func(n int) uint64 {
		t.Helper()
		a, err := d.Alloc(n)
		must(t, err)
		return a
	}
	a := get(300 << 10)
	must(t, d.Free(a))
	if err := d.Free(a); err == nil {
		t.Error("freed twice")
	}
	if b := get(200 << 10); b != a {
		t.Error("memory that fits is not used again")
	}
	must(t, d.Free(a))
	if b := get(100 << 10); b == a {
		t.Error("three times too large, and used")
	}
	c, e := get(290<<10), get(250<<10) // c is a, in place
	if c != a {
		t.Error("not the block that fits")
	}
	must(t, d.Free(c))
	must(t, d.Free(e)) // 550 KiB
	must(t, d.Free(get(50<<10)))
	if live := f.live(); live != 4 {
		t.Errorf("%d blocks, want 4", live)
	}
	g := get(700 << 10) // the device has room when the pool is given back
	if live := f.live(); live != 2 {
		t.Errorf("%d blocks after the pool went, want 2", live)
	}
	if _, err := d.Alloc(700 << 10); diag.KindOf(err) != diag.Limit {
		t.Errorf("full: %v", err)
	}
	must(t, d.Free(g))
	must(t, d.Close())
}

// TestConcurrent: queues of several goroutines, each on whatever thread it is.
func TestConcurrent(t *testing.T) {
	f := newFake(t)
	d := f.open(t, Options{})
	code, err := d.Load([]byte("fine"))
	must(t, err)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			ctx := context.Background()
			q, err := d.Queue()
			if err != nil {
				t.Error(err)
				return
			}
			defer q.Close()
			k, err := code.Kernel("sum")
			for i := 0; i < 200 && err == nil; i++ {
				var mem uint64
				if mem, err = d.Alloc(4 << (i % 7)); err != nil {
					break
				}
				args := []uint64{mem, uint64(g), uint64(i), 0, 0, 0, 0, 0, 0, 0, 0}
				if err = q.Launch(ctx, rt.Kernel(k), [3]int{1, 1, 1}, [3]int{1, 1, 1}, args); err != nil {
					break
				}
				var b [4]byte
				if err = q.Download(ctx, b[:], mem); err == nil && binary.LittleEndian.Uint32(b[:]) != uint32(g+i) {
					t.Errorf("%d %d: %v", g, i, b)
				}
				if e := d.Free(mem); err == nil {
					err = e
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	must(t, code.Close())
	must(t, d.Close())
}

// TestCloseInUse: Close does not take the library away under a call that is under
// way, and may itself be called by several at a time; later calls fail.
func TestCloseInUse(t *testing.T) {
	f := newFake(t)
	d := f.open(t, Options{})
	q, err := d.Queue()
	must(t, err)
	f.wait(300)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := q.Wait(context.Background()); err != nil {
			t.Errorf("the call under way: %v", err)
		}
	})
	for f.waiting() == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 4 {
		wg.Go(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			if f.waiting() != 0 {
				t.Error("the device is closed under a call")
			}
		})
	}
	wg.Wait()
	if n := f.contexts(); n != 0 {
		t.Errorf("%d contexts are left", n)
	}
	if err := q.Wait(context.Background()); diag.KindOf(err) != diag.Usage || !strings.Contains(err.Error(), "closed") {
		t.Errorf("afterwards: %v", err)
	}
}
