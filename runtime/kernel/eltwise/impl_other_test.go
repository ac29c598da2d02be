//go:build !amd64 && !arm64

package eltwise

var impls []impl
