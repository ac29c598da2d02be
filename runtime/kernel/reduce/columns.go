package reduce

// columns computes up to 16 results whose elements lie side by side, those of the
// first from x[0] on; there is one chunk of them. Each has 16 lanes of its own, and
// lane l of all results is one vector: the bits are those of a result alone.
func (s *state) columns(y, x []float32) {
	o := s.kind.op
	var acc [lanes][lanes]float32
	for l := range acc {
		for i := range acc[l] {
			acc[l][i] = o.start()
		}
	}
	var some [lanes]float32 // of fewer results, or mapped elements
	var at [maxRank]int
	off, last := 0, s.fold.rank-1
	for k := range s.fold.total {
		e := x[off:][:len(y)]
		if len(y) < lanes || s.kind.each != asIs {
			copy(some[:], e)
			s.kind.each.do(some[:len(y)])
			e = some[:]
		}
		s.f.fold(o, &acc[k%lanes], e)
		for a := last; a >= 0; a-- { // to the next element
			if at[a]++; at[a] < s.fold.dims[a] {
				off += s.fold.stride[a]
				break
			}
			off -= (s.fold.dims[a] - 1) * s.fold.stride[a]
			at[a] = 0
		}
	}
	for h := lanes / 2; h > 0; h /= 2 {
		for l := range h {
			s.f.fold(o, &acc[l], acc[l+h][:])
		}
	}
	for i := range y {
		y[i] = acc[0][i]
		if s.kind.finish != nil {
			y[i] = s.kind.finish(y[i], s.fold.total)
		}
	}
}
