package cuda

// Options say which device and how.
type Options struct {
	Device  int    // by the driver's order, from 0
	Library string // of the driver; "" is libcuda.so.1 where the system finds it
	// Pool is how many bytes of freed memory are kept for the next allocation;
	// 0: 256 MiB, negative: none.
	Pool int64
}

// Info describes a device.
type Info struct {
	Name         string `json:"name"`
	Capability   int    `json:"compute_capability"` // 75 for 7.5
	Memory       int64  `json:"memory_bytes"`
	Driver       int    `json:"driver"` // 12040 for 12.4
	Processors   int    `json:"multiprocessors"`
	ClockKHz     int    `json:"clock_khz"`
	SharedMemory int    `json:"shared_memory_bytes"` // of a block
}
