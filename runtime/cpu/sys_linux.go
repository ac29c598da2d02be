//go:build linux && !amd64

package cpu

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// sysCaches reads the sizes of processor 0 from sysfs; what is missing is 0.
func sysCaches() CacheSizes {
	var s CacheSizes
	for i := range 8 {
		read := func(name string) string {
			b, _ := os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu0/cache/index%d/%s", i, name))
			return strings.TrimSpace(string(b))
		}
		kib, err := strconv.Atoi(strings.TrimSuffix(read("size"), "K"))
		if err != nil || read("type") == "Instruction" {
			continue
		}
		switch read("level") {
		case "1":
			s.L1D = kib << 10
		case "2":
			s.L2 = kib << 10
		case "3":
			s.L3 = kib << 10
		}
	}
	return s
}
