package kernel

import "github.com/mlc-go/mlc/ir/tensor"

// RegionTyper is what a Ctx may offer beside its methods: the result types of
// region i. Loop and Scan ask for them where no iteration ran and a result
// still needs an element type and extents. A Ctx should give known extents
// where it knows them (symbols bound by the run); those that stay symbolic
// count as 0.
type RegionTyper interface {
	RegionTypes(i int) []tensor.Type
}

// Holder is what a Ctx may offer that bounds the memory of a run: a function
// that keeps values beside its outputs (the scanned values of a loop) asks for
// their bytes first, and gives them back as a negative number. Error: kind
// Limit.
type Holder interface {
	Hold(bytes int64) error
}
