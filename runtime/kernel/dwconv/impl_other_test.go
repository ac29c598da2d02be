//go:build !amd64 && !arm64

package dwconv

var impls []impl
