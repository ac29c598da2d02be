package gemm

// rows of A for one block of k: the address of element (0, k0), and the stride.
type rows struct {
	a   []float32
	lda int
}

// rowsOf returns block k0 of A from row r0 on.
func (j *Job) rowsOf(r0, k0, kc int) rows {
	if j.LdA == 0 {
		return rows{j.A[k0*j.M+r0*kc:], kc}
	}
	return rows{j.A[r0*j.LdA+k0:], j.LdA}
}

// buffers are a worker's parts of the scratch.
type buffers struct {
	edge []float32 // callRows x Panel of C
	rows []float32 // callRows x BlockK of A, or nil
	pack []float32 // panels of B, or nil
}

func (j *Job) buffers(worker int) buffers {
	s := j.scratch
	if j.shared {
		s = s[PackedB(j.K, j.N):]
	}
	n := j.perWorker()
	s = s[worker*n : (worker+1)*n]
	b := buffers{edge: s[:callRows*Panel]}
	s = s[callRows*Panel:]
	if j.copyRows() {
		b.rows, s = s[:callRows*BlockK], s[callRows*BlockK:]
	}
	if j.Pack != nil && !j.shared {
		b.pack = s
	}
	return b
}

// rect computes rows [r0, r1) of columns [c0, c1); c0 is a multiple of 16.
func (j *Job) rect(r0, r1, c0, c1, worker int) {
	if r0 >= r1 {
		return
	}
	buf := j.buffers(worker)
	for ; c0 < c1; c0 += blockCols {
		cols := min(blockCols, c1-c0)
		if j.K == 0 {
			j.empty(r0, r1, c0, cols)
		}
		for k0 := 0; k0 < j.K; k0 += BlockK {
			kc := min(BlockK, j.K-k0)
			b := j.panelsAt(k0, kc, c0, cols, buf.pack, worker)
			last := k0+kc == j.K
			for r := r0; r < r1; {
				n := j.step(r1 - r)
				j.block(r, n, k0, kc, b, c0, cols, buf)
				if last && j.Epi != nil {
					j.Epi.Apply(j.C[r*j.LdC+c0:], j.LdC, r, n, c0, cols)
				}
				r += n
			}
		}
	}
}

// step returns how many of the rows left the next calls cover: whole tiles, or
// all if they are few.
func (j *Job) step(left int) int {
	if left <= callRows {
		return left
	}
	return callRows / j.micro.MR * j.micro.MR
}

// empty is the product over no k.
func (j *Job) empty(r0, r1, c0, cols int) {
	for r := r0; r < r1; r++ {
		clear(j.C[r*j.LdC+c0 : r*j.LdC+c0+cols])
	}
	if j.Epi != nil {
		j.Epi.Apply(j.C[r0*j.LdC+c0:], j.LdC, r0, r1-r0, c0, cols)
	}
}

// panelsAt returns the panels of columns [c0, c0+cols) of a block of B.
func (j *Job) panelsAt(k0, kc, c0, cols int, pack []float32, worker int) []float32 {
	n := kc * panels(cols) * Panel
	b := j.B
	switch {
	case j.shared:
		b = j.scratch
	case j.Pack != nil:
		j.Pack.Pack(pack[:n], k0, kc, c0, cols, worker)
		return pack[:n]
	}
	off := k0*panels(j.N)*Panel + c0*kc
	return b[off : off+n]
}

// block adds one block of k to n <= callRows rows of cols columns of C.
func (j *Job) block(r, n, k0, kc int, b []float32, c0, cols int, buf buffers) {
	a := j.rowsOf(r, k0, kc)
	if buf.rows != nil {
		for i := range n {
			copy(buf.rows[i*kc:(i+1)*kc], a.a[i*a.lda:])
		}
		a = rows{buf.rows, kc}
	}
	acc := min(k0, 1)
	c := j.C[r*j.LdC+c0:]
	whole, q := cols/Panel, 0
	for ; q+j.np <= whole; q += j.np {
		j.strip(j.np, n, kc, a, b[q*kc*Panel:], c[q*Panel:], j.LdC, acc)
	}
	for ; q < whole; q++ {
		j.strip(1, n, kc, a, b[q*kc*Panel:], c[q*Panel:], j.LdC, acc)
	}
	if rest := cols % Panel; rest != 0 {
		j.strip(1, n, kc, a, b[q*kc*Panel:], buf.edge, Panel, 0)
		edge(c[q*Panel:], buf.edge, n, rest, j.LdC, acc != 0)
	}
}

// strip runs the tiles of n rows over np panels: tiles of equal height, as far
// as that goes, the higher ones first.
func (j *Job) strip(np, n, kc int, a rows, b, c []float32, ldc, acc int) {
	tiles := (n + j.micro.MR - 1) / j.micro.MR
	h, high := n/tiles, n%tiles
	ldb := kc * Panel
	if high > 0 {
		j.micro.call(h+1, np, high, kc, &a.a[0], a.lda, &b[0], ldb, &c[0], ldc, acc)
	}
	skip := high * (h + 1)
	j.micro.call(h, np, tiles-high, kc, &a.a[skip*a.lda], a.lda, &b[0], ldb, &c[skip*ldc], ldc, acc)
}

// edge moves n rows of a panel's first cols columns into C.
func edge(c, from []float32, n, cols, ldc int, acc bool) {
	for i := range n {
		dst, src := c[i*ldc:i*ldc+cols], from[i*Panel:i*Panel+cols]
		if !acc {
			copy(dst, src)
			continue
		}
		for x, v := range src {
			dst[x] += v
		}
	}
}
