// Package ptx writes PTX, the assembly text that the driver of an NVIDIA device
// compiles: kernels are built by Go calls on typed values, so that mixing a
// float with an index, or a shared address with a global one, does not compile.
//
//	m := ptx.NewModule(ptx.Options{SM: 75})
//	k := m.Entry("scale")
//	x, y, n := k.ParamPtr("x"), k.ParamPtr("y"), k.ParamU32("n")
//	i := k.GlobalX()
//	k.If(i.Lt(n), func() { y.At(i, 4).StF32(x.At(i, 4).LdF32().Mul(ptx.F(2))) })
//	name := m.Add(k) // equal kernels are one
//	text, err := m.Text()
//
// A value is a register or an immediate (I, I64, F, Bool). What is known
// when the kernel is written costs no instruction: expressions of immediates are
// computed, neutral operands vanish, powers of two become shifts, offsets go into
// the address, branches on a known predicate are decided. So templates give the
// extents that they know as immediates and those that stay open as parameters,
// in the same code.
//
// A value is computed where it is written and never changes, but for the Var
// types, which loops need: those name a register that Set overwrites, and Get
// gives what is in it. A value of a block (of If, For, ...) ends with it; use after
// that is an error, and a Var is how a result comes out of one.
//
// Faults of a template (a value of another kernel, an operand out of range, too
// much shared memory) do not panic: the first one is kept and Text returns it.
// Only addresses and Vars come from a kernel in any case: their zero values are of
// no use.
//
// The package knows PTX and no tensor: templates live in backend/cuda, and what
// runs the text without a device in backend/cuda/ptxsim.
package ptx
