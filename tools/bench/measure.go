package bench

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
)

// Subject is one thing under measurement.
type Subject struct {
	Name string

	// Run does the work once. worker counts from 0 to Schedule.Workers-1: runs
	// of different workers happen at the same time.
	Run func(ctx context.Context, worker int) error

	// Renew, where not nil, puts the subject's memory at other addresses. It is
	// called between blocks, untimed, and followed by one untimed run.
	Renew func(ctx context.Context) error
}

// Schedule says how long and in which order subjects are measured.
type Schedule struct {
	Warmup   time.Duration // of each subject, untimed
	Duration time.Duration // timed, of each subject
	Runs     int           // timed runs of each subject and worker instead of Duration; 0: Duration counts
	Blocks   int           // parts that the time is split into; 0: DefaultBlocks
	Workers  int           // runs of one subject at the same time; 0: 1
	CPU      bool          // a run happens on the thread that asks for it: compare CPU time, if the system tells it
	Seed     uint64        // of the order within rounds

	// Done, where not nil, is told between blocks how many have been measured.
	Done func(blocks, of int)
}

// DefaultBlocks is how many blocks a Schedule has that does not say.
const DefaultBlocks = 20

// turnTime is how long a subject runs before the next one's turn: short beside
// the bursts of a shared machine, so that these meet all subjects alike, and
// long beside what refilling the caches takes.
const turnTime = 2 * time.Millisecond

// lumpTime is the least time between looks at the CPU clock, which cost a
// fraction of a microsecond.
const lumpTime = 200 * time.Microsecond

// shortRun is below what the CPU clock would tell more of itself than of a run;
// runs that short are seldom interrupted.
const shortRun = 50 * time.Microsecond

// Turn is a stretch of runs of one subject, without another's in between.
type Turn struct {
	Times []float64 // of each run, in ms; of several workers in no order
	CPU   []float64 // CPU time of each run, or average of each few short ones, in ms; nil where it doesn't count
	Wall  float64   // of the whole turn, in ms
}

// Block is what one subject did in one block; the turns of all subjects in the
// block's rounds correspond.
type Block []Turn

// Series is what one subject did.
type Series []Block

// Measure runs all subjects by turns. A round gives every subject one turn, in
// a random order; the next round goes through it backwards (ABBA), so that
// what drifts linearly cancels within two rounds. An even number of rounds
// makes a block.
func Measure(ctx context.Context, subjects []Subject, s Schedule) ([]Series, error) {
	m, err := newMeter(ctx, subjects, s)
	if err != nil {
		return nil, err
	}
	if m.CPU { // the clock is the thread's
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	rng := rand.New(rand.NewPCG(s.Seed, 0x6d6c63))
	for b := range m.Blocks {
		if b > 0 {
			if err := m.renew(rng); err != nil {
				return nil, err
			}
		}
		if err := m.block(b, rng); err != nil {
			return nil, err
		}
		if m.Done != nil {
			m.Done(b+1, m.Blocks)
		}
	}
	return m.out, nil
}

// meter is a measurement under way.
type meter struct {
	Schedule
	ctx      context.Context
	subjects []Subject
	runs     int // of a worker in a turn, for all subjects alike: the fastest of few is slower than that of many
	lump     int // runs between two looks at the CPU clock
	out      []Series
}

func newMeter(ctx context.Context, subjects []Subject, s Schedule) (*meter, error) {
	if s.Blocks == 0 {
		s.Blocks = DefaultBlocks
	}
	s.Workers = max(1, s.Workers)
	switch {
	case len(subjects) == 0:
		return nil, diag.New(diag.Usage, "nothing to measure")
	case s.Blocks < 1 || s.Runs < 0 || s.Runs == 0 && s.Duration <= 0:
		return nil, diag.New(diag.Usage, "a schedule wants blocks and a duration or a number of runs, has %d, %v, %d", s.Blocks, s.Duration, s.Runs)
	case s.Runs > 0:
		s.Blocks = min(s.Blocks, s.Runs)
	}
	if _, ok := cpuTime(); !ok || s.Workers > 1 {
		s.CPU = false
	}
	m := &meter{Schedule: s, ctx: ctx, subjects: subjects, out: make([]Series, len(subjects))}
	slowest, fastest := time.Duration(1), time.Duration(1<<62)
	for i := range subjects {
		t, err := m.warm(i)
		if err != nil {
			return nil, err
		}
		slowest, fastest = max(slowest, t), min(fastest, t)
		m.out[i] = make(Series, s.Blocks)
	}
	m.runs = int(max(1, min(1<<16, turnTime/slowest)))
	m.lump = int(max(1, lumpTime/slowest))
	m.CPU = m.CPU && fastest >= shortRun
	return m, nil
}

// warm runs subject i untimed and gives the time of its fastest run.
func (m *meter) warm(i int) (time.Duration, error) {
	best := time.Duration(1 << 62)
	for t0, n := time.Now(), 0; n < 1 || time.Since(t0) < m.Warmup; n++ {
		t := time.Now()
		if err := m.subjects[i].Run(m.ctx, 0); err != nil {
			return 0, err
		}
		best = min(best, time.Since(t))
	}
	return best, m.ctx.Err()
}

func (m *meter) renew(rng *rand.Rand) error {
	for _, i := range rng.Perm(len(m.subjects)) {
		s := &m.subjects[i]
		if s.Renew == nil {
			continue
		}
		if err := s.Renew(m.ctx); err != nil {
			return err
		}
		for w := range m.Workers {
			if err := s.Run(m.ctx, w); err != nil {
				return err
			}
		}
	}
	return nil
}

// block does rounds until each subject has its share of the time or of the
// runs; pairs of rounds are never parted.
func (m *meter) block(b int, rng *rand.Rand) error {
	if m.Runs > 0 {
		return m.counted(b, (m.Runs+m.Blocks-1-b)/m.Blocks, rng)
	}
	share := m.Duration * time.Duration(len(m.subjects)) / time.Duration(m.Blocks)
	for t0 := time.Now(); len(m.out[0][b]) == 0 || time.Since(t0) < share; {
		order := rng.Perm(len(m.subjects))
		for _, pass := range [2]int{1, -1} {
			if err := m.round(b, order, pass, m.runs); err != nil {
				return err
			}
		}
	}
	return nil
}

// counted does n runs of each subject, in turns as long as elsewhere.
func (m *meter) counted(b, n int, rng *rand.Rand) error {
	rounds := (n + m.runs - 1) / m.runs
	var order []int
	for round := range rounds {
		pass := -1
		if round%2 == 0 {
			order, pass = rng.Perm(len(m.subjects)), 1
		}
		if err := m.round(b, order, pass, (n+rounds-1-round)/rounds); err != nil {
			return err
		}
	}
	return nil
}

// round gives every subject a turn, in the given order or backwards.
func (m *meter) round(b int, order []int, pass, runs int) error {
	for k := range order {
		if pass < 0 {
			k = len(order) - 1 - k
		}
		i := order[k]
		t, err := m.turn(i, runs)
		if err != nil {
			return err
		}
		m.out[i][b] = append(m.out[i][b], t)
	}
	return nil
}

// turn times n runs of every worker of subject i.
func (m *meter) turn(i, n int) (Turn, error) {
	s := &m.subjects[i]
	times := make([]float64, n*m.Workers)
	if m.Workers == 1 {
		t0 := time.Now()
		var cpu []float64
		var err error
		if m.CPU {
			cpu, err = m.onCPU(s, times, m.lump)
		} else {
			err = m.timed(s, 0, times)
		}
		return Turn{times, cpu, ms(time.Since(t0))}, err
	}
	errs := make([]error, m.Workers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for w := range m.Workers {
		wg.Go(func() {
			<-start
			errs[w] = m.timed(s, w, times[w*n:(w+1)*n])
		})
	}
	t0 := time.Now()
	close(start)
	wg.Wait()
	wall := ms(time.Since(t0))
	for _, err := range errs {
		if err != nil {
			return Turn{}, err
		}
	}
	return Turn{times, nil, wall}, nil
}

// onCPU is timed by both clocks, in lumps of so many runs.
func (m *meter) onCPU(s *Subject, times []float64, lump int) ([]float64, error) {
	var cpu []float64
	for k := 0; k < len(times); k += lump {
		part := times[k:min(k+lump, len(times))]
		c0, _ := cpuTime()
		if err := m.timed(s, 0, part); err != nil {
			return nil, err
		}
		c1, _ := cpuTime()
		cpu = append(cpu, ms(c1-c0)/float64(len(part)))
	}
	return cpu, nil
}

func (m *meter) timed(s *Subject, worker int, times []float64) error {
	for k := range times {
		t := time.Now()
		if err := s.Run(m.ctx, worker); err != nil {
			return err
		}
		times[k] = ms(time.Since(t))
	}
	return m.ctx.Err()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
