package exec

import "golang.org/x/sys/unix"

// machineMemory is how many bytes of memory the machine has, 0 if unknown.
func machineMemory() int64 {
	var i unix.Sysinfo_t
	if unix.Sysinfo(&i) != nil {
		return 0
	}
	return int64(min(uint64(i.Totalram)*uint64(i.Unit), 1<<62))
}
