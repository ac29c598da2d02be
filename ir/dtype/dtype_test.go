package dtype

import (
	"math"
	"testing"
)

func TestNamesAndCodesRoundTrip(t *testing.T) {
	for _, d := range All() {
		if g, ok := Parse(d.String()); !ok || g != d {
			t.Errorf("Parse(%q) = %v, %v", d.String(), g, ok)
		}
		if g, ok := FromONNX(d.ONNX()); !ok || g != d {
			t.Errorf("FromONNX(%d) = %v, %v, want %v", d.ONNX(), g, ok, d)
		}
	}
}

// Every binary16 value survives the round trip, and the midpoint between two
// neighbours goes to the even one (IEEE 754 roundTiesToEven).
func TestF16(t *testing.T) {
	for h := uint32(0); h < 1<<16; h++ {
		f := F16ToF32(uint16(h))
		if f != f {
			continue
		}
		if g := F32ToF16(f); g != uint16(h) {
			t.Fatalf("%#04x -> %v -> %#04x", h, f, g)
		}
		if h&0x7fff >= 0x7bff {
			continue
		}
		mid := (float64(f) + float64(F16ToF32(uint16(h+1)))) / 2
		want := uint16(h + h&1)
		if g := F64ToF16(mid); g != want {
			t.Fatalf("midpoint above %#04x -> %#04x, want %#04x", h, g, want)
		}
	}
	if F32ToF16(65520) != 0x7c00 || F32ToF16(65519) != 0x7bff || F32ToF16(float32(math.NaN())) != 0x7e00 {
		t.Error("overflow or NaN")
	}
}

func TestBF16(t *testing.T) {
	for h := uint32(0); h < 1<<16; h++ {
		f := BF16ToF32(uint16(h))
		if f != f {
			continue
		}
		if g := F32ToBF16(f); g != uint16(h) {
			t.Fatalf("%#04x -> %v -> %#04x", h, f, g)
		}
		if g := F64ToBF16(float64(f)); g != uint16(h) && h&0x7f80 != 0 {
			t.Fatalf("f64 %#04x -> %v -> %#04x", h, f, g)
		}
	}
	// 1 + 2^-8 is halfway between 1 and 1 + 2^-7: to even.
	if F32ToBF16(1.00390625) != 0x3f80 || F32ToBF16(1.01171875) != 0x3f82 {
		t.Error("ties")
	}
}
