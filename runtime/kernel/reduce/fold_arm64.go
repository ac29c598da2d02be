package reduce

// NEON are the folds for the feature of that name.
var NEON = Funcs{"neon", isaNEON}

// foldAsm folds groups of 16 into lanes; it reports whether there is code for
// that.
func foldAsm(i isa, o op, l *[lanes]float32, x []float32) bool {
	switch {
	case i == isaNEON && o == opSum:
		sum_neon(&l[0], &x[0], len(x))
	case i == isaNEON && o == opMax:
		max_neon(&l[0], &x[0], len(x))
	case i == isaNEON && o == opMin:
		min_neon(&l[0], &x[0], len(x))
	default:
		return false
	}
	return true
}
