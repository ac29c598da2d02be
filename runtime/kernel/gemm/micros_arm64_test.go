package gemm

var allMicros = []*Micro{&Generic, &NEON_4x16}
