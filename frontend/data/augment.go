package data

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Augment changes the pictures of a training batch at random. What happens to
// a sample depends on seed, epoch and sample alone.
type Augment struct {
	FlipX bool // mirror left and right, half of the time
	FlipY bool // mirror up and down, half of the time
	Crop  int  // shift by up to so many pixels each way; what comes in is 0
}

// augmentDoc is what ParseAugment takes.
const augmentDoc = "flip (or flip-x), flip-y, crop=PIXELS"

// ParseAugment reads a list such as "flip,crop=2"; "" is no augmentation.
func ParseAugment(spec string) (*Augment, error) {
	if spec == "" {
		return nil, nil
	}
	a := &Augment{}
	for _, s := range strings.Split(spec, ",") {
		name, val, has := strings.Cut(s, "=")
		n, err := strconv.Atoi(val)
		switch {
		case !has && (name == "flip" || name == "flip-x"):
			a.FlipX = true
		case !has && name == "flip-y":
			a.FlipY = true
		case has && name == "crop" && err == nil && n > 0:
			a.Crop = n
		default:
			return nil, diag.New(diag.Usage, "augmentation %q: unknown (have %s)", s, augmentDoc)
		}
	}
	return a, nil
}

// picture gives the layout of an image field: [h,w], [h,w,c] of uint8 or
// [c,h,w] of f32; ok false if it is none.
func picture(f Field) (planes, h, w, c int, ok bool) {
	switch {
	case f.Target || f.DType != dtype.U8 && f.DType != dtype.F32:
	case len(f.Dims) == 2:
		return 1, f.Dims[0], f.Dims[1], 1, true
	case len(f.Dims) == 3 && f.DType == dtype.U8:
		return 1, f.Dims[0], f.Dims[1], f.Dims[2], true
	case len(f.Dims) == 3:
		return f.Dims[0], f.Dims[1], f.Dims[2], 1, true
	}
	return 0, 0, 0, 0, false
}

func (a *Augment) check(d Dataset) error {
	found := false
	for _, f := range recorded(d).Fields() {
		_, h, w, _, ok := picture(f)
		if ok && (a.Crop >= h || a.Crop >= w) {
			return diag.New(diag.Usage, "augmentation crop=%d: pictures are %dx%d", a.Crop, h, w)
		}
		found = found || ok
	}
	if !found {
		return diag.New(diag.Usage, "augmentation needs pictures: no field is one")
	}
	return nil
}

func (a *Augment) apply(fields []Field, seed, epoch uint64, rows []int, batch []tensor.Tensor) {
	for i, f := range fields {
		planes, h, w, c, ok := picture(f)
		if !ok {
			continue
		}
		pixel := c * f.DType.Size()
		one := planes * h * w * pixel
		b := batch[i].Bytes()
		tmp := make([]byte, h*w*pixel)
		for k, r := range rows {
			rng := rand.New(rand.NewPCG(seed, mix(epoch)^mix(uint64(r)<<1|1)))
			fx := a.FlipX && rng.Uint64()&1 == 1
			fy := a.FlipY && rng.Uint64()&1 == 1
			dx, dy := 0, 0
			if a.Crop > 0 {
				dx = int(rng.Uint64N(uint64(2*a.Crop+1))) - a.Crop
				dy = int(rng.Uint64N(uint64(2*a.Crop+1))) - a.Crop
			}
			for p := range planes {
				plane := b[k*one+p*h*w*pixel:][:h*w*pixel]
				copy(tmp, plane)
				moveImage(plane, tmp, h, w, pixel, dx, dy, fx, fy)
			}
		}
	}
}

// moveImage writes src to dst, shifted by (dx, dy) after mirroring.
func moveImage(dst, src []byte, h, w, pixel, dx, dy int, fx, fy bool) {
	clear(dst)
	for y := range h {
		sy := y - dy
		if sy < 0 || sy >= h {
			continue
		}
		if fy {
			sy = h - 1 - sy
		}
		if !fx { // whole rows
			lo, hi := max(0, dx), min(w, w+dx)
			copy(dst[(y*w+lo)*pixel:(y*w+hi)*pixel], src[(sy*w+lo-dx)*pixel:])
			continue
		}
		for x := range w {
			sx := x - dx
			if sx < 0 || sx >= w {
				continue
			}
			sx = w - 1 - sx
			copy(dst[(y*w+x)*pixel:(y*w+x+1)*pixel], src[(sy*w+sx)*pixel:])
		}
	}
}

// String is the list that ParseAugment reads.
func (a *Augment) String() string {
	if a == nil {
		return ""
	}
	var s []string
	if a.FlipX {
		s = append(s, "flip")
	}
	if a.FlipY {
		s = append(s, "flip-y")
	}
	if a.Crop > 0 {
		s = append(s, fmt.Sprintf("crop=%d", a.Crop))
	}
	return strings.Join(s, ",")
}
