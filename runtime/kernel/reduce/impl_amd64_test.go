package reduce

import "github.com/mlc-go/mlc/runtime/cpu"

var impls = []impl{{&AVX2, &F32_avx2, cpu.AVX2}, {&AVX512, &F32_avx512, cpu.AVX512}}
