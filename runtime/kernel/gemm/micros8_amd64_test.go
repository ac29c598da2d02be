package gemm

var micros8 = []*Micro8{&AVX2_I8_6x16, &VNNI_I8_14x32}
