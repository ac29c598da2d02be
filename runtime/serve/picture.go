package serve

import (
	"context"
	"encoding/json"
	"image"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime"
	"github.com/mlc-go/mlc/runtime/task"
)

// findTask asks the model what it does with pictures. Only a description that is
// wrong is an error: most models say nothing of pictures.
func (v *version) findTask() error {
	v.task, v.noTask = task.Open(v.m)
	if v.noTask != nil && diag.KindOf(v.noTask) != diag.Unsupported {
		return v.noTask
	}
	return nil
}

// warmUpTask does the task once on a black picture. Where it fails, a task that
// was described is an error, one that was assumed is none.
func (v *version) warmUpTask(ctx context.Context, s *runtime.Session) error {
	if v.task == nil {
		return nil
	}
	w, h := v.task.Size()
	_, err := v.task.Report(ctx, s, image.NewGray(image.Rect(0, 0, w, h)))
	if err != nil && !v.task.Described() && ctx.Err() == nil {
		v.task, v.noTask, err = nil, err, nil
	}
	return err
}

// readPicture reads a request whose body is a picture file. It is decoded only
// when the request has its turn: that takes far more memory than the file.
func (s *Server) readPicture(w http.ResponseWriter, r *http.Request, start time.Time, b *buffers) (job, time.Time, error) {
	end := start.Add(s.o.Timeout)
	if err := pictureType(r.Header.Get("Content-Type")); err != nil {
		return nil, end, err
	}
	if err := s.readBody(w, r, start, b); err != nil {
		return nil, end, err
	}
	return func(ctx context.Context, v *version, name string) error {
		if v.task == nil {
			return fail(http.StatusNotFound, "model %q: %v", name, v.noTask)
		}
		p, err := task.DecodeContext(ctx, b.body.Bytes(), s.o.MaxElems)
		if err != nil {
			return diag.In("body", diag.BadData, err)
		}
		return v.runOn(ctx, func(x *runtime.Session) error {
			report, err := v.task.Report(ctx, x, p)
			if err != nil {
				return err
			}
			b.out.json, err = json.Marshal(struct {
				Name    string `json:"model_name"`
				Version string `json:"model_version"`
				*task.Report
			}{name, v.id, report})
			b.out.binary = false
			return err
		})
	}, end, nil
}

// pictureType refuses what says that it is no picture; what kind of picture it is
// the first bytes tell better.
func pictureType(header string) error {
	if header == "" {
		return nil
	}
	t, _, err := mime.ParseMediaType(header)
	if err == nil && (strings.HasPrefix(t, "image/") || t == "application/octet-stream") {
		return nil
	}
	return fail(http.StatusUnsupportedMediaType, "Content-Type %q: want image/png or image/jpeg", header)
}
