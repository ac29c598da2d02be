package main

// What the accuracy jobs run, and what must come of it. Each line of a study
// is a command of mlc. In it stand for themselves:
//
//	{seed}                1, 2, ... up to the study's seeds
//	{out}                 the model that the study makes
//	{NAME-model}          the model that study NAME made with the same seed
//	{NAME-model:1}        the one that it made with seed 1
//	{mnist} {mnist-test} {fashion} {fashion-test} {iris} {wine}
//	                      data, in the form that --data takes
//
// Where a line is shown in docs/training.md, doc is the name of its output
// there, and a test compares both.
var studies = []study{
	{name: "lenet", seeds: 3, guess: 45, score: "{mnist-test}", doc: "lenet.onnx", run: []string{
		"train --model lenet --data {mnist} --val {mnist-test} --epochs 3 --optimizer adam --lr 0.003 --schedule cosine --seed {seed} -o {out}"}},
	{name: "iris", seeds: 3, guess: 1, doc: "iris.onnx", run: []string{
		"train --model mlp --data {iris} --val-split 0.3 --epochs 60 --batch 16 --optimizer adam --lr 0.003 --schedule cosine --seed {seed} -o {out}"}},
	{name: "wine", seeds: 3, guess: 1, doc: "wine.onnx", run: []string{
		"train --model mlp --data {wine} --val-split 0.3 --epochs 60 --batch 16 --optimizer adam --lr 0.003 --schedule cosine --seed {seed} -o {out}"}},

	// 2.1 million multiply-adds, and 32 channels or more a layer: whole panels of
	// the kernels can go.
	{name: "fashion", seeds: 3, guess: 240, score: "{fashion-test}", weights: 100_000, doc: "fashion.onnx", run: []string{
		"train --model resnet8:32,64,stem=1,pool=2,stride=2 --data {fashion} --val {fashion-test} --epochs 6 --optimizer adam --lr 0.003 --schedule cosine --augment flip --seed {seed} -o {out}"}},
	{name: "fashion-int8", seeds: 3, guess: 5, score: "{fashion-test}", run: []string{
		"quantize {fashion-model} --calib {fashion} --calib-samples 1000 -o {out}"}},
	{name: "fashion-qat", seeds: 3, guess: 160, score: "{fashion-test}", run: []string{
		"train --model {fashion-model} --precision qat-int8 --data {fashion} --val {fashion-test} --epochs 2 --optimizer adam --lr 0.0003 --schedule cosine --augment flip --seed {seed} -o {out}"}},
	{name: "fashion-gradual", seeds: 3, guess: 170, score: "{fashion-test}", run: []string{
		"prune {fashion-model} --sparsity 0.7 --scope global --finetune --data {fashion} --val {fashion-test} --epochs 4 --optimizer adam --lr 0.002 --schedule cosine --augment flip --seed {seed} -o {out}"}},

	{name: "fashion-channels", seeds: 3, guess: 80, score: "{fashion-test}", run: []string{
		"prune {fashion-model} --structure channel --sparsity 0.4 --scope global --align native --finetune --data {fashion} --val {fashion-test} --epochs 5 --optimizer adam --lr 0.003 --schedule cosine --augment flip --seed {seed} -o {out}"}},
	{name: "fashion-latency", seeds: 3, guess: 12, ratio: true, run: []string{
		"bench {fashion-model} {fashion-channels-model} --threads 1 --duration 5s"}},

	// The student has at most a tenth of the teacher's 78.4 thousand weights.
	// Temperature, alpha and rate were chosen with seeds 6 to 10, after tries of
	// longer runs with seeds 1 to 5.
	{name: "student", seeds: 5, guess: 25, score: "{fashion-test}", weights: 7_837, run: []string{
		"train --model resnet8:4,8,16 --data {fashion} --val {fashion-test} --epochs 2 --optimizer adam --lr 0.01 --schedule cosine --seed {seed} -o {out}"}},
	{name: "distilled", seeds: 5, guess: 30, score: "{fashion-test}", weights: 7_837, run: []string{
		"distill --teacher {fashion-model:1} --student resnet8:4,8,16 --data {fashion} --val {fashion-test} --epochs 2 --optimizer adam --lr 0.01 --schedule cosine --temp 1 --alpha 0.7 --seed {seed} -o {out}"}},
}

// bars are what the means of studies must reach: in percent points, but for
// ratios.
var bars = []bar{
	{name: "lenet-bar", of: "lenet", kind: atLeast, bar: 98.8},
	{name: "fashion-bar", of: "fashion", kind: atLeast, bar: 91},
	{name: "iris-mean", of: "iris", kind: shown},
	{name: "wine-mean", of: "wine", kind: shown},
	{name: "int8-bar", of: "fashion-int8", than: "fashion", kind: dropAtMost, bar: 0.5},
	{name: "qat-bar", of: "fashion-qat", than: "fashion", kind: dropAtMost, bar: 0.3},
	{name: "gradual-bar", of: "fashion-gradual", than: "fashion", kind: dropAtMost, bar: 1.0},
	{name: "channels-bar", of: "fashion-channels", than: "fashion", kind: dropAtMost, bar: 1.5},
	{name: "latency-bar", of: "fashion-latency", kind: atMost, bar: 0.65},
	{name: "distilled-bar", of: "distilled", than: "student", kind: gainAtLeast, bar: 0.2},
}

// What all of it may take on two cores, and the multiply-adds of a net.
const (
	accuracyMinutes = 90
	accuracyMACs    = 3_000_000
)
