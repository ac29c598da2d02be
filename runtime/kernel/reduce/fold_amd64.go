package reduce

// AVX2 are the folds for the feature of that name.
var AVX2 = Funcs{"avx2", isaAVX2}

// AVX512 are the folds for the feature of that name.
var AVX512 = Funcs{"avx512", isaAVX512}

// foldAsm folds groups of 16 into lanes; it reports whether there is code for
// that.
func foldAsm(i isa, o op, l *[lanes]float32, x []float32) bool {
	switch {
	case i == isaAVX2 && o == opSum:
		sum_avx2(&l[0], &x[0], len(x))
	case i == isaAVX2 && o == opMax:
		max_avx2(&l[0], &x[0], len(x))
	case i == isaAVX2 && o == opMin:
		min_avx2(&l[0], &x[0], len(x))
	case i == isaAVX512 && o == opSum:
		sum_avx512(&l[0], &x[0], len(x))
	case i == isaAVX512 && o == opMax:
		max_avx512(&l[0], &x[0], len(x))
	case i == isaAVX512 && o == opMin:
		min_avx512(&l[0], &x[0], len(x))
	default:
		return false
	}
	return true
}
