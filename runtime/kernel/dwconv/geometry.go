package dwconv

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// Budgets that choose strips and tasks by the extents alone.
const (
	stripFloats = 12 << 10 // padded image of a strip, to stay in the caches beside its output
	blockFloats = 2 << 10  // sums of narrow rows before they are packed
	wideRow     = 64       // rows from here on are written where they belong
	grain       = 1 << 16  // multiply-adds that are worth a task
)

// geometry is a depthwise convolution, its axes numbered 0 for y and 1 for x.
type geometry struct {
	n, c, m              int // images, channels, filters; m is a multiple of c
	in, out              [2]int
	k, stride, dil, pads [2]int // pads at the beginnings; those at the ends only decided out
	taps                 int

	// The padded image: planes of phases (py, px), each of rows x width
	// elements; element (qy, qx) of a plane is padded position
	// (qy*stride+py, qx*stride+px).
	phases [][2]int
	rows   int // of a strip's plane
	width  int
	reach  int // rows of a plane that an output row needs beyond its own
	off    []int

	strip, strips int // output rows a strip, strips a channel
	group, tasks  int // strips a task
}

// newGeometry reads the attributes of Conv and the extents of X, W and Y.
func newGeometry(a attr.Map, x, w, y []int) (*geometry, error) {
	if len(x) != 4 || len(w) != 4 || len(y) != 4 {
		return nil, diag.New(diag.Internal, "dwconv: have ranks %d, %d, %d, want 4", len(x), len(w), len(y))
	}
	g := &geometry{n: x[0], c: x[1], m: w[0], in: [2]int{x[2], x[3]}, out: [2]int{y[2], y[3]}, k: [2]int{w[2], w[3]}}
	group := 1
	if a.Has("group") {
		group = a.Int("group")
	}
	if group != g.c || w[1] != 1 || g.c == 0 || g.m%g.c != 0 || y[0] != g.n || y[1] != g.m {
		return nil, diag.New(diag.Shape, "dwconv: X %v, W %v, Y %v of %d groups are no depthwise convolution", x, w, y, group)
	}
	for i := range 2 {
		v, err := kernel.WindowOf(a, i, 2, g.in[i], int64(g.k[i]))
		if err != nil {
			return nil, err
		}
		if have, want := g.out[i], v.Out(); have != want {
			return nil, &diag.Error{Kind: diag.Shape, Port: fmt.Sprintf("dwconv output, spatial axis %d", i), Have: fmt.Sprint(have), Want: fmt.Sprint(want)}
		}
		g.stride[i], g.dil[i], g.pads[i] = v.Stride, v.Dil, v.Pad
	}
	g.taps = g.k[0] * g.k[1]
	if g.n*g.m*g.out[0]*g.out[1] == 0 { // no task
		return g, nil
	}
	g.layOut()
	if dims := []int{len(g.phases), g.rows, g.width}; !fits(dims) {
		return nil, &diag.Error{Kind: diag.Limit, Port: "dwconv: elements of the padded input of a strip", Have: fmt.Sprint(dims), Want: "less than 2^29"}
	}
	return g, nil
}

// fits bounds the scratch of a worker.
func fits(dims []int) bool {
	n, ok := tensor.Count(dims)
	return ok && n < 1<<29
}

// layOut decides the padded image and the split into strips and tasks.
func (g *geometry) layOut() {
	g.reach = (g.k[0] - 1) * g.dil[0] / g.stride[0]
	g.width = g.out[1] + (g.k[1]-1)*g.dil[1]/g.stride[1]
	plane := map[[2]int]int{}
	for ky := range g.k[0] {
		for kx := range g.k[1] {
			p := [2]int{ky * g.dil[0] % g.stride[0], kx * g.dil[1] % g.stride[1]}
			if _, ok := plane[p]; !ok {
				plane[p] = len(g.phases)
				g.phases = append(g.phases, p)
			}
		}
	}
	row := max(1, g.width*len(g.phases))
	g.strip = max(1, min(g.out[0], max(8, stripFloats/row-g.reach)))
	g.strips = (g.out[0] + g.strip - 1) / g.strip
	g.rows = g.strip + g.reach
	for ky := range g.k[0] {
		for kx := range g.k[1] {
			y, x := ky*g.dil[0], kx*g.dil[1]
			p := plane[[2]int{y % g.stride[0], x % g.stride[1]}]
			g.off = append(g.off, 4*((p*g.rows+y/g.stride[0])*g.width+x/g.stride[1]))
		}
	}
	units := g.n * g.m * g.strips
	if g.out[1] == 0 {
		units = 0
	}
	g.group = max(1, grain/max(1, g.strip*g.out[1]*g.taps))
	g.tasks = (units + g.group - 1) / g.group
}

// scratch is what a worker needs: the padded image and the sums of a block, in
// float32.
func (g *geometry) scratch() (image, block int) {
	image = kernel.WholeFloats(len(g.phases) * g.rows * g.width)
	if g.out[1] < wideRow {
		block = kernel.WholeFloats(g.blockRows() * g.width)
	}
	return image, block
}

func (g *geometry) blockRows() int { return min(g.strip, max(1, blockFloats/max(1, g.width))) }
