package main

import (
	"image"
	"image/color"
	"image/draw"
	"strconv"
)

var ink, paper = image.NewUniform(color.RGBA{255, 220, 0, 255}), image.NewUniform(color.RGBA{0, 0, 0, 255})

// frame draws the four sides of r, inside.
func frame(to draw.Image, r image.Rectangle, thick int) {
	for _, side := range []image.Rectangle{
		{r.Min, image.Pt(r.Max.X, r.Min.Y+thick)},
		{image.Pt(r.Min.X, r.Max.Y-thick), r.Max},
		{r.Min, image.Pt(r.Min.X+thick, r.Max.Y)},
		{image.Pt(r.Max.X-thick, r.Min.Y), r.Max},
	} {
		draw.Draw(to, side, ink, image.Point{}, draw.Src)
	}
}

// glyphs are the digits in 3 columns and 5 rows, a row an octal digit.
var glyphs = [10]uint16{0o75557, 0o26227, 0o71747, 0o71717, 0o55711, 0o74717, 0o74757, 0o71111, 0o75757, 0o75717}

// number writes n at p, each dot a square of so many pixels.
func number(to draw.Image, p image.Point, n, size int) {
	text := strconv.Itoa(n)
	draw.Draw(to, image.Rect(0, 0, (4*len(text)+1)*size, 7*size).Add(p), paper, image.Point{}, draw.Src)
	for i, c := range text {
		for bit := range 15 {
			if glyphs[c-'0']>>(14-bit)&1 == 0 {
				continue
			}
			dot := p.Add(image.Pt((1+4*i+bit%3)*size, (1+bit/3)*size))
			draw.Draw(to, image.Rect(0, 0, size, size).Add(dot), ink, image.Point{}, draw.Src)
		}
	}
}
