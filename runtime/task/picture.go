package task

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"math"

	"github.com/mlc-go/mlc/ir/diag"
)

// MaxPixels bounds a picture, and what it is brought to: decoded, a pixel takes up
// to 8 bytes (PNG of 16 bits), or 15 to 24 in the making (progressive JPEG of three or
// four colours).
const MaxPixels = 1 << 26

const (
	magicPNG  = "\x89PNG\r\n\x1a\n"
	magicJPEG = "\xff\xd8\xff"
)

// IsPicture says whether b, of which the first 8 bytes will do, begins as what
// Decode reads.
func IsPicture(b []byte) bool {
	return bytes.HasPrefix(b, []byte(magicPNG)) || bytes.HasPrefix(b, []byte(magicJPEG))
}

// Decode reads a PNG or JPEG picture of at most 2^26 pixels. An orientation in
// EXIF data is not looked at. Errors: no picture, or a damaged one (BadData); more
// pixels (Limit).
func Decode(b []byte) (image.Image, error) {
	return DecodeContext(context.Background(), b, MaxPixels)
}

// DecodeContext is Decode with a limit of pixels, at most that of Decode, and an
// end: a JPEG of few bytes may have many passes over all its pixels. When ctx ends
// it stops before the next of them, with an error that wraps ctx.Err().
func DecodeContext(ctx context.Context, b []byte, pixels int) (image.Image, error) {
	pixels = min(pixels, MaxPixels)
	config, decode := png.DecodeConfig, png.Decode
	switch {
	case bytes.HasPrefix(b, []byte(magicJPEG)):
		config, decode = jpeg.DecodeConfig, func(r io.Reader) (image.Image, error) { return jpeg.Decode(r) }
	case !IsPicture(b):
		return nil, diag.New(diag.BadData, "is no picture: want PNG or JPEG")
	}
	r := &pacedReader{ctx, bytes.NewReader(b)}
	c, err := config(r)
	if err == nil {
		if c.Width < 1 || c.Height < 1 {
			return nil, diag.New(diag.BadData, "the picture has %d x %d pixels, want at least 1", c.Width, c.Height)
		}
		if c.Width > pixels/c.Height {
			return nil, diag.New(diag.Limit, "the picture has %d x %d pixels, want at most %d of them", c.Width, c.Height, pixels)
		}
		var p image.Image
		r.r.Reset(b)
		if p, err = decode(r); err == nil {
			return p, nil
		}
	}
	if e := ctx.Err(); e != nil && errors.Is(err, e) {
		return nil, fmt.Errorf("the picture: %w", err)
	}
	return nil, diag.New(diag.BadData, "the picture is damaged: %v", err)
}

// pacedReader looks at ctx every few bytes, of which a decoder can make much work.
type pacedReader struct {
	ctx context.Context
	r   *bytes.Reader
}

func (p *pacedReader) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b[:min(len(b), 256)])
}

// placing says which part of a picture goes to which part of the input; both
// count from 0.
type placing struct{ from, to image.Rectangle }

// place fits a picture of w × h pixels into an input of W × H.
func place(fit string, w, h, W, H int) placing {
	p := placing{image.Rect(0, 0, w, h), image.Rect(0, 0, W, H)}
	switch fit {
	case "letterbox":
		r := min(float64(W)/float64(w), float64(H)/float64(h))
		nw, nh := part(float64(float64(w)*r), W), part(float64(float64(h)*r), H)
		p.to = image.Rect(0, 0, nw, nh).Add(image.Pt((W-nw)/2, (H-nh)/2))
	case "crop":
		cw, ch := w, h
		if int64(w)*int64(H) > int64(h)*int64(W) {
			cw = part(float64(h)*float64(W)/float64(H), w)
		} else {
			ch = part(float64(w)*float64(H)/float64(W), h)
		}
		p.from = image.Rect(0, 0, cw, ch).Add(image.Pt((w-cw)/2, (h-ch)/2))
	}
	return p
}

// part is v as a whole number of pixels, of which there are at most most.
func part(v float64, most int) int { return max(1, min(most, int(math.Floor(v+0.5)))) }

// back takes a point of the input to the picture.
func (p placing) back(x, y float64) (float64, float64) {
	x = (x-float64(p.to.Min.X))*float64(p.from.Dx())/float64(p.to.Dx()) + float64(p.from.Min.X)
	y = (y-float64(p.to.Min.Y))*float64(p.from.Dy())/float64(p.to.Dy()) + float64(p.from.Min.Y)
	return x, y
}

// rows reads the part r of a picture (counted from its own corner) row by row,
// interleaved, in 1 channel (gray) or 3 (rgb). Two rows of neighbouring numbers
// are valid at a time.
func rows(p image.Image, r image.Rectangle, channels int) func(y int) []uint8 {
	at, line := r.Min.Add(p.Bounds().Min), image.Rect(0, 0, r.Dx(), 1)
	gray := [2]*image.Gray{}
	rgb := [2]*image.RGBA{}
	for k := range 2 {
		if channels == 1 {
			gray[k] = image.NewGray(line)
		} else {
			rgb[k] = image.NewRGBA(line)
		}
	}
	kept, have := [2][]uint8{}, [2]int{-1, -1}
	return func(y int) []uint8 {
		k := y & 1
		switch from := at.Add(image.Pt(0, y)); {
		case have[k] == y:
		case channels == 1:
			draw.Draw(gray[k], line, p, from, draw.Src)
			kept[k] = gray[k].Pix
		default:
			draw.Draw(rgb[k], line, p, from, draw.Src)
			kept[k] = dropAlpha(kept[k][:0], rgb[k].Pix)
		}
		have[k] = y
		return kept[k]
	}
}

func dropAlpha(to, pix []uint8) []uint8 {
	for i := 0; i < len(pix); i += 4 {
		to = append(to, pix[i], pix[i+1], pix[i+2])
	}
	return to
}

// tap is a place between two neighbours.
type tap struct {
	lo, hi int
	part   float64 // of hi
}

// taps says where each of n output places looks along an axis of m.
func taps(m, n int) []tap {
	out := make([]tap, n)
	for i := range out {
		x := (float64(i)+0.5)*float64(m)/float64(n) - 0.5
		x = max(0, min(float64(m-1), x))
		lo := int(x)
		out[i] = tap{lo, min(lo+1, m-1), x - float64(lo)}
	}
	return out
}

// resize scales interleaved channels from w × h to W × H.
func resize(row func(y int) []uint8, channels, w, h, W, H int) []uint8 {
	xs, ys := taps(w, W), taps(h, H)
	out := make([]uint8, 0, W*H*channels)
	for _, y := range ys {
		top, low := row(y.lo), row(y.hi)
		for _, x := range xs {
			l, r := x.lo*channels, x.hi*channels
			for c := range channels {
				a := mix(top[l+c], top[r+c], x.part)
				b := mix(low[l+c], low[r+c], x.part)
				out = append(out, uint8(a+float64((b-a)*y.part)+0.5))
			}
		}
	}
	return out
}

func mix(a, b uint8, part float64) float64 {
	return float64(a) + float64((float64(b)-float64(a))*part)
}
