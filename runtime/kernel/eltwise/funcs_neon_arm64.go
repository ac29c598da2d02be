package eltwise

// NEON are the functions for the feature of that name.
var NEON = Funcs{
	Name: "neon",
	unary: [numUnary]unaryFunc{
		Copy: copyGo, Neg: neg_neon, Abs: abs_neon, Sqrt: sqrt_neon, Floor: floor_neon, Ceil: ceil_neon,
		Round: round_neon, Relu: relu_neon, Exp: exp_neon, ExpSub: expsub_neon, Log: log_neon, Tanh: tanh_neon,
		Sigmoid: sigmoid_neon, Erf: erf_neon, Gelu: gelu_neon, GeluTanh: gelutanh_neon, Clip: clip_neon,
		LeakyRelu: leakyrelu_neon, AddS: adds_neon, RSubS: rsubs_neon, MulS: muls_neon, DivS: divs_neon,
		RDivS: rdivs_neon, MinS: mins_neon, MaxS: maxs_neon,
	},
	binary: [numBinary]binaryFunc{
		Add - numUnary: add_neon, Sub - numUnary: sub_neon, Mul - numUnary: mul_neon, Div - numUnary: div_neon,
		Min - numUnary: min_neon, Max - numUnary: max_neon, PRelu - numUnary: prelu_neon, MaxNum - numUnary: maxnum_neon,
	},
	fromF16: fromF16_neon,
	toF16:   toF16_neon,
}

func fromF16_neon(dst []float32, x []uint16) {
	const w = 4
	n := len(x) &^ (w - 1)
	if n > 0 {
		fromf16_neon(&dst[0], &x[0], n)
	}
	if n < len(x) { // the rest goes through a whole vector
		var h [w]uint16
		var f [w]float32
		copy(h[:], x[n:])
		fromf16_neon(&f[0], &h[0], w)
		copy(dst[n:len(x)], f[:])
	}
}

func toF16_neon(dst []uint16, x []float32) {
	const w = 4
	n := len(x) &^ (w - 1)
	if n > 0 {
		tof16_neon(&dst[0], &x[0], n)
	}
	if n < len(x) {
		var h [w]uint16
		var f [w]float32
		copy(f[:], x[n:])
		tof16_neon(&h[0], &f[0], w)
		copy(dst[n:len(x)], h[:])
	}
}
