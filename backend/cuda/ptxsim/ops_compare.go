package ptxsim

// Comparisons of whole registers: bit l of the result is lane l's.

func eqI32(a, b *v32) (m uint32) {
	for i := range a {
		var x uint32
		if a[i] == b[i] {
			x = 1
		}
		m |= x << i
	}
	return m
}

func ltU32(a, b *v32) (m uint32) {
	for i := range a {
		var x uint32
		if a[i] < b[i] {
			x = 1
		}
		m |= x << i
	}
	return m
}

func ltS32(a, b *v32) (m uint32) {
	for i := range a {
		var x uint32
		if int32(a[i]) < int32(b[i]) {
			x = 1
		}
		m |= x << i
	}
	return m
}

func eqF32(a, b *v32) (m uint32) {
	for i := range a {
		var x uint32
		if f32(a[i]) == f32(b[i]) {
			x = 1
		}
		m |= x << i
	}
	return m
}

func ltF32(a, b *v32) (m uint32) {
	for i := range a {
		var x uint32
		if f32(a[i]) < f32(b[i]) {
			x = 1
		}
		m |= x << i
	}
	return m
}

func leF32(a, b *v32) (m uint32) {
	for i := range a {
		var x uint32
		if f32(a[i]) <= f32(b[i]) {
			x = 1
		}
		m |= x << i
	}
	return m
}

func nanMask32(a, b *v32) (m uint32) {
	for i := range a {
		var x uint32
		if f32(a[i]) != f32(a[i]) || f32(b[i]) != f32(b[i]) {
			x = 1
		}
		m |= x << i
	}
	return m
}

func eqI64(a, b *v64) (m uint32) {
	for i := range a {
		var x uint32
		if a[i] == b[i] {
			x = 1
		}
		m |= x << i
	}
	return m
}

func ltU64(a, b *v64) (m uint32) {
	for i := range a {
		var x uint32
		if a[i] < b[i] {
			x = 1
		}
		m |= x << i
	}
	return m
}

func ltS64(a, b *v64) (m uint32) {
	for i := range a {
		var x uint32
		if int64(a[i]) < int64(b[i]) {
			x = 1
		}
		m |= x << i
	}
	return m
}

func eqF64(a, b *v64) (m uint32) {
	for i := range a {
		var x uint32
		if f64(a[i]) == f64(b[i]) {
			x = 1
		}
		m |= x << i
	}
	return m
}

func ltF64(a, b *v64) (m uint32) {
	for i := range a {
		var x uint32
		if f64(a[i]) < f64(b[i]) {
			x = 1
		}
		m |= x << i
	}
	return m
}

func leF64(a, b *v64) (m uint32) {
	for i := range a {
		var x uint32
		if f64(a[i]) <= f64(b[i]) {
			x = 1
		}
		m |= x << i
	}
	return m
}

func nanMask64(a, b *v64) (m uint32) {
	for i := range a {
		var x uint32
		if f64(a[i]) != f64(a[i]) || f64(b[i]) != f64(b[i]) {
			x = 1
		}
		m |= x << i
	}
	return m
}
