package retrain

import (
	"fmt"
	"math"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/build"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/shape"
)

// Distillation says how a student learns from a teacher: its loss is
//
//	(1-Alpha)*CE(student, label) + Alpha*T^2*KL(softmax(teacher/T) || softmax(student/T))
//
// with T the Temperature, the mean over the batch of either part (Hinton,
// Vinyals and Dean, Distilling the Knowledge in a Neural Network, 2015).
type Distillation struct {
	Temperature float64 // above 0; the larger, the more the unlikely classes count
	Alpha       float64 // 0 (labels alone) to 1 (the teacher alone)
	// Memory bounds the bytes of logits that are kept of each data set; 0:
	// 1 GiB, negative: none. What would be more is computed in every epoch.
	Memory int64
}

// Defaults of commands.
const (
	DefaultTemperature = 4
	DefaultAlpha       = 0.7
)

// Check says what is wrong with the numbers.
func (d Distillation) Check() error {
	switch {
	case !(d.Temperature > 0) || math.IsInf(d.Temperature, 0):
		return diag.New(diag.Usage, "temperature %v: want more than 0", d.Temperature)
	case !(d.Alpha >= 0 && d.Alpha <= 1):
		return diag.New(diag.Usage, "alpha %v: want 0 to 1", d.Alpha)
	}
	return nil
}

// Distill makes of a run of train.Fit one in which the student learns from t:
// the configuration and the data sets (val may be nil) to give to Fit instead
// of c, tr and val. Validation scores the same loss. With Alpha 0 nothing
// changes.
//
// Errors: Usage for d, or a loss other than cross-entropy; BadData where the
// data do not feed the teacher. Fit says Shape where student and teacher
// differ in classes, and BadData, naming the sample, where the teacher gives
// what is no finite number.
func (t *Teacher) Distill(c train.Config, tr, val data.Dataset, d Distillation) (train.Config, data.Dataset, data.Dataset, error) {
	if err := d.Check(); err != nil {
		return c, nil, nil, err
	}
	if c.Loss != "" && c.Loss != train.CrossEntropy {
		return c, nil, nil, diag.New(diag.Usage, "distillation with loss %s: want %s", c.Loss, train.CrossEntropy)
	}
	if d.Alpha == 0 {
		return c, tr, val, nil
	}
	fresh := c.Augment != nil // what the teacher sees differs from epoch to epoch
	tr, err := t.answer(tr, d.Memory, fresh)
	if err != nil {
		return c, nil, nil, err
	}
	if val != nil {
		if val, err = t.answer(val, d.Memory, false); err != nil {
			return c, nil, nil, err
		}
	}
	if c.Checkpoint != "" {
		sum, err := t.Digest()
		if err != nil {
			return c, nil, nil, err
		}
		c.Recipe += fmt.Sprintf("distillation %v %v %s\n", d.Temperature, d.Alpha, sum)
	}
	before := c.ExtendLoss
	c.ExtendLoss = func(b *ir.Builder, output, loss *ir.Value) (*ir.Value, error) {
		hard := loss
		if before != nil {
			var err error
			if hard, err = before(b, output, loss); err != nil {
				return nil, err
			}
		}
		soft, err := t.param(b, output)
		if err != nil {
			return nil, err
		}
		return DistillLoss(b, output, soft, hard, d)
	}
	return c, tr, val, nil
}

// param adds the teacher's logits to the inputs of a step whose student gives
// output.
func (t *Teacher) param(b *ir.Builder, output *ir.Value) (*ir.Value, error) {
	f := b.Func()
	for _, p := range f.Params {
		if p.Name == fieldLogits {
			return nil, diag.New(diag.Usage, "the student has an input or weight named %q, which distillation needs", fieldLogits)
		}
	}
	want := t.field.Type(output.Type.Dims[0])
	same := output.Type.Rank() == want.Rank()
	for i := 1; same && i < want.Rank(); i++ {
		n, known := output.Type.Dims[i].Const()
		have, _ := want.Dims[i].Const()
		same = n == have || !known && i > 1
	}
	if !same {
		return nil, &diag.Error{Kind: diag.Shape, Port: "logits of the student", Have: shape.Format(output.Type.Dims), Want: shape.Format(want.Dims) + " as the teacher's"}
	}
	return f.AddParam(fieldLogits, want), nil
}

// DistillLoss emits the loss of d from the logits of student and teacher,
// [N, classes, ...], and the loss by labels alone.
func DistillLoss(b *ir.Builder, student, teacher, hard *ir.Value, d Distillation) (*ir.Value, error) {
	source := b.Source
	defer func() { b.Source = source }()
	b.Source = []string{"distillation"}
	o := build.On(b)
	dt := student.Type.DType
	if teacher.Type.DType != dt {
		teacher = o.Cast(teacher, int64(dt.ONNX()))
	}
	temp := o.Scalar(dt, d.Temperature)
	axis := build.Axis(1)
	want := o.Div(teacher, temp)
	gap := o.Sub(o.LogSoftmax(want, axis), o.LogSoftmax(o.Div(student, temp), axis))
	kl := o.ReduceSum(o.Mul(o.Softmax(want, axis), gap), o.Ints(1), build.Keepdims(0))
	soft := o.Mul(o.ReduceMean(kl, nil, build.Keepdims(0)), o.Scalar(dt, d.Alpha*d.Temperature*d.Temperature))
	if d.Alpha == 1 {
		return soft, b.Err()
	}
	if hard.Type.DType != dt {
		hard = o.Cast(hard, int64(dt.ONNX()))
	}
	return o.Add(o.Mul(hard, o.Scalar(dt, 1-d.Alpha)), soft), b.Err()
}
