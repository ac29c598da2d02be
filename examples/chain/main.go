// Command chain is the whole way of a model in one program over the public API:
// pictures in idx files, a teacher, a distilled student, fewer channels, 8-bit
// weights; then ONNX, TensorFlow Lite, an executable for arm64, a Go package and a
// server; and a page that compares them.
//
//	go run ./examples/chain -data DIR -out OUT      # learn, write, serve, measure
//	python3 examples/chain/check.py MLC DIR OUT     # run each file where it belongs
//	go run ./examples/chain -data DIR -out OUT -measure -page docs/chain.html
//
// chain.sh does the first line's learning, writing and serving over the command
// line; the models are the same to the byte, and -ask is its client. With -measure the files in OUT are measured
// as they are, whoever made them, and the page has what check.py found.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/frontend/data"
)

// chain is one run.
type chain struct {
	out              string
	teacher, student string // nets by name
	epochs           [4]int // of teacher, student, pruned and int8 net
	train, test      data.Dataset
}

// steps are the nets in the order in which one is made of another.
var steps = []string{"teacher", "student", "pruned", "int8"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "chain:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	c := &chain{}
	f := flag.NewFlagSet("chain", flag.ContinueOnError)
	dir := f.String("data", "", "folder of the four idx files of MNIST or Fashion-MNIST")
	f.StringVar(&c.out, "out", "", "folder to write to")
	f.StringVar(&c.teacher, "teacher", "resnet8:32,64,stem=1,pool=2,stride=2", "net that teaches")
	f.StringVar(&c.student, "student", "resnet8:16,32,stem=1,pool=2,stride=2", "net that learns from it")
	epochs := f.String("epochs", "2 2 3 2", "epochs of teacher, student, pruned and int8 net")
	measure := f.Bool("measure", false, "measure what is in the folder, make nothing")
	ask := f.String("ask", "", "send the test pictures to the `mlc serve` at this URL, make nothing")
	page := f.String("page", "", "write the page here (default: chain.html in the folder)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *dir == "" || c.out == "" || f.NArg() > 0 {
		return fmt.Errorf("want -data DIR and -out OUT, and no more arguments")
	}
	if *page == "" {
		*page = filepath.Join(c.out, "chain.html")
	}
	words := strings.Fields(*epochs)
	if len(words) != len(c.epochs) {
		return fmt.Errorf("-epochs %q: want %d numbers", *epochs, len(c.epochs))
	}
	for i, w := range words {
		n, err := strconv.Atoi(w)
		if err != nil || n < 1 {
			return fmt.Errorf("-epochs %q: want numbers of at least 1", *epochs)
		}
		c.epochs[i] = n
	}
	if err := c.open(*dir); err != nil {
		return err
	}
	if *ask != "" {
		return c.ask(ctx, *ask)
	}
	if !*measure {
		if _, err := module(ctx); err != nil { // before minutes of training
			return err
		}
		if err := c.learn(ctx); err != nil {
			return err
		}
		if err := c.ship(ctx); err != nil {
			return err
		}
		if err := c.serve(ctx); err != nil {
			return err
		}
	}
	r, err := c.measure(ctx)
	if err != nil {
		return err
	}
	return r.write(*page)
}

// open reads the pictures.
func (c *chain) open(dir string) (err error) {
	idx := func(part string) string {
		base := filepath.Join(dir, part)
		return "idx:" + base + "-images-idx3-ubyte.gz," + base + "-labels-idx1-ubyte.gz"
	}
	if c.train, err = data.Open(idx("train"), data.Options{}); err != nil {
		return err
	}
	c.test, err = data.Open(idx("t10k"), data.Options{})
	return err
}

func (c *chain) path(name string) string { return filepath.Join(c.out, name) }
