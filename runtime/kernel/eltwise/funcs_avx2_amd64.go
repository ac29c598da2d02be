package eltwise

// AVX2 are the functions for the feature of that name.
var AVX2 = Funcs{
	Name: "avx2",
	unary: [numUnary]unaryFunc{
		Copy: copyGo, Neg: neg_avx2, Abs: abs_avx2, Sqrt: sqrt_avx2, Floor: floor_avx2, Ceil: ceil_avx2,
		Round: round_avx2, Relu: relu_avx2, Exp: exp_avx2, ExpSub: expsub_avx2, Log: log_avx2, Tanh: tanh_avx2,
		Sigmoid: sigmoid_avx2, Erf: erf_avx2, Gelu: gelu_avx2, GeluTanh: gelutanh_avx2, Clip: clip_avx2,
		LeakyRelu: leakyrelu_avx2, AddS: adds_avx2, RSubS: rsubs_avx2, MulS: muls_avx2, DivS: divs_avx2,
		RDivS: rdivs_avx2, MinS: mins_avx2, MaxS: maxs_avx2,
	},
	binary: [numBinary]binaryFunc{
		Add - numUnary: add_avx2, Sub - numUnary: sub_avx2, Mul - numUnary: mul_avx2, Div - numUnary: div_avx2,
		Min - numUnary: min_avx2, Max - numUnary: max_avx2, PRelu - numUnary: prelu_avx2, MaxNum - numUnary: maxnum_avx2,
	},
	fromF16: fromF16_avx2,
	toF16:   toF16_avx2,
}

func fromF16_avx2(dst []float32, x []uint16) {
	const w = 8
	n := len(x) &^ (w - 1)
	if n > 0 {
		fromf16_avx2(&dst[0], &x[0], n)
	}
	if n < len(x) { // the rest goes through a whole vector
		var h [w]uint16
		var f [w]float32
		copy(h[:], x[n:])
		fromf16_avx2(&f[0], &h[0], w)
		copy(dst[n:len(x)], f[:])
	}
}

func toF16_avx2(dst []uint16, x []float32) {
	const w = 8
	n := len(x) &^ (w - 1)
	if n > 0 {
		tof16_avx2(&dst[0], &x[0], n)
	}
	if n < len(x) {
		var h [w]uint16
		var f [w]float32
		copy(f[:], x[n:])
		tof16_avx2(&h[0], &f[0], w)
		copy(dst[n:len(x)], h[:])
	}
}
