package gate

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// A Verdict says what became of a row. Worse is called slower whatever the unit.
type Verdict string

// The verdicts: the four of a comparison, and two for rows that only one side has.
const (
	Slower       Verdict = "slower"
	Faster       Verdict = "faster"
	Equivalent   Verdict = "equivalent"
	Inconclusive Verdict = "inconclusive"
	New          Verdict = "new"
	Missing      Verdict = "missing"
)

// A Row is one comparison of head with base.
type Row struct {
	Subject
	Unit    string
	Verdict Verdict
	// Base and Head are what each has, for a reader; Change is what they are
	// compared by, a share: 0.02 is 2 % more. Low and High are its 95 % interval,
	// both Change where nothing varies.
	Base, Head        float64
	Change, Low, High float64
	// Floor is the change that matters, and MDE the smallest one that would have
	// been seen, both shares; MDE is 0 where nothing varies.
	Floor, MDE float64
	Amount     float64 // the floor in units instead, where base has next to nothing
	Blocks     int     // process blocks it rests on
	Note       string
}

// blindFactor is how many floors an interval may reach above nothing before its
// row counts as not measured. A change of four floors is one that everybody
// would want to hear of.
const blindFactor = 4

// blind reports whether a row that is not slower leaves even a large slowdown
// possible.
func (r *Row) blind() bool {
	return r.Verdict == Inconclusive && !(r.High <= blindFactor*r.Floor)
}

// compared reports whether the row tells of both sides.
func (r *Row) compared() bool { return r.Verdict != New && r.Verdict != Missing }

// exact judges a figure that does not vary: worse is what grows by more than the
// floor, the larger one of a share of base and an amount.
func exact(s Subject, unit string, base, head, share, amount float64) Row {
	row := Row{Subject: s, Unit: unit, Base: base, Head: head, Verdict: Equivalent, Floor: share}
	if base > 0 {
		row.Change = head/base - 1
	} else if head > 0 {
		row.Change = math.Inf(1)
	}
	row.Low, row.High = row.Change, row.Change
	if amount > share*base {
		row.Floor, row.Amount = 0, amount
	}
	switch floor := max(share*base, amount); {
	case head-base > floor:
		row.Verdict = Slower
	case base-head > floor:
		row.Verdict = Faster
	}
	return row
}

// worse returns the subjects of rows that are slower.
func worse(rows []Row) (subjects []Subject) {
	for _, row := range rows {
		if row.Verdict == Slower && !slices.Contains(subjects, row.Subject) {
			subjects = append(subjects, row.Subject)
		}
	}
	return subjects
}

// A LayerReport is what became of a layer.
type LayerReport struct {
	Name string
	Outcome
	Took time.Duration
}

// confirm keeps slower those rows that were slower again. If the second
// measurement was unfit, so is the layer.
func (l *LayerReport) confirm(again Outcome) {
	l.Failure = again.Failure
	l.Unfit = again.Unfit
	for _, control := range again.Controls {
		control.Name += ", again"
		l.Controls = append(l.Controls, control)
	}
	l.Rows = slices.Clone(l.Rows)
	for i, row := range l.Rows {
		if row.Verdict != Slower {
			continue
		}
		l.Rows[i].Verdict = Inconclusive
		l.Rows[i].Note = "slower, but was not measured again"
		for _, second := range again.Rows {
			if second.Subject != row.Subject || second.Unit != row.Unit {
				continue
			}
			at := "at first " + percent(row.Change)
			if second.Verdict == Slower {
				second.Note = "confirmed; " + at
			} else {
				second.Note = at + ", not with new processes and another link order"
			}
			l.Rows[i] = second
		}
	}
}

// failed reports whether the layer fails head. What an unfit layer calls slower
// does not; what is missing is, whatever the machine does.
func (l *LayerReport) failed() bool {
	return l.Failure != "" || slices.ContainsFunc(l.Rows, func(r Row) bool {
		return r.Verdict == Missing || r.Verdict == Slower && l.Unfit == ""
	})
}

// A Report is what a gate found.
type Report struct {
	Base, Head   string // what was compared, in a few words
	Layers       []LayerReport
	Incomparable string // why the two sides could not be compared at all
	Took         time.Duration
}

// The exit statuses of a gate; 2 is for errors, which have no report.
const (
	StatusFine         = 0
	StatusSlower       = 1
	StatusInconclusive = 3
)

// Status returns the exit status that the report amounts to, and why.
func (r *Report) Status() (status int, why []string) {
	for _, layer := range r.Layers {
		why = append(why, layer.faults()...)
	}
	if len(why) > 0 {
		return StatusSlower, why
	}
	if r.Incomparable != "" {
		return StatusInconclusive, []string{r.Incomparable}
	}
	compared := 0
	for _, layer := range r.Layers {
		if layer.Unfit != "" {
			why = append(why, layer.Name+": "+layer.Unfit)
			continue
		}
		for _, row := range layer.Rows {
			if row.blind() {
				text := fmt.Sprintf("%s: %s could be anything from %s to %s",
					layer.Name, row.title(), percent(row.Low), percent(row.High))
				if math.IsNaN(row.High) && row.Note != "" {
					text += ": " + row.Note
				}
				why = append(why, text)
			}
			if row.compared() {
				compared++
			}
		}
	}
	if compared == 0 && len(why) == 0 {
		why = append(why, "there was nothing to compare")
	}
	if len(why) > 0 {
		return StatusInconclusive, why
	}
	return StatusFine, nil
}

// faults returns what is wrong with head according to the layer.
func (l *LayerReport) faults() (faults []string) {
	if l.Failure != "" {
		faults = append(faults, l.Name+" fails")
	}
	if !l.failed() {
		return faults
	}
	for _, row := range l.Rows {
		switch {
		case row.Verdict == Missing:
			faults = append(faults, fmt.Sprintf("%s: %s is missing", l.Name, row.title()))
		case row.Verdict == Slower && l.Unfit == "":
			faults = append(faults, fmt.Sprintf("%s: %s %s", l.Name, row.title(), percent(row.Change)))
		}
	}
	return faults
}

func (r *Row) title() string {
	title := r.Buffer + " under " + r.Workload
	if r.Unit != "" {
		title += ", " + r.Unit
	}
	return title
}

// percent renders a share.
func percent(share float64) string {
	switch {
	case math.IsInf(share, 1):
		return "from nothing"
	case math.IsNaN(share):
		return "?"
	}
	return fmt.Sprintf("%+.1f %%", 100*share)
}
