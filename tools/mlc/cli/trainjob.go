package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/passes"
	"github.com/mlc-go/mlc/runtime/plan"
	"github.com/mlc-go/mlc/runtime/program"
)

// trainJob is a model with its data: the model takes what the data give.
type trainJob struct {
	model        *ir.Module
	train, val   data.Dataset
	teacherModel *ir.Module // nil: nobody teaches
	lesson       *lesson    // nil likewise
	opened       []func() error
	scores       map[*ir.Module]train.Scores // of evaluate
}

func newTrainJob() *trainJob { return &trainJob{scores: map[*ir.Module]train.Scores{}} }

// onClose lets f be called by close.
func (j *trainJob) onClose(f func() error) { j.opened = append(j.opened, f) }

// close lets go of models and files, the latest first.
func (j *trainJob) close() {
	for _, f := range slices.Backward(j.opened) {
		f()
	}
}

// scored is the data that the result is judged by.
func (j *trainJob) scored() data.Dataset {
	if j.val != nil {
		return j.val
	}
	return j.train
}

// evaluate scores a model on scored, as training does and by labels alone; each
// model once.
func (j *trainJob) evaluate(ctx context.Context, exec ir.Executor, m *ir.Module, c train.Config, ops *ir.OpSet) (train.Scores, error) {
	if s, ok := j.scores[m]; ok {
		return s, nil
	}
	s, err := train.Evaluate(ctx, exec, m, j.scored(), train.Config{Loss: c.Loss, Label: c.Label, Batch: c.Batch, Ops: ops})
	if err == nil {
		j.scores[m] = s
	}
	return s, err
}

// trainJob reads the data and makes the model. A model that is loaded to be
// pruned is brought into the form that pruning wants.
func (a *app) trainJob(ctx context.Context, f *trainFlags, pruned bool) (*trainJob, error) {
	spec, named, err := namedModel("--"+f.modelFlag, f.model)
	if err != nil {
		return nil, err
	}
	j := newTrainJob()
	if !named {
		o := a.options()
		o.Stop = codegen.StageImport
		if pruned {
			trainable(&o)
		}
		j.model, err = j.load(ctx, a, "--"+f.modelFlag+" "+f.model, f.model, o)
	}
	if err == nil {
		err = j.prepare(ctx, a, f, spec)
	}
	if err != nil {
		j.close()
		return nil, err
	}
	return j, nil
}

// trainable asks for the canonical form as training can take it: Dropouts stay,
// and weights that happen to be equal stay apart.
func trainable(o *codegen.Options) {
	o.Stop = passes.Canonical
	o.Off = append(slices.Clone(o.Off), "dropout-inference", "cse")
}

// prepare reads the data and makes the model of spec, unless one is loaded, so
// that it takes them; and the teacher ready, if there is one.
func (j *trainJob) prepare(ctx context.Context, a *app, f *trainFlags, spec nn.Spec) error {
	named := j.model == nil
	if f.teach.teacher != "" {
		if err := j.loadTeacher(ctx, a, f); err != nil {
			return err
		}
	}
	if err := j.open(f); err != nil {
		return err
	}
	at, err := data.Target(j.train)
	if err != nil {
		return err
	}
	target := j.train.Fields()[at]
	if len(f.metrics) > 0 {
		if _, err := data.NewScorer(f.metrics, target); err != nil {
			return err
		}
	}
	if j.teacherModel != nil {
		if err := j.compileTeacher(ctx, a, f); err != nil {
			return err
		}
	}
	outputs := 1
	if f.config.Loss == train.CrossEntropy {
		if outputs, err = data.Classes(j.train); err != nil {
			return err
		}
		if f.val == "" && j.val != nil { // a split off part, which may have all of a class
			more, err := data.Classes(j.val)
			if err != nil {
				return err
			}
			outputs = max(outputs, more)
		}
		if j.lesson != nil { // of which the data may lack some
			outputs = max(outputs, j.lesson.teacher.Classes())
		}
	} else if len(target.Dims) > 0 {
		outputs = target.Dims[len(target.Dims)-1]
	}
	if !named {
		j.model, err = a.takeRaw(j.model, j.train, f.fit)
		if err != nil {
			return diag.In(f.model, diag.Shape, err)
		}
	} else if err := j.build(a, f, spec, outputs); err != nil {
		return err
	}
	if f.config.Loss == train.CrossEntropy && target.Classes != nil {
		b, err := json.Marshal(target.Classes)
		if err != nil {
			return err
		}
		j.model.Meta = slices.DeleteFunc(j.model.Meta, func(m ir.Meta) bool { return m.Key == plan.KeyClasses })
		j.model.Meta = append(j.model.Meta, ir.Meta{Key: plan.KeyClasses, Value: string(b)})
	}
	f.config.Label = freeName(j.train, "label")
	return nil
}

// freeName is name, or one like it that no input field has.
func freeName(d data.Dataset, name string) string {
	for slices.ContainsFunc(d.Fields(), func(f data.Field) bool { return f.Name == name && !f.Target }) {
		name += "_"
	}
	return name
}

// load imports a model to go on with, or to learn from; what names it in
// messages.
func (j *trainJob) load(ctx context.Context, a *app, what, file string, o codegen.Options) (*ir.Module, error) {
	if isArtifactFile(file) {
		return nil, usage("%s: is compiled already; want the .onnx or .mir", what)
	}
	art, err := a.built(ctx, file, o)
	if err != nil {
		return nil, err
	}
	j.onClose(art.Close)
	return art.Module(), nil
}

// open reads training and validation data and settles the loss.
func (j *trainJob) open(f *trainFlags) error {
	var fields []data.Field
	if j.model != nil {
		fields = fieldsOf(j.model)
	} else if j.teacherModel != nil {
		fields = fieldsOf(j.teacherModel)
	}
	d, err := data.Open(f.data, data.Options{Seed: f.seed, Fields: fields})
	if err != nil {
		return err
	}
	at, err := data.Target(d)
	if err != nil {
		return diag.In(f.data, diag.BadData, err)
	}
	if f.config.Loss == "" {
		f.config.Loss = train.SquaredError
		if d.Fields()[at].IsLabel() {
			f.config.Loss = train.CrossEntropy
		}
	}
	if names, err := j.classes(f); err != nil {
		return err
	} else if names != nil { // they go by name
		if d, err = data.WithClasses(d, names); err != nil {
			return err
		}
	}
	j.train = d
	if f.val != "" {
		if j.val, err = data.Open(f.val, data.Options{Seed: f.seed + 1, Fields: fields}); err != nil {
			return err
		}
		if j.val, err = data.WithClasses(j.val, d.Fields()[at].Classes); err != nil {
			return err
		}
	} else if f.valSplit > 0 {
		if j.train, j.val, err = data.Split(d, f.valSplit, f.seed); err != nil {
			return err
		}
	}
	if f.config.Loss == train.SquaredError {
		to := dtype.F32
		if j.model != nil && slices.ContainsFunc(j.model.Main().Results, func(r ir.Result) bool { return r.State == nil && r.Value.Type.DType == dtype.F64 }) {
			to = dtype.F64
		}
		if j.train, err = data.AsNumbers(j.train, to); err != nil {
			return err
		}
		if j.val != nil {
			j.val, err = data.AsNumbers(j.val, to)
		}
	}
	return err
}

// classes are the names that the outputs of the model, or those of its teacher,
// have; nil: none.
func (j *trainJob) classes(f *trainFlags) ([]string, error) {
	var own, taught []string
	var err error
	if j.model != nil {
		if own, err = namesOf(j.model); err != nil {
			return nil, diag.In(f.model, diag.BadModel, err)
		}
	}
	if j.teacherModel != nil {
		if taught, err = namesOf(j.teacherModel); err != nil {
			return nil, diag.In(f.teach.teacher, diag.BadModel, err)
		}
	}
	if own != nil && taught != nil && !slices.Equal(own, taught) {
		return nil, &diag.Error{Kind: diag.BadData, File: f.teach.teacher, Port: "classes of the teacher", Have: fmt.Sprintf("%q", taught), Want: fmt.Sprintf("%q as the model's", own)}
	}
	if own == nil {
		own = taught
	}
	return own, nil
}

// build makes a model by name, with its preprocessing.
func (j *trainJob) build(a *app, f *trainFlags, spec nn.Spec, outputs int) error {
	p, err := data.Fit(j.train, f.fit)
	if err != nil {
		return diag.In(f.data, diag.BadData, err)
	}
	m, err := spec.Build(nn.Input{Dims: p.Dims}, outputs, nn.Options{Seed: f.seed, Ops: a.reg.Ops})
	if err != nil {
		return err
	}
	j.model, err = p.Attach(m, a.reg.Ops)
	return err
}

// takeRaw lets an imported model take the data's fields: as it is where types
// agree, else, if it has one input, behind preprocessing fitted to the data.
func (a *app) takeRaw(m *ir.Module, d data.Dataset, o data.FitOptions) (*ir.Module, error) {
	inputs := slices.DeleteFunc(slices.Clone(m.Main().Params), func(p *ir.Value) bool { return p.State != nil })
	if _, err := data.Match(inputs, d); err == nil || len(inputs) > 1 {
		return m, err
	}
	p, err := data.Fit(d, o)
	if err != nil {
		return nil, err
	}
	return p.Attach(m, a.reg.Ops)
}

// mostRandom bounds the classes of random labels: a few bytes of a model can
// speak of any number.
const mostRandom = 1 << 16

// fieldsOf is what random data for a model look like: its inputs, open dims
// taken as 1, and labels for its first output's last axis.
func fieldsOf(m *ir.Module) []data.Field {
	var fs []data.Field
	sample := func(t ir.Type) []int {
		d, err := extents(t, nil)
		if err != nil || len(d) == 0 {
			return []int{}
		}
		return d[1:]
	}
	for _, p := range m.Main().Params {
		if p.State == nil && p.Type.IsTensor() {
			fs = append(fs, data.Field{Name: p.Name, DType: p.Type.DType, Dims: sample(p.Type)})
		}
	}
	for _, r := range m.Main().Results {
		if d := sample(r.Value.Type); r.State == nil && len(d) == 1 {
			y := data.Field{Name: "target", DType: dtype.I64, Dims: []int{}, Target: true, Classes: make([]string, min(d[0], mostRandom))}
			for i := range y.Classes {
				y.Classes[i] = fmt.Sprint(i)
			}
			if d[0] == 1 {
				y = data.Field{Name: "target", DType: dtype.F32, Dims: d, Target: true}
			}
			return append(fs, y)
		}
	}
	return fs
}

// namesOf are the names of classes that a module holds; nil: none.
func namesOf(m *ir.Module) ([]string, error) {
	var meta []plan.Meta
	for _, x := range m.Meta {
		meta = append(meta, plan.Meta(x))
	}
	return program.Classes(meta)
}
