package pooling

import "github.com/mlc-go/mlc/runtime/kernel"

var fast = [][3]*kernel.Desc{{&Max_avx2, &Avg_avx2, &Global_avx2}, {&Max_avx512, &Avg_avx512, &Global_avx512}}
