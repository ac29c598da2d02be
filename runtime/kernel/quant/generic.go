package quant

import "unsafe"

// Generic are the loops in plain Go.
var Generic = Funcs{Requant: requant, RequantCols: requantCols, Quantize: quantize, Dequantize: dequantize, Add: add,
	Evens: evens, MaxU8: maxU8, MaxS8: maxS8, Bounds: bounds, Offset: offset}

func requant(n int, acc *int32, corr int32, m float32, r *Rule, dst *uint8) {
	a, d := unsafe.Slice(acc, n), unsafe.Slice(dst, n)
	for i, v := range a {
		d[i] = r.Byte(float32(float32(v+corr) * m))
	}
}

func requantCols(n int, acc *int32, corr *int32, m *float32, r *Rule, dst *uint8) {
	a, c, f, d := unsafe.Slice(acc, n), unsafe.Slice(corr, n), unsafe.Slice(m, n), unsafe.Slice(dst, n)
	for i, v := range a {
		d[i] = r.Byte(float32(float32(v+c[i]) * f[i]))
	}
}

func quantize(n int, src *float32, scale float32, r *Rule, dst *uint8) {
	s, d := unsafe.Slice(src, n), unsafe.Slice(dst, n)
	for i, v := range s {
		d[i] = r.Byte(v / scale)
	}
}

func dequantize(n int, src *uint8, xor uint32, zero int32, scale float32, dst *float32) {
	s, d := unsafe.Slice(src, n), unsafe.Slice(dst, n)
	for i, v := range s {
		d[i] = float32(int32(v^uint8(xor))-zero) * scale
	}
}

func add(n int, a, b *uint8, p *Sum, r *Rule, dst *uint8) {
	x, y, d := unsafe.Slice(a, n), unsafe.Slice(b, n), unsafe.Slice(dst, n)
	for i := range d {
		u := float32(float32(int32(x[i]^uint8(p.XorA))-p.ZeroA) * p.A)
		v := float32(float32(int32(y[i]^uint8(p.XorB))-p.ZeroB) * p.B)
		d[i] = r.Byte(float32(u+v) / p.Y)
	}
}

func evens(n int, dst, src *uint8) {
	d, s := unsafe.Slice(dst, n), unsafe.Slice(src, 2*n)
	for i := range d {
		d[i] = s[2*i]
	}
}

func maxU8(n int, dst, src *uint8) {
	d, s := unsafe.Slice(dst, n), unsafe.Slice(src, n)
	for i, v := range s {
		d[i] = max(d[i], v)
	}
}

func maxS8(n int, dst, src *uint8) {
	d, s := unsafe.Slice(dst, n), unsafe.Slice(src, n)
	for i, v := range s {
		d[i] = uint8(max(int8(d[i]), int8(v)))
	}
}

func bounds(n int, src, lo, hi *float32) {
	s, l, h := unsafe.Slice(src, n), unsafe.Slice(lo, 16), unsafe.Slice(hi, 16)
	for i, v := range s {
		if v < l[i%16] {
			l[i%16] = v
		}
		if v > h[i%16] {
			h[i%16] = v
		}
	}
}

func offset(n int, src *int32, add int32, dst *int32) {
	s, d := unsafe.Slice(src, n), unsafe.Slice(dst, n)
	for i, v := range s {
		d[i] = v + add
	}
}
