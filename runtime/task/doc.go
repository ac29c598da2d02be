// Package task turns pictures into a model's input and its outputs into
// answers: classes with scores, or boxes around objects. What to do is a Task,
// kept as JSON in the model's metadata under Key, so that the artifact alone
// is enough:
//
//	m, err := runtime.Open("faces.mlc")
//	t, err := task.Open(m)
//	boxes, err := t.Detect(ctx, picture)
//
// It owns the exact meaning of fitting, resizing and the suppression of
// overlapping boxes. It must not know commands, protocols or the compiler.
//
// A picture becomes a tensor in five steps, each exact:
//
//  1. Colour: 8 bits a channel; what is transparent is laid over black; grey is
//     (19595 R + 38470 G + 7471 B + 32768) >> 16 of 16-bit channels, as in
//     image/color.
//  2. Fit: "stretch" maps the whole picture to the whole input. "letterbox"
//     scales by r = min(W/w, H/h) to round(w·r) × round(h·r), at least 1, laid
//     at ((W-w')/2, (H-h')/2) rounded down; the rest is Pad. "crop" takes the
//     largest middle part with the input's aspect, its size rounded to whole
//     pixels.
//  3. Resize, bilinear with half-pixel centres: output pixel i looks at
//     (i+0.5)·in/out - 0.5, held within [0, in-1], and weighs its two
//     neighbours on each axis; the result is rounded to the nearest integer,
//     halves up. Nothing is averaged when a picture shrinks, as in ONNX Resize
//     with antialias 0.
//  4. Numbers: (p - mean) / std for p of 0 to 255; without both just p.
//  5. Layout: as the model's input has it.
package task
