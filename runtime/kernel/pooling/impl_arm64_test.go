package pooling

import "github.com/mlc-go/mlc/runtime/kernel"

var fast = [][3]*kernel.Desc{{&Max_neon, &Avg_neon, &Global_neon}}
