package dwconv

import "github.com/mlc-go/mlc/runtime/cpu"

var impls = []impl{{&avx2, &F32_avx2, cpu.AVX2}, {&avx512, &F32_avx512, cpu.AVX512}}
