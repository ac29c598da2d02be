package quant

// NEON are the loops for the feature of that name.
var NEON = Funcs{Requant: requant_neon, RequantCols: requantCols_neon, Quantize: quantize_neon, Dequantize: dequantize_neon, Add: add_neon,
	Evens: evens8_neon, MaxU8: maxU8_neon, MaxS8: maxS8_neon, Bounds: bounds_neon, Offset: offset_neon}
