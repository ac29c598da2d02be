package serve

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// What shortDecimal reads is what strconv reads, bit for bit, ties between
// float32s and their neighbours included; what JSON does not allow it leaves.
func TestShortDecimal(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var texts []string
	for range 200_000 {
		f := math.Float32frombits(r.Uint32())
		next := math.Nextafter32(f, 2*f)
		mid := (float64(f) + float64(next)) / 2
		texts = append(texts, strconv.FormatFloat(float64(f), 'g', -1, 32), strconv.FormatFloat(mid, 'g', -1, 64),
			strconv.FormatFloat(mid, 'g', 10, 64), strconv.FormatFloat(r.NormFloat64(), 'f', r.IntN(16), 64),
			fmt.Sprintf("%d.%de%d", r.IntN(1000), r.IntN(100000), r.IntN(60)-30))
	}
	texts = append(texts, "0", "-0", "-0.0", "0e5", "1e22", "1e-22", "16777217", "16777217.0000000001", "9007199254740993", "3.4028235e38", "3.4028236e38", "1e-45", "7e-46", "1.1754943e-38")
	fast := 0
	for _, s := range texts {
		for _, bits := range []int{32, 64} {
			v, end, ok := shortDecimal([]byte(s+","), 0, bits == 32)
			if !ok {
				continue
			}
			fast++
			want, err := strconv.ParseFloat(s, bits)
			if bits == 32 {
				v = float64(float32(v))
			}
			if err != nil || end != len(s) || math.Float64bits(v) != math.Float64bits(want) {
				t.Fatalf("%s as float%d: have %v after %d bytes, want %v %v", s, bits, v, end, want, err)
			}
		}
	}
	if fast < len(texts)/2 {
		t.Errorf("%d of %d", fast, 2*len(texts))
	}
	for _, s := range []string{"", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "NaN", "1.e5", "99999999999999999999", "1e1000", "e5"} {
		if v, _, ok := shortDecimal([]byte(s), 0, false); ok {
			t.Errorf("%q is read as %v", s, v)
		}
	}
}
