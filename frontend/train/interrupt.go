package train

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/mlc-go/mlc/ir/tensor"
)

// Interrupted is the error of a Fit whose context ended. It unwraps to the
// context's error.
type Interrupted struct {
	Epoch       int    // complete epochs
	Step, Steps int    // complete steps of the next one, and how many it has
	Kept        string // the checkpoint that holds all of this; "": nothing does
	Err         error  // of the context
}

// Error says where the run was.
func (e *Interrupted) Error() string {
	if e.Step == 0 {
		return fmt.Sprintf("interrupted after epoch %d: %v", e.Epoch, e.Err)
	}
	return fmt.Sprintf("interrupted in epoch %d after step %d of %d: %v", e.Epoch+1, e.Step, e.Steps, e.Err)
}

// Unwrap gives the context's error.
func (e *Interrupted) Unwrap() error { return e.Err }

// interrupted writes a last checkpoint where err is that of the context, and
// says what it holds. A checkpoint of another run stays as it is: who forgot
// Resume and stops at once must not lose it.
func (f *fit) interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	e := &Interrupted{Epoch: f.Epoch, Step: f.Step, Steps: f.loader.Steps(), Err: err}
	if f.c.Checkpoint == "" || f.Epoch+f.Step == 0 {
		return e
	}
	if _, err := os.Stat(f.c.Checkpoint); err == nil && !f.owned {
		return e
	}
	if f.torn { // the step that was cut off has not been
		for name, t := range f.last[0].states {
			if err := f.x.SetState(name, tensor.V(t)); err != nil {
				return err
			}
		}
	}
	if err := f.save(); err != nil {
		return err
	}
	e.Kept = f.c.Checkpoint
	return e
}
