package vecmath

// Lanes is the number of partial sums of a fixed-order sum, and Chunk the
// number of elements that one set of lanes takes in.
const (
	Lanes = 16
	Chunk = 4096
)

// Sum16 adds the 16 lanes as a balanced tree: lane l takes lane l+8, then
// l+4, l+2, l+1.
func Sum16(l *[Lanes]float32) float32 {
	for w := Lanes / 2; w > 0; w /= 2 {
		for i := 0; i < w; i++ {
			l[i] += l[i+w]
		}
	}
	return l[0]
}

// SumChunk sums at most Chunk elements: lane l of 16 starts from zero and
// takes the elements whose index is l modulo 16 in ascending order, then the
// lanes combine by Sum16.
func SumChunk(x []float32) float32 {
	var l [Lanes]float32
	for i, v := range x {
		l[i%Lanes] += v
	}
	return Sum16(&l)
}

// Sum sums x in the fixed order of the numerics rule: chunks of 4096 elements
// by SumChunk, then the chunks by Tree.
func Sum(x []float32) float32 {
	if len(x) <= Chunk {
		return SumChunk(x)
	}
	h := Half((len(x) + Chunk - 1) / Chunk)
	return Sum(x[:h*Chunk]) + Sum(x[h*Chunk:])
}

// Tree combines partial sums, one a chunk: split at Half, combine both sides,
// add. It is 0 for no parts.
func Tree(part []float32) float32 {
	switch len(part) {
	case 0:
		return 0
	case 1:
		return part[0]
	}
	h := Half(len(part))
	return Tree(part[:h]) + Tree(part[h:])
}

// Half returns where a tree over n >= 2 leaves splits: the largest power of
// two below n. So the shape of the tree over the first leaves does not change
// when leaves are appended.
func Half(n int) int {
	h := 1
	for h*2 < n {
		h *= 2
	}
	return h
}
