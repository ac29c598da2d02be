package codegen_test

import (
	"context"
	"io"
	goruntime "runtime"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/quant"
)

// watched gives the same batch again and again, and notes the largest heap
// that was alive at any call.
type watched struct {
	in   []tensor.Value
	left int
	size int
	peak uint64
}

func (w *watched) Next() ([]tensor.Value, string, error) {
	if w.left <= 0 {
		return nil, "", io.EOF
	}
	if w.left%(8*w.size) == 0 || w.left <= w.size {
		var m goruntime.MemStats
		goruntime.GC()
		goruntime.ReadMemStats(&m)
		w.peak = max(w.peak, m.HeapAlloc)
	}
	w.left -= w.size
	return w.in, "sample", nil
}

// TestCalibrationMemory: calibrating on 3,200 samples holds at most 1.1 times
// what 32 do.
func TestCalibrationMemory(t *testing.T) {
	k := loadKeywords(t)
	b := &rowSamples{&k.x, seq(16), 16}
	in, _, err := b.Next()
	if err != nil {
		t.Fatal(err)
	}
	peak := func(n int) uint64 {
		w := &watched{in: in, left: n, size: 16}
		open := func([]conform.Port) (quant.Samples, error) { return w, nil }
		q, err := codegen.Quantize(context.Background(), codegen.Bytes(k.model), codegen.QuantizeOptions{Config: quant.Config{Method: "percentile:99.99"}, Samples: open})
		if err != nil {
			t.Fatal(err)
		}
		q.Close()
		return w.peak
	}
	few, many := peak(32), peak(3200)
	t.Logf("32 samples: %d bytes alive, 3,200: %d", few, many)
	if float64(many) > 1.1*float64(few) {
		t.Errorf("3,200 samples hold %d bytes, 32 hold %d", many, few)
	}
}
