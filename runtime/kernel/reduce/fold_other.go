//go:build !amd64 && !arm64

package reduce

// foldAsm has no code on this architecture.
func foldAsm(isa, op, *[lanes]float32, []float32) bool { return false }
