// Package bench times things against each other on machines that are not
// quiet, and says what can be said for sure.
//
// It owns the order of runs (Measure), the statistics (Compare, CompareApart,
// Summarize) and the picture (WriteSVG). It must not know models: a Subject is
// a function.
//
//	series, err := bench.Measure(ctx, []bench.Subject{{Run: a}, {Run: b}}, bench.Schedule{Duration: time.Second, CPU: true})
//	r := bench.Compare(series[1], series[0], 1)      // r.Median 1.05, r.Lo 1.04, r.Hi 1.06, r.Verdict slower
//
// # Method
//
// Subjects run by turns of some 2 ms, or one run if that takes longer. A round
// gives each subject a turn in random order, the next goes backwards: ABBA,
// the order that cancels linear drift (counterbalancing; Box, Hunter and
// Hunter, "Statistics for Experimenters", chapter 4: block what you can,
// randomize what you cannot). In a turn all subjects run equally often, because
// the fastest of few runs is slower on average than the fastest of many.
// Rounds are gathered in blocks. Between blocks memory is laid out anew, since
// an unlucky address can make one binary slower than its equal for as long as
// it lives (Mytkowicz, Diwan, Hauswirth and Sweeney 2009, "Producing wrong data
// without doing anything obviously wrong"; Curtsinger and Berger 2013,
// "Stabilizer").
//
// What a subject costs in a block is its fastest run: other work on the
// machine only ever adds time (Chen and Revels 2016, "Robust benchmarking in
// noisy environments"). Where a run is the work of one thread, its CPU time is
// taken instead of wall time, unless any is shorter than 50 µs: on a loaded
// machine a run longer than a slice of the scheduler is never left alone, and
// waiting for a CPU is not the model's doing. A thread's CPU clock is read at
// most every 0.2 ms, as it costs a system call.
//
// Within a block the ratio of costs is taken, since what slows a block slows
// all subjects. The estimate is the median of the blocks' log ratios; its 95 %
// interval is from the bootstrap's percentiles (Efron 1979, "Bootstrap methods:
// another look at the jackknife"), once by single blocks and once by pieces of
// neighbours, taken around the end (Künsch 1989, "The jackknife and the
// bootstrap for general stationary observations"; Politis and Romano 1992, "A
// circular block-resampling procedure"), and of the two intervals the hull.
// Random numbers have fixed seeds: the same times give the same interval.
//
// Two subjects differ if the interval lies beyond MinEffect on one side of 1.
// They are equal if it lies within EqualWithin; otherwise nothing is claimed.
// The tests replay recorded comparisons of a model with itself
// (testdata/bench), as they are and with a slowdown planted.
//
// Results of different times are compared by CompareApart; no order of runs can
// cancel then what the machine did in between.
package bench
