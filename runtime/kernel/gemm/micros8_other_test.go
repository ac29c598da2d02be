//go:build !amd64 && !arm64

package gemm

var micros8 []*Micro8
