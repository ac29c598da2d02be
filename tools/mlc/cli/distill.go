package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/passes/retrain"
)

// distillFlags say who teaches, and how.
type distillFlags struct {
	teacher string
	retrain.Distillation
}

func (f *distillFlags) register(s *pflag.FlagSet) {
	s.StringVar(&f.teacher, "teacher", "", "learn from the logits of a model `FILE` (.onnx, .mir) beside the labels")
	s.Float64Var(&f.Temperature, "temp", retrain.DefaultTemperature, "`temperature` of the softmax over both logits")
	s.Float64Var(&f.Alpha, "alpha", retrain.DefaultAlpha, "`share` of the teacher in the loss: 0 (labels alone) to 1 (the teacher alone)")
}

// settle checks the flags.
func (f *distillFlags) settle(c *cobra.Command) error {
	if f.teacher == "" {
		for _, name := range []string{"temp", "alpha"} {
			if typed(c.Flags(), name) {
				return usage("--%s goes with --teacher", name)
			}
		}
		return nil
	}
	return f.Check()
}

func (a *app) distill() *cobra.Command {
	f := &trainFlags{modelFlag: "student"}
	return a.trainer(f, &cobra.Command{
		Use:   "distill --teacher TEACHER --student NAME[:ARGUMENTS]|MODEL --data DATA -o OUT",
		Short: "Train a model on the logits of another beside the labels",
		PreRunE: func(*cobra.Command, []string) error {
			if f.teach.teacher == "" {
				return usage("mlc distill: --teacher is missing")
			}
			return nil
		},
	})
}

// lesson is a run in which a teacher takes part.
type lesson struct {
	f       *distillFlags
	teacher *retrain.Teacher
	report  distillReport
}

// distillReport is what the reports of `mlc distill` and `mlc train` say of a
// teacher.
type distillReport struct {
	Teacher     string  `json:"teacher"`
	Parameters  int     `json:"teacher_parameters"`
	Temperature float64 `json:"temperature"`
	Alpha       float64 `json:"alpha"`
	Kept        int64   `json:"kept_bytes"`   // of logits of the training data; 0: computed in each epoch
	On          string  `json:"scored_on"`    // "validation" or "training" data
	TeacherTop1 number  `json:"teacher_top1"` // shares there
	Before      number  `json:"top1_before"`
	After       number  `json:"top1_after"`
}

// loadTeacher reads the teacher's file.
func (j *trainJob) loadTeacher(ctx context.Context, a *app, f *trainFlags) error {
	o := a.options()
	o.Stop = codegen.StageImport
	var err error
	if err = notOver("-o", f.out, f.teach.teacher); err != nil {
		return err
	}
	j.teacherModel, err = j.load(ctx, a, "--teacher "+f.teach.teacher, f.teach.teacher, o)
	return err
}

// compileTeacher makes the teacher ready to answer.
func (j *trainJob) compileTeacher(ctx context.Context, a *app, f *trainFlags) error {
	if f.config.Loss != train.CrossEntropy {
		return usage("--teacher: learns classes; the loss is %s", f.config.Loss)
	}
	t, err := retrain.NewTeacher(ctx, codegen.NewExecutor(a.options(), f.threads), j.teacherModel, retrain.TeacherOptions{Name: f.teach.teacher, Ops: a.reg.Ops})
	if err != nil {
		return err
	}
	j.onClose(t.Close)
	r := distillReport{Teacher: f.teach.teacher, Parameters: parameters(j.teacherModel), Temperature: f.teach.Temperature, Alpha: f.teach.Alpha, On: "training"}
	if j.val != nil {
		r.On = "validation"
	}
	j.lesson = &lesson{&f.teach, t, r}
	return nil
}

// begin scores teacher and student before the run and gives what is to be
// fitted: the configuration and the data with the teacher's answers.
func (l *lesson) begin(ctx context.Context, exec ir.Executor, j *trainJob, cfg train.Config, p *progress) (train.Config, *trainJob, error) {
	with := *j
	next, tr, val, err := l.teacher.Distill(cfg, j.train, j.val, l.f.Distillation)
	if err != nil {
		return cfg, nil, err
	}
	with.train, with.val = tr, val
	if _, err := train.Step(j.model, next); err != nil { // what does not fit is said before the teacher has worked
		return cfg, nil, err
	}
	if cfg.Augment == nil && l.f.Alpha > 0 {
		l.report.Kept = l.teacher.Keeps(j.train, l.f.Memory)
	}
	top1, err := l.teacher.Top1(ctx, with.scored())
	if err != nil {
		return cfg, nil, err
	}
	l.report.TeacherTop1 = number(top1)
	before, err := j.evaluate(ctx, exec, j.model, cfg, cfg.Ops)
	if err != nil {
		return cfg, nil, err
	}
	l.report.Before = number(before.Top1)
	p.teacher(l.report)
	return next, &with, nil
}

// end scores the student after the run.
func (l *lesson) end(ctx context.Context, exec ir.Executor, j *trainJob, m *ir.Module, cfg train.Config) error {
	after, err := j.evaluate(ctx, exec, m, cfg, cfg.Ops)
	l.report.After = number(after.Top1)
	return err
}

// text is the summary for people.
func (r *distillReport) text() string {
	return fmt.Sprintf("%s data: top1 %.2f %% before, %.2f %% after, teacher %.2f %%", r.On, 100*float64(r.Before), 100*float64(r.After), 100*float64(r.TeacherTop1))
}
