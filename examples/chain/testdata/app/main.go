// Command app scores the Go package that mlc wrote: which share of the labelled
// pictures of an idx file it gets right, and how long one takes.
//
//	go run . IMAGES.gz LABELS.gz
package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"time"

	"example.com/app/classifier"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: app IMAGES.gz LABELS.gz")
	}
	// After the magic number: the count and the two extents, or the count.
	images, labels := read(os.Args[1], 16), read(os.Args[2], 8)
	p, err := classifier.New()
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	right := 0
	took := make([]time.Duration, len(labels))
	for i, label := range labels {
		picture := images[i*classifier.ImageLen:][:classifier.ImageLen]
		t0 := time.Now()
		scores, err := p.Predict(picture)
		if err != nil {
			log.Fatal(err)
		}
		took[i] = time.Since(t0)
		best := 0
		for class, s := range scores {
			if s > scores[best] {
				best = class
			}
		}
		if best == int(label) {
			right++
		}
	}
	slices.Sort(took)
	fmt.Printf("{\"samples\": %d, \"top1\": %g, \"us\": %g}\n", len(labels), float64(right)/float64(len(labels)), float64(took[len(took)/2].Nanoseconds())/1e3)
}

// read unpacks a file and leaves out its header.
func read(file string, header int) []byte {
	f, err := os.Open(file)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		log.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		log.Fatal(err)
	}
	if len(b) < header {
		log.Fatalf("%s: not an idx file", file)
	}
	return b[header:]
}
