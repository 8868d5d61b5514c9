package run

import (
	"fmt"
	"io"
	"os"
	"time"
)

// Progress tells on a stream how far a run is and how long it will still take:
// redrawn in one line on a terminal, else a line per workload and block. A nil
// Progress is silent. One goroutine uses it.
type Progress struct {
	w        io.Writer
	redraw   bool
	now      func() time.Time
	units    []unit // not yet done
	total    int
	took     map[string]spent // by label
	guessed  float64          // seconds guessed for the units that are done
	measured float64          // seconds that they took
	started  time.Time        // of the current unit
	until    time.Time        // when the run ends at the latest; zero = not known
	where    string           // block and workload
}

// A unit is one step of a run for the estimate.
type unit struct {
	label   string
	seconds float64 // first guess
}

type spent struct {
	seconds float64
	times   int
}

// NewProgress writes to f, and redraws if it is a terminal.
func NewProgress(f *os.File) *Progress {
	info, err := f.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	return newProgress(f, terminal, time.Now)
}

func newProgress(w io.Writer, redraw bool, now func() time.Time) *Progress {
	return &Progress{w: w, redraw: redraw, now: now, took: map[string]spent{}}
}

// Until says when the run ends at the latest, whatever is left of its plan.
func (p *Progress) Until(t time.Time) {
	if p != nil {
		p.until = t
	}
}

// plan sets all steps of the run.
func (p *Progress) plan(units []unit) {
	if p != nil {
		p.units, p.total = units, len(units)
	}
}

// begin tells that a step begins, and where in the run that is.
func (p *Progress) begin(where string) {
	if p == nil {
		return
	}
	p.started, p.where = p.now(), where
	if p.redraw {
		p.show("")
		return
	}
	fmt.Fprintf(p.w, "lab: %s  %s\n", p.share(), p.where)
}

// show tells what the current step is doing; only a terminal sees it.
func (p *Progress) show(what string) {
	if p == nil || !p.redraw {
		return
	}
	fmt.Fprintf(p.w, "\r\x1b[Klab: %s  %s  %s", p.share(), p.where, what)
}

// done takes a step off the estimate.
func (p *Progress) done(label string) {
	if p == nil {
		return
	}
	seconds := p.now().Sub(p.started).Seconds()
	for i, u := range p.units {
		if u.label == label {
			p.guessed += u.seconds
			p.measured += seconds
			p.units = append(p.units[:i:i], p.units[i+1:]...)
			break
		}
	}
	s := p.took[label]
	p.took[label] = spent{s.seconds + seconds, s.times + 1}
}

// end clears the line.
func (p *Progress) end() {
	if p != nil && p.redraw {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// share returns how much is done and how long the rest will take.
func (p *Progress) share() string {
	return fmt.Sprintf("%d/%d, about %v left", p.total-len(p.units), p.total, p.left())
}

// left estimates: what a step took before is what it will take again, and a
// step that is new takes its guess, corrected by how wrong guesses were so far.
func (p *Progress) left() time.Duration {
	wrong := 1.0
	if p.guessed > 0 {
		wrong = p.measured / p.guessed
	}
	seconds := 0.0
	for _, u := range p.units {
		if s := p.took[u.label]; s.times > 0 {
			seconds += s.seconds / float64(s.times)
			continue
		}
		seconds += u.seconds * wrong
	}
	left := time.Duration(seconds) * time.Second
	if !p.until.IsZero() {
		left = min(left, max(0, p.until.Sub(p.now()).Truncate(time.Second)))
	}
	return left
}
