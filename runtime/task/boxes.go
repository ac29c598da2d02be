package task

import (
	"cmp"
	"slices"

	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// Class is a class with its score.
type Class struct {
	Index int
	Label string
	Score float64
}

// Box is an object: its corners in pixels of the picture, (0, 0) being the
// upper left corner of the first pixel.
type Box struct {
	Class
	X0, Y0, X1, Y1 float64
}

func (b *Box) area() float64 { return max(0, b.X1-b.X0) * max(0, b.Y1-b.Y0) }

// iou is what two boxes share, over what they cover together; 0 where they
// cover nothing.
func iou(a, b *Box) float64 {
	w := min(a.X1, b.X1) - max(a.X0, b.X0)
	h := min(a.Y1, b.Y1) - max(a.Y0, b.Y0)
	if w <= 0 || h <= 0 {
		return 0
	}
	both := float64(w * h) // no product is fused into the sum: every machine gives the same bits
	return both / (float64(a.area()) + float64(b.area()) - both)
}

// NMS drops boxes that overlap a better one of their class by more than limit
// (intersection over union): the best is kept, those too close to it go, and
// so on. Equal scores keep their order. The result is sorted by falling score;
// at most top boxes, 0: all.
func NMS(boxes []Box, limit float64, top int) []Box {
	order := slices.Clone(boxes)
	slices.SortStableFunc(order, func(a, b Box) int { return cmp.Compare(b.Score, a.Score) })
	var out []Box
	for i := range order {
		if top > 0 && len(out) == top {
			break
		}
		if !slices.ContainsFunc(out, func(k Box) bool { return k.Index == order[i].Index && iou(&k, &order[i]) > limit }) {
			out = append(out, order[i])
		}
	}
	return out
}

// corners gives x0, y0, x1, y1 of a box in one of the forms.
func corners(form string, v [4]float64) (x0, y0, x1, y1 float64) {
	switch form {
	case "yxyx":
		return v[1], v[0], v[3], v[2]
	case "xywh":
		return v[0], v[1], v[0] + v[2], v[1] + v[3]
	case "cxcywh":
		return v[0] - v[2]/2, v[1] - v[3]/2, v[0] + v[2]/2, v[1] + v[3]/2
	}
	return v[0], v[1], v[2], v[3]
}

// activate does what is still to be done to the scores of one place.
func activate(how string, v []float64) {
	switch how {
	case "sigmoid":
		for i, x := range v {
			v[i] = vecmath.Sigmoid64(x)
		}
	case "softmax":
		if len(v) == 0 {
			return
		}
		most, sum := slices.Max(v), 0.0
		for i, x := range v {
			v[i] = vecmath.Exp64(x - most)
			sum += v[i]
		}
		for i := range v {
			v[i] /= sum
		}
	}
}
