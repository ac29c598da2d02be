package eltwise

// AVX512 are the functions for the feature of that name.
var AVX512 = Funcs{
	Name: "avx512",
	unary: [numUnary]unaryFunc{
		Copy: copyGo, Neg: neg_avx512, Abs: abs_avx512, Sqrt: sqrt_avx512, Floor: floor_avx512, Ceil: ceil_avx512,
		Round: round_avx512, Relu: relu_avx512, Exp: exp_avx512, ExpSub: expsub_avx512, Log: log_avx512, Tanh: tanh_avx512,
		Sigmoid: sigmoid_avx512, Erf: erf_avx512, Gelu: gelu_avx512, GeluTanh: gelutanh_avx512, Clip: clip_avx512,
		LeakyRelu: leakyrelu_avx512, AddS: adds_avx512, RSubS: rsubs_avx512, MulS: muls_avx512, DivS: divs_avx512,
		RDivS: rdivs_avx512, MinS: mins_avx512, MaxS: maxs_avx512,
	},
	binary: [numBinary]binaryFunc{
		Add - numUnary: add_avx512, Sub - numUnary: sub_avx512, Mul - numUnary: mul_avx512, Div - numUnary: div_avx512,
		Min - numUnary: min_avx512, Max - numUnary: max_avx512, PRelu - numUnary: prelu_avx512, MaxNum - numUnary: maxnum_avx512,
	},
	fromF16: fromF16_avx512,
	toF16:   toF16_avx512,
}

func fromF16_avx512(dst []float32, x []uint16) {
	const w = 16
	n := len(x) &^ (w - 1)
	if n > 0 {
		fromf16_avx512(&dst[0], &x[0], n)
	}
	if n < len(x) { // the rest goes through a whole vector
		var h [w]uint16
		var f [w]float32
		copy(h[:], x[n:])
		fromf16_avx512(&f[0], &h[0], w)
		copy(dst[n:len(x)], f[:])
	}
}

func toF16_avx512(dst []uint16, x []float32) {
	const w = 16
	n := len(x) &^ (w - 1)
	if n > 0 {
		tof16_avx512(&dst[0], &x[0], n)
	}
	if n < len(x) {
		var h [w]uint16
		var f [w]float32
		copy(f[:], x[n:])
		tof16_avx512(&h[0], &f[0], w)
		copy(dst[n:len(x)], h[:])
	}
}
