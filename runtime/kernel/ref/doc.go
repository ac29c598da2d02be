// Package ref holds the reference semantics of every operator: one plain Go
// function each, over values, with obvious loops, float64 accumulation and no
// blocking. The interpreter, the constant folder and every oracle call them,
// and the CPU runtime runs them where no kernel is faster. It knows no module,
// no plan and no other kernel.
//
// Beside each function stands its Desc, so that a program links only those
// that its plan names. Functions are deterministic across architectures: no
// fused multiply-add (float64(x*y)+z where a product is added), no package
// math functions whose last bit differs by host (vecmath and this package's
// own exp, log, ... instead), no out-of-range float to integer conversion.
//
//	y := output(c, out, 0, x.DType(), x.Dims()...)   // planned buffer or c.New
package ref
