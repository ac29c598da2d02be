package gemm

var allMicros = []*Micro{&Generic, &AVX2_6x16, &AVX512_14x32}
