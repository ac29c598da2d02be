package norm

import "github.com/mlc-go/mlc/runtime/kernel"

var fast = []*kernel.Desc{&Layer_avx2, &Layer_avx512}
