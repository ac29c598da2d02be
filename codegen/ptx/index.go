package ptx

// Axes splits a linear index into coordinates along axes of the extents, the
// last axis fastest. index is below the product of the extents, so that the
// first needs no division; axes of extent 1 need none either.
func Axes(index U32, extents ...U32) []U32 {
	out := make([]U32, len(extents))
	first := 0 // that is not known to be 1
	for first < len(extents)-1 && extents[first].is(1) {
		first++
	}
	for i := len(extents) - 1; i > first; i-- {
		index, out[i] = index.DivRem(extents[i])
	}
	if len(out) > 0 && !extents[first].is(1) {
		out[first] = index
	}
	return out
}

// Linear is the sum of the products of coordinates and strides.
func Linear(coords, strides []U32) U32 {
	var sum U32
	for i, c := range coords {
		sum = c.MulAdd(strides[i], sum)
	}
	return sum
}

// Strides are those of a dense array of the extents, the last axis fastest.
func Strides(extents ...U32) []U32 {
	out := make([]U32, len(extents))
	step := I(1)
	for i := len(extents) - 1; i >= 0; i-- {
		out[i] = step
		if i > 0 {
			step = step.Mul(extents[i])
		}
	}
	return out
}

// Product is the product of the factors.
func Product(factors ...U32) U32 {
	p := I(1)
	for _, f := range factors {
		p = p.Mul(f)
	}
	return p
}
