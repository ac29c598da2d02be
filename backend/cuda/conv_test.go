package cuda

import "testing"

func TestConv(t *testing.T) {
	const text = `func main(%x: f32[$A], %r: f32[$E]) -> (%y: f32[$C]) {
	%w = const f32[$B] random(seed=1)
	%b = const f32[$F] random(seed=2)
	%c = Conv %x, %w, %b {$D} : f32[$C]
	%s = Relu %c : f32[$C]
	%y = Add %s, %r : f32[$C]
	return %y
}`
	for _, tl := range everyTiling() {
		for _, c := range [][6]string{ // x, w, y, attributes, residual, filters
			{"1,1,1,1", "1,1,1,1", "1,1,1,1", "group=1", "1", "1"},
			{"2,3,9,7", "5,3,3,3", "2,5,9,7", "pads=[1,1,1,1]", "2,5,9,7", "5"},
			{"2,4,8,8", "17,4,1,1", "2,17,8,8", "group=1", "2,17,8,8", "17"},
			{"1,4,7,5", "6,4,1,1", "1,6,4,3", "strides=[2,2]", "6,1,1", "6"},
			{"1,4,9,8", "6,2,3,2", "1,6,4,5", "group=2, strides=[2,2], dilations=[1,3], pads=[0,2,1,3]", "1,1,4,5", "6"},
			{"2,6,11", "9,2,4", "2,9,6", "group=3, strides=[2], pads=[2,1]", "2,9,6", "9"},
			{"1,3,8,8", "4,3,3,3", "1,4,4,4", `strides=[2,2], auto_pad="SAME_UPPER"`, "4,4", "4"},
			{"1,3,8,8", "4,3,3,3", "1,4,4,4", `strides=[2,2], auto_pad="SAME_LOWER"`, "1,4,1,1", "4"},
			{"1,40,5,5", "4,40,3,3", "1,4,5,5", "pads=[1,1,1,1]", "1", "4"},
			{"1,2,3,3", "130,2,3,3", "1,130,1,1", "group=1", "130,1,1", "130"},
			{"0,2,3,3", "4,2,3,3", "0,4,1,1", "group=1", "1", "4"},
			{"N,3,7,7", "5,3,3,3", "N,5,5,5", "group=1", "N,5,5,5", "5"},
			{"1,3,N,7", "5,3,3,3", "1,5,N,7", `auto_pad="SAME_UPPER"`, "5,1,1", "5"},
			{"2,3,N", "5,3,5", "2,5,((N+1)/2)", `strides=[2], auto_pad="SAME_LOWER"`, "2,5,((N+1)/2)", "5"},
			{"2,3,N", "5,3,4", "2,5,((N+2)/3)", `strides=[3], auto_pad="SAME_UPPER"`, "1", "5"},
		} {
			try(t, "dim N 1..100\n"+mir(text, c[0], c[1], c[2], c[3], c[4], c[5]), tl, 1, 2, 8)
		}
	}
}

func TestConvTranspose(t *testing.T) {
	const text = `func main(%x: f32[$A]) -> (%y: f32[$C]) {
	%w = const f32[$B] random(seed=1)
	%b = const f32[$E] random(seed=2)
	%c = ConvTranspose %x, %w, %b {$D} : f32[$C]
	%y = Tanh %c : f32[$C]
	return %y
}`
	for _, tl := range everyTiling() {
		for _, c := range [][5]string{ // x, w, y, attributes, filters
			{"1,1,1,1", "1,1,1,1", "1,1,1,1", "group=1", "1"},
			{"2,3,4,5", "3,4,3,3", "2,4,9,11", "strides=[2,2]", "4"},
			{"2,4,4,5", "4,3,3,2", "2,6,8,13", "group=2, strides=[2,3], pads=[1,0,1,1], output_padding=[1,0]", "6"},
			{"1,3,5", "3,2,4", "1,2,13", "strides=[2], dilations=[2], pads=[1,1], output_padding=[0]", "2"},
			{"1,3,4,4", "3,2,3,3", "1,2,8,8", `strides=[2,2], auto_pad="SAME_UPPER"`, "2"},
			{"1,3,4,4", "3,2,3,3", "1,2,8,8", `strides=[2,2], auto_pad="SAME_LOWER"`, "2"},
			{"1,3,4,4", "3,2,3,3", "1,2,10,8", "strides=[2,2], output_shape=[10,8]", "2"},
			{"N,3,4,4", "3,2,2,2", "N,2,8,8", "strides=[2,2]", "2"},
			{"1,3,N", "3,2,2", "1,2,(2*N)", "strides=[2]", "2"},
		} {
			try(t, "dim N 1..100\n"+mir(text, c[0], c[1], c[2], c[3], c[4]), tl, 1, 3)
		}
	}
}

func TestConvOpen(t *testing.T) {
	const text = `func main(%x: f32[2,4,9], %w: f32[6,2,3], %b: f32[6]) -> (%y: f32[2,6,9]) {
	%c = Conv %x, %w, %b {group=2, pads=[1,1]} : f32[2,6,9]
	%y = Sigmoid %c : f32[2,6,9]
	return %y
}`
	for _, tl := range everyTiling() {
		try(t, text, tl, 0)
	}
}

func TestDepthwise(t *testing.T) {
	const text = `func main(%x: f32[$A], %r: f32[$E]) -> (%y: f32[$C]) {
	%w = const f32[$B] random(seed=1)
	%b = const f32[$F] random(seed=2)
	%c = Conv %x, %w, %b {$D} : f32[$C]
	%lo = const f32[] [0]
	%hi = const f32[] [6]
	%s = Clip %c, %lo, %hi : f32[$C]
	%y = Mul %s, %r : f32[$C]
	return %y
}`
	for _, c := range [][6]string{ // x, w, y, attributes, factor, filters
		{"1,2,1,1", "2,1,1,1", "1,2,1,1", "group=2", "1", "2"},
		{"2,3,9,7", "3,1,3,3", "2,3,9,7", "group=3, pads=[1,1,1,1]", "2,3,9,7", "3"},
		{"2,3,9,7", "6,1,3,3", "2,6,5,4", "group=3, strides=[2,2], pads=[1,1,1,1]", "6,1,1", "6"},
		{"1,3,16,12", "3,1,5,2", "1,3,14,10", "group=3, dilations=[2,3], pads=[3,0,3,1]", "14,1", "3"},
		{"1,2,20,20", "2,1,9,9", "1,2,12,12", "group=2", "12,12", "2"},
		{"1,4,8,8", "4,1,3,3", "1,4,4,4", `group=4, strides=[2,2], auto_pad="SAME_UPPER"`, "1", "4"},
		{"0,4,8,8", "4,1,3,3", "0,4,6,6", "group=4", "1", "4"},
		{"N,4,8,8", "4,1,3,3", "N,4,6,6", "group=4", "N,4,6,6", "4"},
		{"1,4,N,9", "4,1,3,3", "1,4,N,9", `group=4, auto_pad="SAME_LOWER"`, "1,4,N,9", "4"},
	} {
		body := mir(text, c[0], c[1], c[2], c[3], c[4], c[5])
		try(t, "dim N 1..100\n"+body, nil, 1, 3)
	}
}
