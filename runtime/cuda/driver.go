//go:build cuda && linux

package cuda

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/mlc-go/mlc/ir/diag"
)

// driver is the loaded library: the functions that we call, by address.
type driver struct {
	lib uintptr
	init, driverVersion,
	deviceCount, deviceGet, deviceName, deviceAttribute, deviceMemory,
	contextRetain, contextRelease, contextSet,
	moduleLoad, moduleUnload, moduleFunction,
	memAlloc, memFree, memInfo, copyUp, copyDown, copyAcross,
	streamCreate, streamDestroy, streamWait,
	launch,
	eventCreate, eventDestroy, eventRecord, eventQuery, eventElapsed,
	errorName, errorText uintptr
}

// symbols are the names of the driver API (CUDA 11.0 and later).
func (d *driver) symbols() map[string]*uintptr {
	return map[string]*uintptr{
		"cuInit": &d.init, "cuDriverGetVersion": &d.driverVersion,
		"cuDeviceGetCount": &d.deviceCount, "cuDeviceGet": &d.deviceGet, "cuDeviceGetName": &d.deviceName,
		"cuDeviceGetAttribute": &d.deviceAttribute, "cuDeviceTotalMem_v2": &d.deviceMemory,
		"cuDevicePrimaryCtxRetain": &d.contextRetain, "cuDevicePrimaryCtxRelease_v2": &d.contextRelease, "cuCtxSetCurrent": &d.contextSet,
		"cuModuleLoadDataEx": &d.moduleLoad, "cuModuleUnload": &d.moduleUnload, "cuModuleGetFunction": &d.moduleFunction,
		"cuMemAlloc_v2": &d.memAlloc, "cuMemFree_v2": &d.memFree, "cuMemGetInfo_v2": &d.memInfo,
		"cuMemcpyHtoDAsync_v2": &d.copyUp, "cuMemcpyDtoHAsync_v2": &d.copyDown, "cuMemcpyDtoDAsync_v2": &d.copyAcross,
		"cuStreamCreate": &d.streamCreate, "cuStreamDestroy_v2": &d.streamDestroy, "cuStreamSynchronize": &d.streamWait,
		"cuLaunchKernel": &d.launch,
		"cuEventCreate":  &d.eventCreate, "cuEventDestroy_v2": &d.eventDestroy, "cuEventRecord": &d.eventRecord, "cuEventQuery": &d.eventQuery, "cuEventElapsedTime": &d.eventElapsed,
		"cuGetErrorName": &d.errorName, "cuGetErrorString": &d.errorText,
	}
}

const defaultLibrary = "libcuda.so.1"

// load opens the library. Errors: it is not there, or lacks a function
// (Unsupported).
func load(path string) (*driver, error) {
	if path == "" {
		path = defaultLibrary
	}
	lib, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, &diag.Error{Kind: diag.Unsupported, Port: "CUDA driver", Err: fmt.Errorf("%w (the NVIDIA driver brings it; nothing else of CUDA is needed)", err)}
	}
	d := &driver{lib: lib}
	for name, at := range d.symbols() {
		p, err := purego.Dlsym(lib, name)
		if err != nil {
			return nil, errors.Join(&diag.Error{Kind: diag.Unsupported, Port: "CUDA driver", Have: path + " without " + name, Want: "that of CUDA 11.0 or later"}, purego.Dlclose(lib))
		}
		*at = p
	}
	return d, nil
}

// result is a CUresult.
type result uint32

// Results that mean something to us.
const (
	outOfMemory    result = 2
	noDevice       result = 100
	invalidDevice  result = 101
	noBinary       result = 209
	invalidPTX     result = 218
	unsupportedPTX result = 222
	notFound       result = 500
	notReady       result = 600
)

// call runs a function of the driver. What is converted to uintptr in its
// arguments is kept where it is until it returns.
//
//go:uintptrescapes
func call(fn uintptr, args ...uintptr) result {
	r, _, _ := purego.SyscallN(fn, args...)
	return result(uint32(r))
}

// fault is r as an error, nil for success: what was tried, and the driver's
// name and text of it.
func (d *driver) fault(what string, r result) error {
	if r == 0 {
		return nil
	}
	kind := diag.Internal
	switch r {
	case outOfMemory:
		kind = diag.Limit
	case noDevice, noBinary, unsupportedPTX:
		kind = diag.Unsupported
	case invalidDevice:
		kind = diag.Usage
	case invalidPTX, notFound:
		kind = diag.BadModel
	}
	return diag.New(kind, "CUDA: %s: %s (%d): %s", what, d.text(d.errorName, r), r, d.text(d.errorText, r))
}

func (d *driver) text(fn uintptr, r result) string {
	var p *byte
	if call(fn, uintptr(r), uintptr(unsafe.Pointer(&p))) != 0 || p == nil {
		return "unknown"
	}
	return cString(p)
}

// cString reads a text that ends in 0, at most 4 KiB of it.
func cString(p *byte) string {
	n := 0
	for n < 4096 && *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}

func (d *driver) attribute(device, which int) (int, error) {
	var v int32
	err := d.fault("attributes of the device", call(d.deviceAttribute, uintptr(unsafe.Pointer(&v)), uintptr(which), uintptr(device)))
	return int(v), err
}

// Attributes of a device.
const (
	attrShared     = 8
	attrClock      = 13
	attrProcessors = 16
	attrMajor      = 75
	attrMinor      = 76
)

// minDriver is what PTX 7.0 needs.
const minDriver = 11000

// in is current for everybody but Close, which waits until f is done.
func (d *Device) in(f func() error) error {
	d.use.RLock()
	defer d.use.RUnlock()
	return d.current(f)
}

// current runs f with the context current; it belongs to a thread of the system.
func (d *Device) current(f func() error) error {
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	if err := d.lost(); err != nil {
		return err
	}
	if err := d.drv.fault("context", call(d.drv.contextSet, d.context)); err != nil {
		return err
	}
	return f()
}
