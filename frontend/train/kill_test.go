package train_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir/dtype"
)

// childFlag makes TestKilled the process that is killed: it trains with this
// checkpoint file.
var childFlag = flag.String("train-child", "", "checkpoint file of a run that is killed")

// A process killed at any moment leaves a checkpoint from which the run ends
// with the same bits.
func TestKilled(t *testing.T) {
	set, m := blobs(t, 120, 9, 12, dtype.F32), cnn(t, dtype.F32)
	c := train.Config{Optimizer: train.Adam, Batch: 8, Epochs: 40, Seed: 5, Every: 2, Resume: true}
	if *childFlag != "" {
		c.Checkpoint = *childFlag
		fit(t, cpu(2), m, set, nil, c)
		return
	}
	whole := c
	whole.Resume = false
	want := weights(t, fit(t, cpu(1), m, set, nil, whole).Model)
	dir := t.TempDir()
	c.Checkpoint = filepath.Join(dir, "run.ckpt")
	killed := 0
	for i := range 6 {
		child := exec.Command(os.Args[0], "-test.run=^TestKilled$", "-train-child="+c.Checkpoint)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		for range 1000 { // until it has written something, then a little longer
			if _, err := os.Stat(c.Checkpoint); err == nil {
				break
			}
			time.Sleep(2 * time.Millisecond)
		}
		time.Sleep(time.Duration(13+37*i) * time.Millisecond)
		if child.Process.Kill() == nil {
			killed++
		}
		child.Wait()
	}
	have := fit(t, cpu(1), m, set, nil, c)
	if !have.Resumed || killed == 0 {
		t.Errorf("resumed %v after %d kills", have.Resumed, killed)
	}
	if weights(t, have.Model) != want {
		t.Error("other weights than those of a run that was not killed")
	}
	t.Logf("%d kills", killed)
}
