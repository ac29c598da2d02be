package data

import (
	"html/template"
	"io"
)

// page is one self-contained file: no script, nothing from elsewhere.
const page = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Name}}</title>
<style>
body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222;background:#fff}
table{border-collapse:collapse;margin:1em 0}th,td{padding:.25em .8em;border-bottom:1px solid #ddd;text-align:right}
th:first-child,td:first-child,td.t{text-align:left}
li{color:#a02020}svg{vertical-align:middle}rect{fill:#4070b0}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}th,td{border-color:#444}li{color:#f08080}rect{fill:#80b0f0}}
</style></head><body>
<h1>{{.Name}}</h1>
<p>{{.R.Samples}} samples, {{len .R.Fields}} fields.</p>
<h2>Problems</h2>
{{if .R.Problems}}<ul>{{range .R.Problems}}<li>{{.}}</li>{{end}}</ul>{{else}}<p>None found.</p>{{end}}
<h2>Fields</h2>
<table><tr><th>field</th><th>type</th><th>missing</th><th>distinct</th><th>min</th><th>mean</th><th>max</th><th>std</th><th>outliers</th><th>values</th></tr>
{{range .R.Fields}}<tr><td>{{.Name}}{{if .Target}} (target){{end}}</td><td class="t">{{.Type}}</td><td>{{.Missing}}</td><td>{{if .Distinct}}{{.Distinct}}{{end}}</td>
<td>{{num .Min}}</td><td>{{num .Mean}}</td><td>{{num .Max}}</td><td>{{num .Std}}</td><td>{{if .Outliers}}{{.Outliers}}{{end}}</td>
<td>{{if .Bins}}<svg width="100" height="24" role="img" aria-label="histogram">{{range bars .Bins}}<rect x="{{.X}}" y="{{.Y}}" width="9" height="{{.H}}"/>{{end}}</svg>{{end}}</td></tr>
{{end}}</table>
{{range .R.Fields}}{{if .Classes}}<h2>{{.Name}}</h2><table><tr><th>value</th><th>samples</th><th></th></tr>
{{$max := most .Classes}}{{range .Classes}}<tr><td>{{.Name}}</td><td>{{.Count}}</td><td class="t"><svg width="200" height="12"><rect width="{{part .Count $max}}" height="12"/></svg></td></tr>
{{end}}</table>{{end}}{{end}}
</body></html>
`

type bar struct{ X, Y, H int }

// HTML writes the report as one self-contained page.
func (r *Report) HTML(w io.Writer, name string) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"num": func(v *float64) any {
			if v == nil {
				return ""
			}
			return template.HTMLEscaper(formatNumber(*v))
		},
		"bars": func(bins []int) []bar {
			top := 1
			for _, n := range bins {
				top = max(top, n)
			}
			var out []bar
			for i, n := range bins {
				h := (n*24 + top - 1) / top
				out = append(out, bar{10 * i, 24 - h, h})
			}
			return out
		},
		"most": func(cs []ClassCount) int {
			top := 1
			for _, c := range cs {
				top = max(top, c.Count)
			}
			return top
		},
		"part": func(n, top int) int { return 200 * n / top },
	}).Parse(page)
	if err != nil {
		return err
	}
	return t.Execute(w, struct {
		Name string
		R    *Report
	}{name, r})
}
