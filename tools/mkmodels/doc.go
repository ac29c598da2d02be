// Command mkmodels makes the models that the repository ships (seeded random
// weights, nobody else's) and the nets of well-known shape that benchmarks
// use. Its test keeps testdata/models equal to what it makes.
//
//	go run ./tools/mkmodels -out testdata/models          # the small ones, all
//	go run ./tools/mkmodels -net resnet18 -out /tmp       # one by name
package main
