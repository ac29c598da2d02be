// Package nn builds models layer by layer, weights initialized from a seed,
// as inference Modules that train.Fit can teach and codegen can compile:
//
//	m, err := nn.Sequential(nn.Input{Name: "x", Dims: []int{1, 28, 28}}, nn.Options{Seed: 1},
//		nn.Conv2D(8, 3, nn.Pad(1)), nn.BatchNorm(), nn.Relu(), nn.MaxPool(2), nn.Flatten(), nn.Dense(10))
//	m, err := nn.Named("lenet", nn.Input{Name: "x", Dims: []int{1, 28, 28}}, 10, nn.Options{Seed: 1})
//	m, err := nn.Named("resnet8:8,16,stem=1", nn.Input{Dims: []int{1, 28, 28}}, 10, nn.Options{Seed: 1}) // see ParseSpec
//
// The batch is dim N in front of what Input says. Weights are named constants
// ("conv1.weight"); Dropout and BatchNorm are written in inference mode, and
// training switches them over. It must not know a loss, an optimizer or an
// executor.
package nn
