// Package vecmath holds the scalar arithmetic that every generic twin of a
// vector kernel is written with: the exact float32 multiply-add, polynomials
// evaluated in one fixed order, and sums with a fixed tree.
//
// Two rules bind all code here. Nothing may depend on the compiler fusing or
// not fusing x*y+z, so products that feed a sum are converted explicitly. And
// nothing may call the transcendental functions of package math, whose last
// bit differs between architectures.
//
// It knows no tensor, no operator and no assembly.
//
//	acc := float32(0)
//	for k := range a {
//		acc = vecmath.FMA32(a[k], b[k], acc) // the bits of VFMADD231SS and FMLA
//	}
package vecmath
