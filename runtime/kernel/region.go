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
