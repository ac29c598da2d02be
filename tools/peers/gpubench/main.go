// Gpubench measures compiled products on a GPU against what the card can do: the
// peak of independent multiply-adds, measured in the same process by a kernel
// written with codegen/ptx, and the time of the launches that the compiler
// makes of a product or convolution, by the device's own clock. Results are
// checked, so that nothing fast is wrong.
//
//	go run -tags cuda ./tools/peers/gpubench             text
//	go run -tags cuda ./tools/peers/gpubench -json FILE  and JSON
//
// With -sim everything runs, small, in the interpreter of PTX: that tells whether
// this program works, and nothing about speed. tools/peers/cuda.sh runs it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mlc-go/mlc/backend/cuda/ptxsim"
	"github.com/mlc-go/mlc/runtime/cuda"
	"github.com/mlc-go/mlc/runtime/exec"
)

// device is a GPU, or what stands in for one.
type device interface {
	exec.Device
	Time(ctx context.Context, q exec.Queue, f func() error) (time.Duration, error)
	Info() cuda.Info
	Close() error
}

// sim is the interpreter with a clock, which says nothing about a GPU.
type sim struct{ *ptxsim.Device }

func (sim) Info() cuda.Info {
	return cuda.Info{Name: "ptxsim (no speed of any GPU)", Capability: 80, Processors: 1}
}
func (sim) Close() error { return nil }
func (sim) Time(_ context.Context, _ exec.Queue, f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}

// result is one measurement.
type result struct {
	Name    string  `json:"name"`
	Error   string  `json:"error,omitempty"`
	Target  string  `json:"target,omitempty"`
	Micros  float64 `json:"microseconds,omitempty"`
	TFLOPS  float64 `json:"tflops,omitempty"`
	Share   float64 `json:"share_of_peak,omitempty"` // of the peak measured here
	Bar     float64 `json:"bar,omitempty"`           // that Share must reach
	Peak    bool    `json:"peak,omitempty"`
	OK      bool    `json:"ok"`
	Largest float64 `json:"largest_error,omitempty"` // of the sampled elements, relative to the largest
}

// report is the JSON.
type report struct {
	Schema  string    `json:"schema"`
	Device  cuda.Info `json:"device"`
	Results []result  `json:"results"`
}

func main() {
	file := flag.String("json", "", "write results to this `file` too")
	small := flag.Bool("sim", false, "small, in the interpreter")
	flag.Parse()
	if err := run(os.Stdout, *file, *small); err != nil {
		fmt.Fprintln(os.Stderr, "gpubench:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, file string, small bool) error {
	ctx := context.Background()
	var d device = sim{ptxsim.NewDevice(ptxsim.Checks{})}
	if !small {
		g, err := cuda.Open(cuda.Options{})
		if err != nil {
			return err
		}
		d = g
	}
	defer d.Close()
	r := measure(ctx, d, small)
	fmt.Fprintf(w, "%s, compute capability %d.%d, %d multiprocessors, clock up to %d MHz, driver of CUDA %d.%d\n", r.Device.Name, r.Device.Capability/10, r.Device.Capability%10, r.Device.Processors, r.Device.ClockKHz/1000, r.Device.Driver/1000, r.Device.Driver%1000/10)
	failed := 0
	for _, x := range r.Results {
		fmt.Fprintln(w, x)
		if !x.OK {
			failed++
		}
	}
	if file != "" {
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d measurements failed", failed, len(r.Results))
	}
	return nil
}

func (x result) String() string {
	if x.Error != "" {
		return fmt.Sprintf("FAIL %-34s %s", x.Name, x.Error)
	}
	mark := "ok  "
	if !x.OK {
		mark = "FAIL"
	}
	s := fmt.Sprintf("%s %-34s %10.1f us %8.2f TFLOP/s", mark, x.Name, x.Micros, x.TFLOPS)
	if !x.Peak {
		s += fmt.Sprintf(" %5.1f %% of the peak measured here, largest error %.1e", 100*x.Share, x.Largest)
	}
	if x.Bar > 0 {
		s += fmt.Sprintf(", want %.0f %%", 100*x.Bar)
	}
	return s
}

// measure runs all; what fails says so, and the others run.
func measure(ctx context.Context, d device, small bool) report {
	r := report{Schema: "gpubench/1", Device: d.Info()}
	peaks := map[bool]float64{}
	for _, half := range []bool{false, true} {
		x := peak(ctx, d, half, small)
		peaks[half] = x.TFLOPS
		r.Results = append(r.Results, x)
	}
	for _, c := range cases(d.Info().Capability, small) {
		x := c.measure(ctx, d, small)
		if p := peaks[c.half]; p > 0 {
			x.Share = x.TFLOPS / p
		}
		if x.Bar = c.bar; x.Bar > 0 && x.Share < x.Bar && !small {
			x.OK = false
		}
		r.Results = append(r.Results, x)
	}
	return r
}
