// Package pool runs the chunks of one computation on a few goroutines with as
// little ceremony as a fork and join can have.
//
// Workers spin for a bounded time between runs and then park. A run publishes
// its chunks in one atomic word from which the caller and the workers claim
// them, so what no worker has begun the caller takes back simply by claiming
// it, and a worker that lost its core delays nothing but its own chunk.
//
// It decides nothing about the work: the number of chunks is the caller's, and
// callers choose it by shape, never in a way that would change a result. It
// imports nothing of this module.
//
//	p := pool.New(2)
//	defer p.Close()
//	p.Run(8, task) // task.Do(0..7, worker)
package pool
