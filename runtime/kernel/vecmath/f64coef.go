package vecmath

// Coefficients of the float64 functions, ascending. Series are exact terms
// rounded once; the erfcx polynomial is a Chebyshev fit made at 400 bits.

// expTail is 1/n! from n = 2: exp(r) = 1 + r + r*r*expTail(r) for |r| <= ln(2)/2, error below 2^-57.
var expTail = [13]float64{
	0x1p-1, 0x1.5555555555555p-3, 0x1.5555555555555p-5,
	0x1.1111111111111p-7, 0x1.6c16c16c16c17p-10, 0x1.a01a01a01a01ap-13,
	0x1.a01a01a01a01ap-16, 0x1.71de3a556c734p-19, 0x1.27e4fb7789f5cp-22,
	0x1.ae64567f544e4p-26, 0x1.1eed8eff8d898p-29, 0x1.6124613a86d09p-33,
	0x1.93974a8c07c9dp-37,
}

// atanhTail is 2/(2n+1) from n = 1: log((1+s)/(1-s)) = 2s + s*z*atanhTail(z), z = s*s <= 0.0295.
var atanhTail = [12]float64{
	0x1.5555555555555p-1, 0x1.999999999999ap-2, 0x1.2492492492492p-2,
	0x1.c71c71c71c71cp-3, 0x1.745d1745d1746p-3, 0x1.3b13b13b13b14p-3,
	0x1.1111111111111p-3, 0x1.e1e1e1e1e1e1ep-4, 0x1.af286bca1af28p-4,
	0x1.8618618618618p-4, 0x1.642c8590b2164p-4, 0x1.47ae147ae147bp-4,
}

// erfSmall gives erf(x) = x*erfSmall(x*x) for |x| <= 0.5; its first coefficient is 2/sqrt(pi) - 1, so that x itself is added exactly.
var erfSmall = [14]float64{
	0x1.06eba8214db69p-3, -0x1.812746b0379e7p-2, 0x1.ce2f21a042be2p-4,
	-0x1.b82ce31288b51p-6, 0x1.565bcd0e6a53fp-8, -0x1.c02db40040b86p-11,
	0x1.f9a326f9b89b7p-14, -0x1.f4d25c3e0c2ebp-17, 0x1.b9e6c9dc651a3p-20,
	-0x1.5f742ec43e71ap-23, 0x1.fcc5720624c1cp-27, -0x1.51d7181c5d36dp-30,
	0x1.9e6ad5e55a73p-34, -0x1.d8453cb0c46eap-38,
}

// erfcxFit gives (1+2x)*exp(x*x)*erfc(x) as a polynomial in t = (x-3)/(x+3), 0.5 <= x <= 28, error below 2^-59.
var erfcxFit = [24]float64{
	0x1.40c522d7e4987p0, -0x1.15c084bb9e8f3p-3, -0x1.85a15c58aa612p-5,
	0x1.098366a5b46e5p-3, -0x1.e88b803a48944p-4, 0x1.17ca2877f02f3p-4,
	-0x1.8574c40c1559p-6, 0x1.4b884e46a7221p-9, 0x1.ef1bdd87d55f4p-10,
	-0x1.98db519c3d17bp-11, -0x1.b91296071716dp-14, 0x1.065a48f0bd24dp-13,
	0x1.4c2f9ce01b7fep-18, -0x1.513e4543a22cap-16, -0x1.896f7c0911cd9p-21,
	0x1.d259d177dac88p-19, 0x1.8179aff39d0b3p-22, -0x1.4d7d872c6d147p-21,
	-0x1.339b368311bbdp-23, 0x1.cf60300835294p-24, 0x1.63592c841fa6cp-25,
	-0x1.3415f078d8f98p-26, -0x1.d2f3868c59205p-28, 0x1.5bc949dd3bf9bp-29,
}

// sinTail gives sin(r) = r + r*z*sinTail(z), z = r*r, |r| <= pi/4.
var sinTail = [8]float64{
	-0x1.5555555555555p-3, 0x1.1111111111111p-7, -0x1.a01a01a01a01ap-13,
	0x1.71de3a556c734p-19, -0x1.ae64567f544e4p-26, 0x1.6124613a86d09p-33,
	-0x1.ae7f3e733b81fp-41, 0x1.952c77030ad4ap-49,
}

// cosTail gives cos(r) = 1 - z/2 + z*z*cosTail(z), z = r*r, |r| <= pi/4.
var cosTail = [9]float64{
	0x1.5555555555555p-5, -0x1.6c16c16c16c17p-10, 0x1.a01a01a01a01ap-16,
	-0x1.27e4fb7789f5cp-22, 0x1.1eed8eff8d898p-29, -0x1.93974a8c07c9dp-37,
	0x1.ae7f3e733b81fp-45, -0x1.6827863b97d97p-53, 0x1.e542ba4020225p-62,
}

// twoOverPi holds the first 1280 fraction bits of 2/pi, most significant first.
var twoOverPi = [20]uint64{
	0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
	0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484,
	0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
	0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b,
	0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d,
}
