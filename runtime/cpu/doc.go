// Package cpu says what the processor is: vector features, cache sizes, number
// of cores. It is the only place that knows feature bits, and it declares the
// environment variable MLC_CPU.
//
// Features and levels are pure data for every architecture on every host, so
// that a compiler can reason about a machine that it does not run on; only
// Detect, Host, Caches and Cores look at the machine.
//
//	if f, err := cpu.Host(), cpu.HostErr(); err == nil && f.Has(cpu.AVX2) { … }
//
// It must not know kernels, models or any other environment variable.
package cpu
