// Package cuda is the bridge to NVIDIA's driver: an exec.Device over libcuda,
// which is loaded at run time, without cgo and without the CUDA toolkit. It has
// a pool of device memory, a stream for each queue, and the driver's compiler,
// whose log becomes part of the error. It knows no model and writes no kernel.
//
// It exists in builds with the tag cuda on linux, which need glibc and start
// without a driver too; in all others Open says so, and programs stay static.
//
//	d, err := cuda.Open(cuda.Options{})
//	m, err := runtime.Open("model.mlc", runtime.WithDevice(d))
package cuda
