package layout

import "math"

// network is a flow network whose minimum cut is a labelling: node 0 is the
// source (label 1), node 1 the sink (label 0).
type network struct {
	head []int // of each node, its newest arc
	arcs []arc
}

type arc struct {
	to, next int
	room     int64
}

const infinite = math.MaxInt64 / 4

func newNetwork() *network { return &network{head: []int{-1, -1}} }

func (g *network) node() int {
	g.head = append(g.head, -1)
	return len(g.head) - 1
}

// arc costs w where from has label 1 and to has label 0.
func (g *network) arc(from, to int, w int64) {
	if w <= 0 || from == to {
		return
	}
	g.arcs = append(g.arcs, arc{to, g.head[from], w}, arc{from, g.head[to], 0})
	g.head[from], g.head[to] = len(g.arcs)-2, len(g.arcs)-1
}

// cut gives each node its label; of several minimum cuts the one with the
// fewest ones (Dinic's algorithm).
func (g *network) cut() []bool {
	level := make([]int, len(g.head))
	at := make([]int, len(g.head))
	for g.levels(level) {
		copy(at, g.head)
		for g.push(0, infinite, level, at) > 0 {
		}
	}
	one := make([]bool, len(level))
	for i, l := range level {
		one[i] = l >= 0
	}
	return one
}

func (g *network) levels(level []int) bool {
	for i := range level {
		level[i] = -1
	}
	level[0] = 0
	queue := []int{0}
	for len(queue) > 0 {
		u := queue[0]
		queue = queue[1:]
		for e := g.head[u]; e >= 0; e = g.arcs[e].next {
			if v := g.arcs[e].to; g.arcs[e].room > 0 && level[v] < 0 {
				level[v] = level[u] + 1
				queue = append(queue, v)
			}
		}
	}
	return level[1] >= 0
}

func (g *network) push(u int, limit int64, level, at []int) int64 {
	if u == 1 {
		return limit
	}
	for ; at[u] >= 0; at[u] = g.arcs[at[u]].next {
		e := at[u]
		v := g.arcs[e].to
		if g.arcs[e].room == 0 || level[v] != level[u]+1 {
			continue
		}
		if d := g.push(v, min(limit, g.arcs[e].room), level, at); d > 0 {
			g.arcs[e].room -= d
			g.arcs[e^1].room += d
			return d
		}
	}
	return 0
}
