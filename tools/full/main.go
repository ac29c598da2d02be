package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// stateDir holds logs and what is done; git ignores it.
const stateDir = ".full"

// result is what one job came to.
type result struct {
	Status  string  `json:"status"` // ok, failed, skipped
	Seconds float64 `json:"seconds"`
	Note    string  `json:"note,omitempty"`
	// Value is what the job measured, where it measures something.
	Value *float64 `json:"value,omitempty"`
}

// state is .full/state.json.
type state struct {
	Source string            `json:"source"` // digest of the sources that the results are of
	Jobs   map[string]result `json:"jobs"`
	// Took is how long a job took last, of whatever sources: for the estimate.
	Took map[string]float64 `json:"took"`
}

func main() {
	list := flag.Bool("list", false, "list the jobs and their state")
	match := flag.String("job", "", "only jobs whose name matches this regular expression")
	fresh := flag.Bool("fresh", false, "run jobs again that are done")
	fuzz := flag.Duration("fuzz", time.Minute, "time for each fuzz target")
	summary := flag.String("summary", "", "file for the summary of the jobs that match, - for none (default docs/full.md for a whole run)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *list, *match, *fresh, *fuzz, *summary); err != nil {
		fmt.Fprintln(os.Stderr, "full:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, list bool, match string, fresh bool, fuzz time.Duration, summary string) error {
	re, err := regexp.Compile(match)
	if err != nil {
		return err
	}
	if _, err := os.Stat("go.mod"); err != nil {
		return errors.New("run me from the root of the repository")
	}
	if err := os.MkdirAll(stateDir, 0o755); err != nil {
		return err
	}
	r := &runner{ctx: ctx, shared: sharedDir(), fuzz: fuzz}
	if r.st, err = load(); err != nil {
		return err
	}
	jobs, err := r.jobs()
	if err != nil {
		return err
	}
	if list {
		for _, j := range jobs {
			fmt.Printf("%-8s %6.0f s  %s\n", r.st.Jobs[j.name].Status, r.expect(&j), j.name)
		}
		return nil
	}
	var todo []job
	done := 0
	for _, j := range jobs {
		switch {
		case !re.MatchString(j.name):
		case fresh || r.st.Jobs[j.name].Status != "ok":
			todo = append(todo, j)
		default:
			done++
		}
	}
	failed := 0
	t0 := time.Now()
	for i := range todo {
		if err := r.one(todo, i); err != nil {
			return err
		}
		if r.st.Jobs[todo[i].name].Status == "failed" {
			failed++
		}
	}
	if summary == "" && match == "" {
		summary = "docs/full.md"
	}
	if summary != "" && summary != "-" {
		if err := writeSummary(summary, jobs, re, match, r.st); err != nil {
			return err
		}
	}
	fmt.Printf("%d jobs run in %.1f minutes, %d failed, %d were done\n", len(todo), time.Since(t0).Minutes(), failed, done)
	if failed > 0 {
		return fmt.Errorf("%d jobs failed, logs are in %s/", failed, stateDir)
	}
	return nil
}

// runner holds what jobs share.
type runner struct {
	ctx    context.Context
	shared string // "" where there is none
	fuzz   time.Duration
	st     *state
	mlc    string  // the command, built on demand
	now    *result // of the job that runs
}

// measured keeps what the running job found out, and says it in its line.
func (r *runner) measured(v float64, format string, a ...any) {
	r.now.Value, r.now.Note = &v, fmt.Sprintf(format, a...)
}

// one runs todo[i], prints a line and keeps the result.
func (r *runner) one(todo []job, i int) error {
	j := &todo[i]
	rest := 0.0
	for k := i; k < len(todo); k++ {
		rest += r.expect(&todo[k])
	}
	fmt.Printf("[%d/%d, %s left] %s ... ", i+1, len(todo), time.Duration(rest*float64(time.Second)).Round(time.Second), j.name)
	log, err := os.Create(filepath.Join(stateDir, strings.NewReplacer("/", "_", " ", "_").Replace(j.name)+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	t0 := time.Now()
	res := result{Status: "ok"}
	r.now = &res
	err = j.run(r, log)
	res.Seconds = time.Since(t0).Seconds()
	var miss missing
	switch {
	case r.ctx.Err() != nil:
		fmt.Println("interrupted")
		return errors.New("interrupted: run me again to go on")
	case errors.As(err, &miss) && os.Getenv("CI") != "true":
		res.Status, res.Note = "skipped", miss.Error()
	case err != nil:
		res.Status, res.Note = "failed", err.Error()
		fmt.Fprintln(log, err)
	}
	fmt.Printf("%s, %.1f s %s\n", res.Status, res.Seconds, firstLine(res.Note))
	r.st.Jobs[j.name] = res
	r.st.Took[j.name] = res.Seconds
	return r.st.save()
}

func firstLine(s string) string { s, _, _ = strings.Cut(s, "\n"); return s }

// expect estimates a job's seconds: what it took last, else the table's guess.
func (r *runner) expect(j *job) float64 {
	if s, ok := r.st.Took[j.name]; ok {
		return s
	}
	return j.guess
}

// missing is why a job cannot run here.
type missing string

func (m missing) Error() string { return string(m) }

// command runs a program with its output in the log; env are additions.
func (r *runner) command(log io.Writer, env []string, name string, args ...string) error {
	fmt.Fprintf(log, "$ %s %s %s\n", strings.Join(env, " "), name, strings.Join(args, " "))
	c := exec.CommandContext(r.ctx, name, args...)
	c.Env = append(os.Environ(), env...)
	c.Stdout, c.Stderr = log, log
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	return nil
}

// load reads the state; results of other sources than these are forgotten.
func load() (*state, error) {
	src, err := sources()
	if err != nil {
		return nil, err
	}
	st := &state{Jobs: map[string]result{}, Took: map[string]float64{}}
	if b, err := os.ReadFile(filepath.Join(stateDir, "state.json")); err == nil {
		if err := json.Unmarshal(b, st); err != nil {
			return nil, err
		}
	}
	if st.Source != src {
		st.Source, st.Jobs = src, map[string]result{}
	}
	return st, nil
}

func (s *state) save() error {
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	tmp := filepath.Join(stateDir, "state.json.tmp")
	if err := os.WriteFile(tmp, b, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(stateDir, "state.json"))
}

// sources is a digest of everything that results depend on.
func sources() (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(".", func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if n := d.Name(); d.IsDir() && p != "." && (strings.HasPrefix(n, ".") || n == "docs") {
			return filepath.SkipDir
		}
		if d.IsDir() || !d.Type().IsRegular() || strings.HasSuffix(p, ".md") || strings.HasSuffix(p, ".mlc") {
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%s %d\n", filepath.ToSlash(p), len(b))
		h.Write(b)
		return nil
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// sharedDir is the folder of test data, "" where there is none.
func sharedDir() string {
	dir := os.Getenv("MLC_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "shared")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	if _, err := os.Stat(filepath.Join(abs, "corpus")); err != nil {
		return ""
	}
	return abs
}
