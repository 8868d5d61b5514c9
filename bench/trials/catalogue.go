package trials

import (
	_ "embed" // for the mutants
	"fmt"

	"github.com/pelletier/go-toml/v2"
)

// A Mutant is one slow-down of real code.
type Mutant struct {
	Name, What             string
	File                   string // below the module's folder
	Edits                  []Edit `toml:"edit"`
	Guilty                 []string
	Buffer, Workload, Kind string
}

// An Edit replaces a text that the file has once.
type Edit struct{ Old, New string }

//go:embed mutants.toml
var mutants []byte

// AllMutants returns the mutants of mutants.toml, which says what their fields mean.
func AllMutants() []Mutant {
	var all struct{ Mutant []Mutant }
	if err := toml.Unmarshal(mutants, &all); err != nil {
		panic(fmt.Sprintf("mutants.toml: %v", err)) // a mistake in this package
	}
	return all.Mutant
}
