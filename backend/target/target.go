// Package target names machines: operating system, architecture and the CPU
// features that kernels may be chosen from. It parses what --target takes and
// knows no kernel and no plan.
//
//	t, err := target.Parse("linux/amd64+avx2")
package target

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime/cpu"
)

// Target is a machine to compile for.
type Target struct {
	OS       string       // "" is any: artifacts do not depend on it
	Arch     string       // GOARCH, or "generic" for every one
	Features cpu.Features // that alternatives may need; the artifact still runs where some are missing
	Device   string       // CUDA: kernels for that, and for the host Arch, which is then Generic; "" none
	SM       int          // of CUDA: the least compute capability, 75 for 7.5
	F16      bool         // of CUDA: products in float16 on tensor cores, summed in float32
}

// CUDA is the device of NVIDIA's GPUs.
const CUDA = "cuda"

// sms are the compute capabilities that PTX is made for; it runs on later ones.
var sms = []int{75, 80, 86, 89, 90}

// wasm is another name for Generic: WebAssembly runs those artifacts.
const wasm = "wasm"

// Generic is the architecture whose artifacts hold no assembly and run on
// every GOARCH.
const Generic = "generic"

// archs are the architectures with kernels of their own.
var archs = []string{"amd64", "arm64"}

// Known lists what Parse takes as architectures, with a sentence each.
func Known() [][2]string {
	return [][2]string{
		{"native", "this machine: its architecture with the features it has (capped by MLC_CPU)"},
		{"amd64", "x86-64: generic, AVX2 and AVX-512 alternatives in one artifact"},
		{"arm64", "AArch64: generic and NEON alternatives in one artifact"},
		{"generic", "plain Go kernels for every other GOARCH"},
		{wasm, "the same as generic, for GOOS wasip1 and js"},
		{CUDA, "NVIDIA GPUs of compute capability 7.5 on (cuda:sm_80: of 8.0 on; +f16: products on tensor cores in float16), the rest in plain Go"},
	}
}

// Parse reads "native", or [os/]arch with features added ("+avx2": only the
// baseline and these) or taken away ("-avx512"). Error: kind Usage.
func Parse(s string) (Target, error) {
	name, mods := s, ""
	if i := strings.IndexAny(s, "+-"); i >= 0 {
		name, mods = s[:i], s[i:]
	}
	var t Target
	if device, sm, _ := strings.Cut(name, ":"); device == CUDA {
		return parseCUDA(s, sm, mods)
	}
	if i := strings.IndexByte(name, '/'); i >= 0 {
		t.OS, name = name[:i], name[i+1:]
		if t.OS == "" {
			return t, diag.New(diag.Usage, "--target=%s: empty operating system", s)
		}
		if t.OS == CUDA {
			return t, diag.New(diag.Usage, "--target=%s: cuda is a target of its own, whose host may be any", s)
		}
	}
	switch {
	case name == "native" && t.OS == "":
		if err := cpu.HostErr(); err != nil {
			return t, diag.New(diag.Usage, "--target=%s: %v", s, err)
		}
		t.Arch, t.Features = runtime.GOARCH, cpu.Host()
		if !slices.Contains(archs, t.Arch) {
			t.Arch = Generic
		}
	case slices.Contains(archs, name):
		t.Arch, t.Features = name, cpu.All(name)
	case name == Generic || name == wasm:
		t.Arch = Generic
	default:
		return t, diag.New(diag.Usage, "--target=%s: unknown architecture%s (have amd64, arm64, wasm, cuda, generic for every other GOARCH, native)", s, suggest(name))
	}
	return t, t.apply(s, mods)
}

// parseCUDA reads what follows "cuda": ":sm_80", "+f16".
func parseCUDA(s, sm, mods string) (Target, error) {
	t := Target{Arch: Generic, Device: CUDA, SM: sms[0]}
	if sm != "" || strings.Contains(s, ":") {
		n, err := strconv.Atoi(strings.TrimPrefix(sm, "sm_"))
		if err != nil || !slices.Contains(sms, n) || !strings.HasPrefix(sm, "sm_") {
			return t, diag.New(diag.Usage, "--target=%s: unknown compute capability %q (have %s)", s, sm, smText())
		}
		t.SM = n
	}
	switch mods {
	case "":
	case "+f16":
		t.F16 = true
	default:
		return t, diag.New(diag.Usage, "--target=%s: unknown feature %q (have +f16)", s, mods)
	}
	return t, nil
}

func smText() string {
	var out []string
	for _, n := range sms {
		out = append(out, fmt.Sprintf("sm_%d", n))
	}
	return strings.Join(out, ", ")
}

func suggest(name string) string {
	for _, a := range append([]string{Generic, "native", CUDA}, archs...) {
		if len(a) == len(name) && sortedText(a) == sortedText(name) || strings.HasPrefix(a, name) && name != "" {
			return fmt.Sprintf(", did you mean %s?", a)
		}
	}
	switch name {
	case "x86_64", "x64", "x86-64":
		return ", did you mean amd64?"
	case "aarch64", "armv8":
		return ", did you mean arm64?"
	case "wasm32", "wasip1", "wasi", "js":
		return ", did you mean wasm?"
	}
	return ""
}

func sortedText(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

// apply reads "+feat,-feat" (commas optional between signs).
func (t *Target) apply(s, mods string) error {
	plus := cpu.Features(0)
	narrowed := false
	for mods != "" {
		sign := mods[0]
		mods = mods[1:]
		end := strings.IndexAny(mods, "+-")
		if end < 0 {
			end = len(mods)
		}
		name := strings.Trim(mods[:end], ",")
		mods = mods[end:]
		f, err := cpu.ParseFeature(name)
		if err != nil || f.Arch() != t.Arch {
			return diag.New(diag.Usage, "--target=%s: unknown feature %q (have %s)", s, name, cpu.All(t.Arch))
		}
		if sign == '-' {
			t.Features &^= above(t.Arch, f)
			continue
		}
		plus |= below(t.Arch, f)
		narrowed = true
	}
	if narrowed {
		t.Features &= plus
	}
	return nil
}

// below is f with what its level includes; above is f with what builds on it.
func below(arch string, f cpu.Features) cpu.Features {
	for _, l := range cpu.Levels(arch) {
		if l.Features&f != 0 {
			return l.Features
		}
	}
	return f
}

func above(arch string, f cpu.Features) cpu.Features {
	out, on := cpu.Features(0), cpu.Features(0)
	for _, l := range cpu.Levels(arch) {
		if l.Features&f != 0 {
			out |= l.Features &^ on
		} else {
			on = l.Features
		}
	}
	return out
}

// String is the canonical form, which Parse takes back.
func (t Target) String() string {
	if t.Device != "" {
		s := fmt.Sprintf("%s:sm_%d", t.Device, t.SM)
		if t.F16 {
			s += "+f16"
		}
		return s
	}
	s := t.Arch
	if t.OS != "" {
		s = t.OS + "/" + s
	}
	if t.Features != cpu.All(t.Arch) {
		if t.Features == 0 {
			for _, f := range strings.Split(cpu.All(t.Arch).String(), ",") {
				return s + "-" + f
			}
		}
		s += "+" + strings.ReplaceAll(t.Features.String(), ",", "+")
	}
	return s
}
