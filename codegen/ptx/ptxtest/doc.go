// Package ptxtest assembles PTX with ptxas, NVIDIA's assembler, in tests that
// are given it: nothing else of mlc needs it. tools/peers/ptxas.sh installs and
// passes it. The package knows no kernel.
//
//	var ptxas = flag.String("ptxas", "", ptxtest.Usage)
//	...
//	use := ptxtest.Assemble(t, *ptxas, text, 80)
package ptxtest
