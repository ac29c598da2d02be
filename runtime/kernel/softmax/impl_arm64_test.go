package softmax

import "github.com/mlc-go/mlc/runtime/kernel"

var fast = []*kernel.Desc{&F32_neon}
