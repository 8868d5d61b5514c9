package gate

import (
	"fmt"
	"math"
	"slices"
	"time"

	"informerlab/bench/judge"
	"informerlab/bench/run"
	"informerlab/bench/stats"
)

// blindFactor is how many floors an interval may reach above nothing before its
// row counts as not measured. A change of four floors is one that everybody
// would want to hear of.
const blindFactor = 4

// blind reports whether a row that is not slower leaves even a large slowdown
// possible.
func blind(r judge.Row) bool {
	within := math.Expm1(r.High) <= blindFactor*r.Floor && len(r.Missing) == 0
	return r.Verdict == stats.Inconclusive && !within
}

// subjectOf returns what a row is about.
func subjectOf(r judge.Row) Subject { return Subject{r.Workload, r.Buffer} }

func (s Subject) row() run.Row { return run.Row{Workload: s.Workload, Buffer: s.Buffer} }

// worse returns the subjects of rows that are slower.
func worse(rows []judge.Row) (subjects []Subject) {
	for _, row := range rows {
		if subject := subjectOf(row); row.Verdict == stats.Slower && !slices.Contains(subjects, subject) {
			subjects = append(subjects, subject)
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
		control.Note = "in the confirmation"
		l.Controls = append(l.Controls, control)
	}
	l.Rows = slices.Clone(l.Rows)
	for i, row := range l.Rows {
		if row.Verdict != stats.Slower {
			continue
		}
		l.Rows[i].Verdict = stats.Inconclusive
		l.Rows[i].Note = "slower, but was not measured again"
		for _, second := range again.Rows {
			if subjectOf(second) != subjectOf(row) || second.Unit != row.Unit {
				continue
			}
			at := "at first " + row.Figures()
			if second.Verdict == stats.Slower {
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
	return l.Failure != "" || slices.ContainsFunc(l.Rows, func(r judge.Row) bool {
		return r.Verdict == stats.Missing || r.Verdict == stats.Slower && l.Unfit == ""
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
			if blind(row) {
				why = append(why, fmt.Sprintf("%s: %s could be anything: %s, %s", layer.Name, title(row), row.Figures(),
					row.Words()))
			}
			if row.Compared() {
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
		case row.Verdict == stats.Missing:
			faults = append(faults, fmt.Sprintf("%s: %s is missing", l.Name, title(row)))
		case row.Verdict == stats.Slower && l.Unfit == "":
			faults = append(faults, fmt.Sprintf("%s: %s %s", l.Name, title(row), row.Figures()))
		}
	}
	return faults
}

func title(r judge.Row) string {
	title := r.Buffer + " under " + r.Workload
	if r.Unit != "" {
		title += ", " + r.Unit
	}
	return title
}
