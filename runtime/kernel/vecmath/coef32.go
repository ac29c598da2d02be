package vecmath

// Coefficients of the float32 functions. They are exported because the
// generators of vector code write the very same numbers into their tables: one
// polynomial, one order of operations, whatever the instruction set. The fits
// are minimax in the relative error of the function, then rounded to float32.
const (
	Log2E float32 = 0x1.715476p+0
	Ln2Hi float32 = 0x1.62e43p-1 // ln 2 is Ln2Hi + Ln2Lo
	Ln2Lo float32 = -0x1.05c61p-29

	// RoundMagic has its last bit at one, so adding it rounds to an integer. Its
	// low bits count from 254: the sum's bit pattern, shifted left by 23, is
	// then the sum of two exponents, and half of it one of them.
	RoundMagic float32 = 0x1.8p23 + 254

	// Exp32: below ExpLo the result rounds to zero, above ExpHi to infinity.
	// e^r is 1 + r + ExpC2 r^2 + ... for |r| <= ln(2)/2.
	ExpLo float32 = -104
	ExpHi float32 = 89
	ExpC2 float32 = 0x1.fffffcp-2
	ExpC3 float32 = 0x1.555492p-3
	ExpC4 float32 = 0x1.5558f2p-5
	ExpC5 float32 = 0x1.123a2p-7
	ExpC6 float32 = 0x1.6a23dp-10

	// Log32: log(1+f) is f - f^2/2 + f^3 (LogC0 + LogC1 f + ...) for 1+f in
	// [2/3, 4/3); LogSplit is the bit pattern of 2/3.
	LogSplit  uint32  = 0x3f2aaaab
	LogC0     float32 = 0x1.555506p-2
	LogC1     float32 = -0x1.fffefp-3
	LogC2     float32 = 0x1.99d028p-3
	LogC3     float32 = -0x1.559dccp-3
	LogC4     float32 = 0x1.1ed714p-3
	LogC5     float32 = -0x1.f31138p-4
	LogC6     float32 = 0x1.1e66c8p-3
	LogC7     float32 = -0x1.08059ap-3
	MinNormal float32 = 0x1p-126

	// Tanh32: from TanhLo down, 2|x| gives a result that rounds to one.
	TanhLo float32 = -20

	// Erf32: below ErfSplit erf(x) is x + x (ErfS0 + ErfS1 x^2 + ...); above,
	// 1 - 2^-(t (ErfL0 + ErfL1 t + ...)); from ErfHi on it rounds to one.
	// 2^r is 1 + r (Exp2C1 + Exp2C2 r + ...) for |r| <= 1/2.
	ErfSplit float32 = 0.875
	ErfHi    float32 = 4
	ErfS0    float32 = 0x1.06eba6p-3
	ErfS1    float32 = -0x1.81270cp-2
	ErfS2    float32 = 0x1.ce211ep-4
	ErfS3    float32 = -0x1.b6f38ap-6
	ErfS4    float32 = 0x1.49c9fap-8
	ErfS5    float32 = -0x1.453a9cp-11
	ErfL0    float32 = 0x1.a0cc5ap+0
	ErfL1    float32 = 0x1.d58d36p-1
	ErfL2    float32 = 0x1.3728c6p-3
	ErfL3    float32 = -0x1.0ee8d6p-5
	ErfL4    float32 = 0x1.30ee36p-8
	ErfL5    float32 = -0x1.45964ep-12
	Exp2C1   float32 = 0x1.62e42ap-1
	Exp2C2   float32 = 0x1.ebf9bap-3
	Exp2C3   float32 = 0x1.c6b75ap-5
	Exp2C4   float32 = 0x1.3ceb6cp-7
	Exp2C5   float32 = 0x1.5bb92ap-10

	// Gelu32 and GeluTanh32.
	InvSqrt2   float32 = 0x1.6a09e6p-1
	Sqrt2Pi    float32 = 0x1.988454p-1 // sqrt(2/pi)
	Sqrt2PiC44 float32 = 0x1.2444f2p-5 // sqrt(2/pi) 0.044715
)
