package kernel

// Spread decides how many workers take units of work at the same time, and how
// many threads work on one unit, which is so many multiply-adds. Where several
// workers do, any of the pool's threads may come to take a unit: there are as
// many workers as threads, fewer units or not.
func Spread(units, macs, threads int) (workers, each int) {
	const little = 1 << 18
	if units > 1 && (units%threads == 0 || units >= 4*threads || macs < little) {
		return threads, 1
	}
	return 1, threads
}

// WholeBytes rounds up a number of bytes to whole cache lines, as parts of
// Call.Scratch begin at one.
func WholeBytes(n int) int { return (n + 63) &^ 63 }

// WholeFloats is WholeBytes of float32 elements.
func WholeFloats(n int) int { return (n + 15) &^ 15 }
