// Package ptxsim runs PTX in Go and finds mistakes in it.
package ptxsim
