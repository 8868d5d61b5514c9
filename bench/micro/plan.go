package micro

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"

	"informerlab/core/event"
)

// A Plan says what to measure. lab micro hands it to the worker of bench/peers as JSON.
type Plan struct {
	Match   string   // a regular expression that names of measurements must match
	Buffers []string // contestants, with options; none = all
	Item    string   // of what type items are: "any" (16 bytes) or "notification" (48)
	Rounds  int      // runs of each contestant
	Base    string   // the contestant to compare with
	Raw     bool     // write every run in the Go benchmark format instead of tables
	Seed    uint64   // of the orders of the rounds
}

// Names returns the names of all measurements.
func Names() (names []string) {
	for _, m := range measurements[any]() {
		names = append(names, m.name())
	}
	return names
}

// ErrInput marks what was asked for and cannot be measured.
var ErrInput = errors.New("input that cannot be used")

// Run measures the catalogue and others, and writes to out. It returns ctx's error if
// that ended first, ErrInput for a plan that cannot be measured, or what a contestant
// did wrong.
func (p *Plan) Run(ctx context.Context, out io.Writer, others []Contestant[any]) error {
	match, err := regexp.Compile(p.Match)
	switch {
	case err != nil:
		return fmt.Errorf("micro: %w: -measure: %w", ErrInput, err)
	case p.Item != boxed.name && p.Item != notifications.name:
		return fmt.Errorf("micro: %w: unknown item %q: expected %s or %s", ErrInput, p.Item, boxed.name,
			notifications.name)
	case p.Rounds < 1:
		return fmt.Errorf("micro: %w: %d rounds: expected at least 1", ErrInput, p.Rounds)
	case p.Item == notifications.name:
		return measureAll(ctx, p, match, out, notifications, Ours[event.Notification]())
	}
	return measureAll(ctx, p, match, out, boxed, append(Ours[any](), others...))
}

// measureAll measures all that the plan wants of one kind of items.
func measureAll[T any](
	ctx context.Context, p *Plan, match *regexp.Regexp, out io.Writer, k kind[T], all []Contestant[T],
) error {
	chosen := all
	if len(p.Buffers) > 0 {
		chosen = nil
		for _, spec := range p.Buffers {
			found, err := find(all, spec)
			if err != nil {
				return err
			}
			chosen = append(chosen, found)
		}
	}
	if p.Raw {
		fmt.Fprintf(out, "goos: %s\ngoarch: %s\ngomaxprocs: %d\n", runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
	}
	measured := false
	for _, m := range measurements[T]() {
		if !match.MatchString(m.name()) {
			continue
		}
		measured = true
		if err := interleave(ctx, p, out, m, k, chosen); err != nil {
			return err
		}
	}
	if !measured {
		return fmt.Errorf("micro: %w: no measurement matches %q", ErrInput, match)
	}
	if !p.Raw {
		fmt.Fprintf(out, "Medians of %d rounds, and the ratio to %s in the same round with its 95 %% interval: "+
			"below 1 is less.\n", p.Rounds, p.Base)
	}
	return nil
}
