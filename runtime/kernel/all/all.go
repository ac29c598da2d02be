// Package all lists every kernel, those of foreign architectures included,
// best first within one operation. Only runtime and backend/cpu import it:
// programs that name their kernels one by one link no more than those.
package all

import (
	"github.com/mlc-go/mlc/runtime/kernel"
)

// Set is the full set of kernels.
func Set() *kernel.Set {
	s, err := kernel.NewSet(append(append([]*kernel.Desc{}, fast...), refs...)...)
	if err != nil {
		panic(err) // two kernels of one name: a fault of the lists, caught by this package's test
	}
	return s
}

// fast are the kernels other than reference functions.
var fast = []*kernel.Desc{}
