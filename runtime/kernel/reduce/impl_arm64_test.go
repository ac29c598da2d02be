package reduce

import "github.com/mlc-go/mlc/runtime/cpu"

var impls = []impl{{&NEON, &F32_neon, cpu.NEON}}
