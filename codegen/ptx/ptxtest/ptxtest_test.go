package ptxtest

import (
	"slices"
	"testing"
)

// The report is that of ptxas 12.9.
func TestParse(t *testing.T) {
	got := parse([]byte(`ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'warp_f6c4731e' for 'sm_75'
ptxas info    : Function properties for warp_f6c4731e
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 22 registers, used 0 barriers, 360 bytes cmem[0]
ptxas info    : Compile time = 3.125 ms
ptxas info    : Compiling entry function 'memory' for 'sm_75'
ptxas info    : Function properties for memory
    16 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 16 bytes cumulative stack size, 4608 bytes smem, 372 bytes cmem[0]
`))
	want := []Use{{"warp_f6c4731e", 22, 0, 0, 0}, {"memory", 255, 4608, 12, 16}}
	if !slices.Equal(got, want) {
		t.Errorf("have %+v, want %+v", got, want)
	}
}

func TestWithLines(t *testing.T) {
	got := withLines("ptxas m.ptx, line 2; error   : Parsing error\nptxas fatal\n", "a\nb\nc\n")
	if want := "ptxas m.ptx, line 2; error   : Parsing error\n\tb\nptxas fatal\n"; got != want {
		t.Errorf("have %q, want %q", got, want)
	}
}
