package quant

var impls = map[string]*Funcs{"avx2": &AVX2}
