package flame

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// A Frame is a function and its cost in two profiles, in their unit.
type Frame struct {
	Function   string // with its package; type arguments are shortened
	Base, Head int64
}

// Growth returns how much more the function costs than in the base.
func (f Frame) Growth() int64 { return f.Head - f.Base }

// Top returns the n functions whose cost grew most from base to head, the one
// that grew most first, and what grew without any of them on the stack: the
// collector's and the scheduler's own goroutines. It returns fewer if fewer grew.
// sampleType is the cost's, such as "cpu" or "delay". Neither profile is changed.
//
// A sample's cost is that of the innermost function that somebody wrote here:
// locking, allocating, copying, waking are charged to whoever asked for them, since
// nobody mends those, and closures to the function that they are written in. No
// function is charged with others of that kind that it calls.
func Top(head, base *profile.Profile, sampleType string, n int) (top []Frame, elsewhere Frame, err error) {
	costs := map[string]*Frame{}
	add := func(p *profile.Profile, to func(*Frame) *int64) error {
		index, err := p.SampleIndexByName(sampleType)
		if err != nil {
			return fmt.Errorf("flame: top: %w", err)
		}
		for _, sample := range p.Sample {
			name := charged(sample)
			if costs[name] == nil {
				costs[name] = &Frame{Function: name}
			}
			*to(costs[name]) += sample.Value[index]
		}
		return nil
	}
	if err := add(base, func(f *Frame) *int64 { return &f.Base }); err != nil {
		return nil, elsewhere, err
	}
	if err := add(head, func(f *Frame) *int64 { return &f.Head }); err != nil {
		return nil, elsewhere, err
	}
	for name, f := range costs {
		switch {
		case name == "":
			elsewhere = *f
		case f.Growth() > 0:
			top = append(top, *f)
		}
	}
	slices.SortFunc(top, func(a, b Frame) int {
		return cmp.Or(cmp.Compare(b.Growth(), a.Growth()), cmp.Compare(a.Function, b.Function))
	})
	return top[:min(n, len(top))], elsewhere, nil
}

// closure matches what the compiler appends to a function's name for what is
// written inside of it.
var closure = regexp.MustCompile(`(\.(func|gowrap|deferwrap)\d+(\.\d+)*|-range\d+)+$`)

// charged returns the function that a sample is charged to, or "".
func charged(sample *profile.Sample) string {
	for _, location := range sample.Location {
		for _, line := range location.Line {
			if line.Function == nil {
				continue
			}
			if name := withoutTypes(line.Function.Name); written(name) {
				return closure.ReplaceAllString(name, "")
			}
		}
	}
	return ""
}

// written reports whether a function is neither of the standard library, nor of a
// library that only wraps it, nor made by the compiler (such as the hash of a
// type). Type arguments must have been shortened.
func written(function string) bool {
	first, _, slash := strings.Cut(function, "/")
	switch {
	case strings.HasPrefix(function, "main."), first == "informerlab":
		return true
	case strings.HasPrefix(function, "go.uber.org/atomic."), strings.HasPrefix(first, "type:"):
		return false
	}
	return slash && strings.Contains(first, ".") // the path of a module begins with a domain
}
