package main

import (
	"fmt"
	"math"
	"math/rand"
	"testing"
)

// Every VNNI tile, executed by the emulator, gives the exact sums. Go's first
// operand of VPDPBUSD is Intel's last, the signed one: llvm-objdump shows
// VPDPBUSD Z30, Z28, Z0 as vpdpbusd zmm0, zmm28, zmm30.
func TestVNNITilesInEmulation(t *testing.T) {
	text := ""
	for _, f := range int8Files() {
		if f.Name == "i8_avx512vnni" {
			text = string(f.Text())
		}
	}
	for np := 1; np <= 2; np++ {
		for mr := 1; mr <= 14; mr++ {
			name := fmt.Sprintf("i8_%dx%d_avx512vnni", mr, 16*np)
			for _, kq := range []int{1, 2, 5} {
				emulateTile8(t, text, name, mr, np, kq)
			}
		}
	}
}

func emulateTile8(t *testing.T, text, name string, mr, np, kq int) {
	t.Helper()
	const tiles = 2
	r := rand.New(rand.NewSource(int64(mr*16 + kq)))
	words := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			w := r.Uint32()
			if r.Intn(3) == 0 {
				w = 0x80ff7f80 // extremes
			}
			x[i] = math.Float32frombits(w)
		}
		return x
	}
	byteAt := func(x []float32, i int) uint8 { return uint8(math.Float32bits(x[i/4]) >> (8 * (i % 4))) }
	lda, ldc := kq+1, 16*np+3 // in words
	a, b, c := words(tiles*mr*lda), words(np*kq*16), words(tiles*mr*ldc)
	e, err := newEmu(text, name)
	if err != nil {
		t.Fatal(err)
	}
	// Nothing behind the last row of a is read.
	err = e.call(tiles, int64(kq), e.region("a", a[:len(a)-1]), int64(4*lda), e.region("b", b), int64(64*kq), e.region("c", c), int64(ldc))
	if err != nil {
		t.Fatal(name, err)
	}
	for i := range tiles * mr {
		for j := range 16 * np {
			want := int32(0)
			for k := range 4 * kq {
				want += int32(int8(byteAt(a, 4*lda*i+k))) * int32(byteAt(b, j/16*kq*64+k/4*64+j%16*4+k%4))
			}
			if have := int32(math.Float32bits(c[i*ldc+j])); have != want {
				t.Fatalf("%s kq %d: row %d column %d: have %d, want %d", name, kq, i, j, have, want)
			}
		}
	}
}

// The words come from llvm-mc.
func TestInt8Encodings(t *testing.T) {
	for _, c := range []struct {
		enc  Enc
		text string
		want uint32
	}{
		{SMLALElem(16, 4, 3, 5), "smlal v16.4s, v4.4h, v3.h[5]", 0x0f532890},
		{SMLAL2Elem(31, 5, 15, 2), "smlal2 v31.4s, v5.8h, v15.h[2]", 0x4f6f20bf},
		{SQXTN(4, 0), "sqxtn v4.4h, v0.4s", 0x0e614804},
		{SQXTN2(5, 3), "sqxtn2 v5.8h, v3.4s", 0x4e614865},
		{SQXTUN(6, 4), "sqxtun v6.8b, v4.8h", 0x2e212886},
		{SQXTUN2(6, 5), "sqxtun2 v6.16b, v5.8h", 0x6e2128a6},
	} {
		if c.enc.Text != c.text || c.enc.Word != c.want {
			t.Errorf("have %#08x %s, want %#08x %s", c.enc.Word, c.enc.Text, c.want, c.text)
		}
	}
}
