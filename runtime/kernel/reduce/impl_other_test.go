//go:build !amd64 && !arm64

package reduce

var impls []impl
