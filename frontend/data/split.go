package data

import (
	"maps"
	"slices"

	"github.com/mlc-go/mlc/ir/diag"
)

// splitStream keeps the order of a split apart from those of epochs.
const splitStream = 1 << 40

// Split parts d by seed: the second part takes frac of the samples, rounded.
// Where the target is a class, each class is parted alike (stratified).
// Both parts keep the order of d. Error: frac is not between 0 and 1, or a
// part would be empty.
func Split(d Dataset, frac float64, seed uint64) (rest, part Dataset, err error) {
	if !(frac > 0 && frac < 1) {
		return nil, nil, diag.New(diag.Usage, "a split of %v: want more than 0 and less than 1", frac)
	}
	n := d.Len()
	groups := [][]int{make([]int, n)}
	for i := range n {
		groups[0][i] = i
	}
	if at, err := Target(d); err == nil && d.Fields()[at].IsLabel() {
		if groups, err = byLabel(d); err != nil {
			return nil, nil, err
		}
	}
	// Each group gives its share, rounded so that the running sum is right.
	taken := make([]bool, n)
	want, have := 0.0, 0
	for g, rows := range groups {
		want += frac * float64(len(rows))
		k := int(want+0.5) - have
		k = max(0, min(k, len(rows)))
		have += k
		for _, i := range Permutation(len(rows), seed, splitStream+uint64(g))[:k] {
			taken[rows[i]] = true
		}
	}
	var a, b []int
	for i, t := range taken {
		if t {
			b = append(b, i)
		} else {
			a = append(a, i)
		}
	}
	if len(a) == 0 || len(b) == 0 {
		return nil, nil, diag.New(diag.BadData, "a split of %v of %d samples leaves a part empty", frac, n)
	}
	return &subset{d, a}, &subset{d, b}, nil
}

// byLabel lists the samples of each class in ascending order of classes.
func byLabel(d Dataset) ([][]int, error) {
	ls, err := Labels(d)
	if err != nil {
		return nil, err
	}
	m := map[int64][]int{}
	for i, l := range ls {
		m[l] = append(m[l], i)
	}
	var out [][]int
	for _, l := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[l])
	}
	return out, nil
}
