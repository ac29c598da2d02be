package main

import "testing"

// The words come from llvm-mc, fed with the text that the encoder gives.
func TestEltwiseEncodings(t *testing.T) {
	for _, c := range []struct {
		enc  Enc
		text string
		want uint32
	}{
		{BSL(3, 17, 30), "bsl v3.16b, v17.16b, v30.16b", 0x6e7e1e23},
		{MVN(5, 29), "mvn v5.16b, v29.16b", 0x6e205ba5},
		{FCVTL(2, 31), "fcvtl v2.4s, v31.4h", 0x0e217be2},
		{FCVTN(30, 1), "fcvtn v30.4h, v1.4s", 0x0e21683e},
	} {
		if c.enc.Word != c.want || c.enc.Text != c.text {
			t.Errorf("have %08x %q, want %08x %q", c.enc.Word, c.enc.Text, c.want, c.text)
		}
	}
}

// A value that dies in an operation may give its register to the result; two
// copies of a program never share one.
func TestRegAlloc(t *testing.T) {
	p := &vecProg{}
	x := p.Arg(0)
	y := p.Mul(x, x)
	p.Add(y, x)
	p.finish()
	r := newRegAlloc(0, 3)
	for _, u := range []int{0, 1} {
		r.copy = u
		r.set(x, r.take())
		r.set(y, r.take())
	}
	seen := map[int]bool{}
	for _, reg := range r.of {
		seen[reg] = true
	}
	if len(seen) != 4 {
		t.Errorf("registers %v", r.of)
	}
	if ok := fits(func() { r.take() }); ok {
		t.Error("a fifth of four registers")
	}
	r.release(p, y+1)
	if r.copy = 1; r.has(x) || r.has(y) {
		t.Error("operands keep their registers after their last use")
	}
	if !fits(func() { r.take(); r.take() }) {
		t.Error("freed registers are not given again")
	}
}
