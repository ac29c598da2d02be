package quant

// AVX2 are the loops for the feature of that name.
var AVX2 = Funcs{Requant: requant_avx2, RequantCols: requantCols_avx2, Quantize: quantize_avx2, Dequantize: dequantize_avx2, Add: add_avx2,
	Evens: evens8_avx2, MaxU8: maxU8_avx2, MaxS8: maxS8_avx2, Bounds: bounds_avx2, Offset: offset_avx2}
