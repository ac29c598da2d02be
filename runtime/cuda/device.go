//go:build cuda && linux

package cuda

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime/exec"
)

// Device is a GPU. It is safe for concurrent use.
type Device struct {
	drv     *driver
	ordinal int
	context uintptr
	info    Info
	limit   int64 // of the pool

	use   sync.RWMutex // held for writing by who lets go of the library, for reading by who calls it
	mu    sync.Mutex
	sizes map[uint64]int // of what is allocated or pooled
	pool  []uint64       // freed, oldest first
	held  int64          // bytes in the pool
	dead  error
}

var _ exec.Device = (*Device)(nil)

const defaultPool = 256 << 20

// Open loads the driver and takes a device. Errors: Unsupported where there is
// no driver, one older than CUDA 11.0, or no device of compute capability 7.5
// or later; Usage for a device that is not there.
func Open(o Options) (*Device, error) {
	drv, err := load(o.Library)
	if err != nil {
		return nil, err
	}
	d := &Device{drv: drv, ordinal: o.Device, sizes: map[uint64]int{}, limit: o.Pool}
	if o.Pool == 0 {
		d.limit = defaultPool
	}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, purego.Dlclose(drv.lib))
	}
	return d, nil
}

func (d *Device) open() error {
	drv := d.drv
	if err := drv.fault("start", call(drv.init, 0)); err != nil {
		return err
	}
	var version, count, dev int32
	if err := drv.fault("version", call(drv.driverVersion, uintptr(unsafe.Pointer(&version)))); err != nil {
		return err
	}
	if d.info.Driver = int(version); version < minDriver {
		return &diag.Error{Kind: diag.Unsupported, Port: "CUDA driver", Have: versionText(int(version)), Want: versionText(minDriver) + " or later"}
	}
	if err := drv.fault("devices", call(drv.deviceCount, uintptr(unsafe.Pointer(&count)))); err != nil {
		return err
	}
	if d.ordinal < 0 || d.ordinal >= int(count) {
		kind := diag.Usage
		if count == 0 {
			kind = diag.Unsupported
		}
		return &diag.Error{Kind: kind, Port: "CUDA device", Have: fmt.Sprint(d.ordinal), Want: fmt.Sprintf("below %d, the number of devices", count)}
	}
	if err := drv.fault("device", call(drv.deviceGet, uintptr(unsafe.Pointer(&dev)), uintptr(d.ordinal))); err != nil {
		return err
	}
	d.ordinal = int(dev)
	if err := d.describe(); err != nil {
		return err
	}
	const least = 75
	if d.info.Capability < least {
		return &diag.Error{Kind: diag.Unsupported, Port: "CUDA device " + d.info.Name, Have: fmt.Sprintf("compute capability %d.%d", d.info.Capability/10, d.info.Capability%10), Want: "7.5 or later"}
	}
	return drv.fault("context", call(drv.contextRetain, uintptr(unsafe.Pointer(&d.context)), uintptr(d.ordinal)))
}

func versionText(v int) string { return fmt.Sprintf("CUDA %d.%d", v/1000, v%1000/10) }

func (d *Device) describe() error {
	name := make([]byte, 256)
	var mem uint64
	err := d.drv.fault("device", call(d.drv.deviceName, uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)), uintptr(d.ordinal)))
	if err == nil {
		err = d.drv.fault("device", call(d.drv.deviceMemory, uintptr(unsafe.Pointer(&mem)), uintptr(d.ordinal)))
	}
	if i := bytes.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	d.info.Name, d.info.Memory = string(name), int64(mem)
	var major, minor int
	for which, to := range map[int]*int{attrMajor: &major, attrMinor: &minor, attrProcessors: &d.info.Processors, attrClock: &d.info.ClockKHz, attrShared: &d.info.SharedMemory} {
		if err == nil {
			*to, err = d.drv.attribute(d.ordinal, which)
		}
	}
	d.info.Capability = 10*major + minor
	return err
}

// Info describes the device.
func (d *Device) Info() Info { return d.info }

// Close waits for calls of the driver that are under way, frees what is pooled and
// lets go of the device and the driver. What still uses the device fails from then on.
func (d *Device) Close() error {
	d.use.Lock()
	defer d.use.Unlock()
	if d.drv.lib == 0 {
		return nil
	}
	err := d.current(d.drain)
	d.mu.Lock()
	d.dead = diag.New(diag.Usage, "CUDA: the device is closed")
	d.mu.Unlock()
	err = errors.Join(err, d.drv.fault("end", call(d.drv.contextRelease, uintptr(d.ordinal))), purego.Dlclose(d.drv.lib))
	d.drv.lib = 0
	return err
}

// lost is the error that ended the device, if any.
func (d *Device) lost() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// sticky are the results after which the context answers nothing else: an
// illegal access, a hardware fault, a lost device.
var sticky = []result{214, 219, 220, 700, 702, 709, 714, 715, 716, 717, 718, 719, 999}

// check is fault, and remembers what ends the device.
func (d *Device) check(what string, r result) error {
	err := d.drv.fault(what, r)
	if slices.Contains(sticky, r) {
		d.mu.Lock()
		if d.dead == nil {
			d.dead = diag.New(diag.Internal, "the device is lost, open it again: %v", err)
		}
		d.mu.Unlock()
	}
	return err
}

// Load compiles PTX by the driver. Errors: BadModel with the compiler's log.
func (d *Device) Load(code []byte) (exec.Code, error) {
	text := append(bytes.Clone(code), 0)
	log := make([]byte, 16<<10)
	const errorLog, errorLogSize = 5, 6
	keys := []uint32{errorLog, errorLogSize}
	values := &struct { // void *[2]
		log  unsafe.Pointer
		size uintptr
	}{unsafe.Pointer(&log[0]), uintptr(len(log))}
	m := &module{d: d}
	err := d.in(func() error {
		r := call(d.drv.moduleLoad, uintptr(unsafe.Pointer(&m.handle)), uintptr(unsafe.Pointer(&text[0])), uintptr(len(keys)), uintptr(unsafe.Pointer(&keys[0])), uintptr(unsafe.Pointer(values)))
		err := d.check("compiling the kernels", r)
		if i := bytes.IndexByte(log, 0); err != nil && i > 0 {
			err = diag.New(diag.KindOf(err), "%v\n%s", err, bytes.TrimSpace(log[:i]))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

type module struct {
	d      *Device
	handle uintptr
}

// Kernel implements exec.Code.
func (m *module) Kernel(name string) (exec.Kernel, error) {
	text := append([]byte(name), 0)
	var fn uintptr
	err := m.d.in(func() error {
		return m.d.check("kernel "+name, call(m.d.drv.moduleFunction, uintptr(unsafe.Pointer(&fn)), m.handle, uintptr(unsafe.Pointer(&text[0]))))
	})
	return fn, err
}

// Close implements exec.Code.
func (m *module) Close() error {
	return m.d.in(func() error { return m.d.check("unloading", call(m.d.drv.moduleUnload, m.handle)) })
}

// Queue makes a stream.
func (d *Device) Queue() (exec.Queue, error) {
	q := &queue{d: d}
	const nonBlocking = 1
	err := d.in(func() error {
		if err := d.check("stream", call(d.drv.streamCreate, uintptr(unsafe.Pointer(&q.stream)), nonBlocking)); err != nil {
			return err
		}
		err := d.check("event", call(d.drv.eventCreate, uintptr(unsafe.Pointer(&q.done)), eventPlain))
		if err != nil {
			err = errors.Join(err, d.check("stream", call(d.drv.streamDestroy, q.stream)))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return q, nil
}

// queue is a stream.
type queue struct {
	d      *Device
	stream uintptr
	done   uintptr          // event that Wait looks at
	params []unsafe.Pointer // of the launch that is being put in
}

func (q *queue) do(ctx context.Context, what string, f func() result) error {
	if ctx != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return q.d.in(func() error { return q.d.check(what, f()) })
}

// Upload implements exec.Queue: the driver has read pageable memory when it
// returns.
func (q *queue) Upload(addr uint64, src []byte) error {
	return q.do(context.Background(), "copying to the device", func() result {
		return call(q.d.drv.copyUp, uintptr(addr), uintptr(unsafe.Pointer(unsafe.SliceData(src))), uintptr(len(src)), q.stream)
	})
}

// Download implements exec.Queue.
func (q *queue) Download(ctx context.Context, dst []byte, addr uint64) error {
	// The driver may go on writing to dst until the stream is done, so that this
	// waits for it whatever ctx says meanwhile: not for long, as Wait comes first.
	if err := q.Wait(ctx); err != nil {
		return err
	}
	return q.do(context.Background(), "copying from the device", func() result {
		if r := call(q.d.drv.copyDown, uintptr(unsafe.Pointer(unsafe.SliceData(dst))), uintptr(addr), uintptr(len(dst)), q.stream); r != 0 {
			return r
		}
		return call(q.d.drv.streamWait, q.stream)
	})
}

// Copy implements exec.Queue.
func (q *queue) Copy(to, from uint64, n int) error {
	return q.do(context.Background(), "copying on the device", func() result {
		return call(q.d.drv.copyAcross, uintptr(to), uintptr(from), uintptr(n), q.stream)
	})
}

// Launch implements exec.Queue.
func (q *queue) Launch(ctx context.Context, k exec.Kernel, grid, block [3]int, args []uint64) error {
	fn, ok := k.(uintptr)
	if !ok {
		return diag.New(diag.Internal, "CUDA: a kernel of another device")
	}
	q.params = q.params[:0]
	for i := range args { // little-endian: a narrower parameter is the low bytes
		q.params = append(q.params, unsafe.Pointer(&args[i]))
	}
	var params uintptr
	if len(q.params) > 0 {
		params = uintptr(unsafe.Pointer(&q.params[0]))
	}
	return q.do(ctx, "launching a kernel", func() result {
		return call(q.d.drv.launch, fn, uintptr(grid[0]), uintptr(grid[1]), uintptr(grid[2]), uintptr(block[0]), uintptr(block[1]), uintptr(block[2]), 0, q.stream, params, 0)
	})
}

// Flags of events: with and without a clock.
const (
	eventTimed = 0
	eventPlain = 2
)

// Wait implements exec.Queue. A context that can end is looked at meanwhile; what
// is in the queue goes on all the same.
func (q *queue) Wait(ctx context.Context) error {
	const what = "waiting for the device"
	if ctx == nil || ctx.Done() == nil {
		return q.do(ctx, what, func() result { return call(q.d.drv.streamWait, q.stream) })
	}
	if err := q.do(ctx, what, func() result { return call(q.d.drv.eventRecord, q.done, q.stream) }); err != nil {
		return err
	}
	// Asking again and again is what the driver's own wait does. Go's sleeps end a
	// millisecond late where nothing else runs, so that only long runs can have them.
	const spin, sleep = 10 * time.Millisecond, time.Millisecond
	for start := time.Now(); ; {
		var r result
		err := q.do(ctx, what, func() result {
			if r = call(q.d.drv.eventQuery, q.done); r == notReady {
				return 0
			}
			return r
		})
		if err != nil || r != notReady {
			return err
		}
		if time.Since(start) > spin {
			time.Sleep(sleep)
		} else {
			goruntime.Gosched()
		}
	}
}

// Close implements exec.Queue.
func (q *queue) Close() error {
	return errors.Join(
		q.do(context.Background(), "event", func() result { return call(q.d.drv.eventDestroy, q.done) }),
		q.do(context.Background(), "stream", func() result { return call(q.d.drv.streamDestroy, q.stream) }))
}

// Time is how long the device takes for what f puts into the queue, by its own
// clock.
func (d *Device) Time(ctx context.Context, x exec.Queue, f func() error) (time.Duration, error) {
	q, ok := x.(*queue)
	if !ok || q.d != d {
		return 0, diag.New(diag.Internal, "CUDA: a queue of another device")
	}
	var events [2]uintptr
	defer func() {
		for _, e := range events {
			if e != 0 {
				d.in(func() error { return d.check("event", call(d.drv.eventDestroy, e)) })
			}
		}
	}()
	for i := range events {
		if err := q.do(ctx, "event", func() result { return call(d.drv.eventCreate, uintptr(unsafe.Pointer(&events[i])), eventTimed) }); err != nil {
			return 0, err
		}
	}
	record := func(e uintptr) error {
		return q.do(ctx, "event", func() result { return call(d.drv.eventRecord, e, q.stream) })
	}
	if err := record(events[0]); err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	if err := record(events[1]); err != nil {
		return 0, err
	}
	if err := q.Wait(ctx); err != nil {
		return 0, err
	}
	var ms float32
	err := q.do(ctx, "event", func() result {
		return call(d.drv.eventElapsed, uintptr(unsafe.Pointer(&ms)), events[0], events[1])
	})
	return time.Duration(float64(ms) * float64(time.Millisecond)), err
}
