// Package retrain teaches a model again while it is compressed, or lets it
// learn from another: it ties frontend/train to the passes that change models,
// through Config.Transform, Config.ExtendLoss and Config.OnStep, and through
// fields added to the data. It must not know a command, a file format or how
// a module is compiled.
//
// Distillation: a student learns from the logits of a teacher, a frozen model
// that the same ir.Executor compiles as for inference.
//
//	t, err := retrain.NewTeacher(ctx, exec, teacher, retrain.TeacherOptions{})
//	cfg, tr, val, err := t.Distill(cfg, tr, val, retrain.Distillation{Temperature: 4, Alpha: 0.7})
//	hist, err := train.Fit(ctx, exec, student, tr, val, cfg)
//
// The logits are one more field of the data, which the teacher computes of
// each batch as the student sees it, augmented or not. Without augmentation
// the logits of a sample never change, so they are kept and the teacher runs
// once a sample and not once an epoch; the bits are the same.
package retrain
