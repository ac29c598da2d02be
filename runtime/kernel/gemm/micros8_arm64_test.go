package gemm

var micros8 = []*Micro8{&NEON_I8_4x16, &Dot_I8_4x16}
