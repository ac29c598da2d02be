//go:build !amd64 && !arm64

package quant

var impls map[string]*Funcs
