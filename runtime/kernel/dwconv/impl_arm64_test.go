package dwconv

import "github.com/mlc-go/mlc/runtime/cpu"

var impls = []impl{{&neon, &F32_neon, cpu.NEON}}
