package cpu

import (
	"fmt"
	"os"
	"strings"
)

// Generic names the level without any feature.
const Generic = "generic"

// A Level is a named set of features, each including the ones before it.
type Level struct {
	Name     string
	Features Features // all that the level allows
}

// Levels returns the levels of a GOARCH, ascending. The first is Generic, and
// for most architectures the only one.
func Levels(goarch string) []Level {
	l := []Level{{Generic, 0}}
	switch goarch {
	case "amd64":
		l = append(l,
			Level{"avx2", AVX2},
			Level{"avx512", AVX2 | AVX512},
			Level{"avx512vnni", AVX2 | AVX512 | AVX512VNNI})
	case "arm64":
		l = append(l,
			Level{"neon", NEON},
			Level{"dotprod", NEON | DotProd},
			Level{"i8mm", NEON | DotProd | I8MM})
	}
	return l
}

// EnvCPU is the environment variable that caps the features in use. Its value
// is the name of a level of the running architecture: generic, avx2, avx512 or
// avx512vnni on amd64; generic, neon, dotprod or i8mm on arm64; generic
// elsewhere. Features above the level are treated as absent, by the choice of
// kernels at run time and by --target=native alike; a level that the machine
// lacks adds nothing. Unset or empty means no cap.
const EnvCPU = "MLC_CPU"

// capTo applies the value of EnvCPU to the features found.
func capTo(found Features, goarch, value string) (Features, error) {
	if value == "" {
		return found, nil
	}
	var have []string
	for _, l := range Levels(goarch) {
		if l.Name == value {
			return found & l.Features, nil
		}
		have = append(have, l.Name)
	}
	return found, fmt.Errorf("%s=%s: unknown level on %s (have %s)", EnvCPU, value, goarch, strings.Join(have, ", "))
}

func fromEnv(found Features, goarch string) (Features, error) {
	return capTo(found, goarch, os.Getenv(EnvCPU))
}
