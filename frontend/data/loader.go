package data

import (
	"context"
	"iter"
	"math/rand/v2"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// LoaderOptions say how batches are made.
type LoaderOptions struct {
	Batch    int      // samples a batch
	Shuffle  bool     // by seed and epoch; else in order
	Seed     uint64   // of shuffling and augmentation
	DropLast bool     // leave off the last batch where it is smaller
	Augment  *Augment // nil: none
	Prefetch int      // batches made ahead; 0: 2
}

// Loader makes batches. What batch k of epoch e holds depends on the data and
// the options alone, so that training resumes exactly anywhere.
type Loader struct {
	d Dataset
	o LoaderOptions
}

// Batch is one step's samples; valid until the next.
type Batch struct {
	Epoch, Step int
	Rows        []int           // in the data set
	Tensors     []tensor.Tensor // one per field
}

// NewLoader makes a loader. Error: the batch size is below 1, the data set is
// empty, or smaller than a batch while the last is dropped.
func NewLoader(d Dataset, o LoaderOptions) (*Loader, error) {
	switch {
	case o.Batch < 1:
		return nil, diag.New(diag.Usage, "batch of %d samples: want at least 1", o.Batch)
	case d.Len() == 0:
		return nil, diag.New(diag.BadData, "the data set is empty")
	case o.DropLast && d.Len() < o.Batch:
		return nil, diag.New(diag.Usage, "batch of %d samples: the data set has %d", o.Batch, d.Len())
	}
	if o.Augment != nil {
		if err := o.Augment.check(d); err != nil {
			return nil, err
		}
	}
	if o.Prefetch == 0 {
		o.Prefetch = 2
	}
	return &Loader{d, o}, nil
}

// Dataset is what the loader reads.
func (l *Loader) Dataset() Dataset { return l.d }

// Steps is the number of batches of an epoch.
func (l *Loader) Steps() int {
	if l.o.DropLast {
		return l.d.Len() / l.o.Batch
	}
	return (l.d.Len() + l.o.Batch - 1) / l.o.Batch
}

// Order is the samples in the order of an epoch.
func (l *Loader) Order(epoch int) []int {
	if !l.o.Shuffle {
		rows := make([]int, l.d.Len())
		for i := range rows {
			rows[i] = i
		}
		return rows
	}
	return Permutation(l.d.Len(), l.o.Seed, uint64(epoch))
}

// Load makes one batch of the samples rows, augmented as in the given epoch.
func (l *Loader) Load(epoch int, rows []int, dst []tensor.Tensor) error {
	var change func([]Field, []tensor.Tensor)
	if l.o.Augment != nil {
		change = func(fs []Field, batch []tensor.Tensor) {
			l.o.Augment.apply(fs, l.o.Seed, uint64(epoch), rows, batch)
		}
	}
	return gather(l.d, rows, dst, change)
}

// Epoch gives the batches of an epoch from step first on, made ahead by a
// goroutine that ends with the loop. A batch's tensors are overwritten by
// later ones once the loop asks for the next.
func (l *Loader) Epoch(ctx context.Context, epoch, first int) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		type made struct {
			b   Batch
			err error
		}
		ctx, cancel := context.WithCancel(ctx)
		ready, free := make(chan made), make(chan []tensor.Tensor, l.o.Prefetch+1)
		done := make(chan struct{})
		defer func() { cancel(); <-done }()
		for range l.o.Prefetch + 1 {
			free <- NewBatch(l.d, min(l.o.Batch, l.d.Len()))
		}
		go func() {
			defer close(done)
			defer close(ready)
			order := l.Order(epoch)
			for s := first; s < l.Steps(); s++ {
				var buf []tensor.Tensor
				select {
				case <-ctx.Done():
					return
				case buf = <-free:
				}
				rows := order[s*l.o.Batch : min((s+1)*l.o.Batch, len(order))]
				if len(rows) < l.o.Batch && len(rows) < l.d.Len() {
					buf = NewBatch(l.d, len(rows))
				}
				err := l.Load(epoch, rows, buf)
				select {
				case <-ctx.Done():
					return
				case ready <- made{Batch{epoch, s, rows, buf}, err}:
				}
				if err != nil {
					return
				}
			}
		}()
		for m := range ready {
			if !yield(m.b, m.err) || m.err != nil {
				return
			}
			free <- m.b.Tensors
		}
		if err := ctx.Err(); err != nil {
			yield(Batch{}, err)
		}
	}
}

// Permutation is 0..n-1 shuffled: the same for the same seed and stream on
// every machine.
func Permutation(n int, seed, stream uint64) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	rng := rand.New(rand.NewPCG(seed, mix(stream)))
	for i := n - 1; i > 0; i-- {
		j := int(rng.Uint64N(uint64(i + 1)))
		p[i], p[j] = p[j], p[i]
	}
	return p
}

// mix spreads small numbers over all bits (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
