package task

import (
	"image"
	"testing"
)

// What a 12-megapixel JPEG costs to bring to a detector's input.
func BenchmarkResize(b *testing.B) {
	p := image.NewYCbCr(image.Rect(0, 0, 4000, 3000), image.YCbCrSubsampleRatio420)
	for b.Loop() {
		at := place("letterbox", 4000, 3000, 320, 240)
		resize(rows(p, at.from, 3), 3, 4000, 3000, at.to.Dx(), at.to.Dy())
	}
}
