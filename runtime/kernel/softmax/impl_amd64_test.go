package softmax

import "github.com/mlc-go/mlc/runtime/kernel"

var fast = []*kernel.Desc{&F32_avx2, &F32_avx512}
