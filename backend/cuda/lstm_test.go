package cuda

import (
	"fmt"
	"testing"
)

func TestLSTM(t *testing.T) {
	const text = `func main(%x: f32[$A,$B,$C], %h: f32[$E,$B,$D], %c: f32[$E,$B,$D]) -> (%y: f32[$A,$E,$B,$D], %yh: f32[$E,$B,$D], %yc: f32[$E,$B,$D]) {
	%w = const f32[$E,$F,$C] random(seed=1)
	%r = const f32[$E,$F,$D] random(seed=2)
	%b = const f32[$E,$G] random(seed=3)
	%p = const f32[$E,$I] random(seed=4)
	%y, %yh, %yc = LSTM $J {hidden_size=$D, direction="$H"} : f32[$A,$E,$B,$D], f32[$E,$B,$D], f32[$E,$B,$D]
	return %y, %yh, %yc
}`
	for _, c := range []struct {
		steps, batch  any
		width, hidden int
		direction     string
		operands      string
	}{
		{1, 1, 1, 1, "forward", "%x, %w, %r"},
		{5, 1, 7, 12, "forward", "%x, %w, %r, %b"},
		{5, 3, 7, 12, "reverse", "%x, %w, %r, %b, _, %h, %c"},
		{6, 5, 20, 17, "bidirectional", "%x, %w, %r, %b, _, %h, %c"},
		{4, 3, 5, 9, "bidirectional", "%x, %w, %r, _, _, %h, %c, %p"},
		{3, 2, 5, 64, "forward", "%x, %w, %r, %b"},
		{2, 1, 5, 300, "bidirectional", "%x, %w, %r, %b"},
		{0, 2, 5, 9, "forward", "%x, %w, %r, %b, _, %h, %c"},
		{"N", 2, 5, 8, "bidirectional", "%x, %w, %r, %b"},
		{"N", "N", 5, 8, "forward", "%x, %w, %r, %b, _, %h, %c"},
	} {
		dirs := 1
		if c.direction == "bidirectional" {
			dirs = 2
		}
		body := mir(text, c.steps, c.batch, c.width, c.hidden, dirs, 4*c.hidden, 8*c.hidden, c.direction, 3*c.hidden, c.operands)
		try(t, fmt.Sprintf("dim N 0..100\n%s", body), nil, 1, 0, 5)
	}
}
