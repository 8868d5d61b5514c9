package report

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchunit"

	"informerlab/bench/stats"
)

// outsider is the contestant from outside that ours are held against.
const outsider = "client-go"

// A series is one figure of one arm, block by block.
type series struct {
	name     string            // the name without buffer
	workload string            // also without the option that varies
	options  map[string]string // all key=value parts of the name
	buffer   string
	values   []float64 // NaN for a block without
	missing  Missing
}

// collect returns the series of one unit, ordered as rows. The i-th value
// of two series of one run is from the same block, as a block writes one line
// per arm.
func (r *Results) collect(unit, varies string) []*series {
	var all []*series
	byName := map[string]*series{}
	for _, record := range r.records {
		s := byName[string(record.Name)]
		if s == nil {
			s = newSeries(record.Name, varies)
			byName[string(record.Name)] = s
			all = append(all, s)
		}
		value, ok := record.Value(unit)
		if !ok {
			value = math.NaN()
			s.missing.Blocks++
			if lateIn(record) {
				s.missing.Late++
			}
		}
		s.missing.Name, s.missing.Of = s.buffer, s.missing.Of+1
		s.values = append(s.values, value)
	}
	all = slices.DeleteFunc(all, func(s *series) bool { return s.missing.Blocks == s.missing.Of })
	slices.SortStableFunc(all, func(a, b *series) int { return CompareNames(a.name, b.name) })
	return all
}

func newSeries(name benchfmt.Name, varies string) *series {
	base, parts := name.Parts()
	s := &series{name: string(base), workload: string(base), options: map[string]string{}}
	for _, part := range parts {
		key, value, _ := strings.Cut(strings.TrimPrefix(string(part), "/"), "=")
		s.options[key] = value
		if key != "buffer" {
			s.name += string(part)
		}
		if key != "buffer" && key != varies {
			s.workload += string(part)
		}
	}
	s.buffer = s.options["buffer"]
	return s
}

// writeDerived writes the figures that compare rows with one another: what one
// more listener costs, how much throughput a stalled handler leaves to the
// others, how much a growing backlog freezes them, how many times client-go's
// throughput a buffer reaches, and which latencies are not to be trusted.
func (r *Results) writeDerived(w *bytes.Buffer) {
	lines := slices.Concat(r.listenerCost(), r.stallKept(), r.stallBytes(), r.frozen(), r.timesOutsider(),
		r.bounds())
	if len(lines) == 0 {
		return
	}
	w.WriteString("\nwhat follows from them\n")
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
}

// listenerCost gives (time at N listeners − time at 0) / N, the median over blocks.
func (r *Results) listenerCost() []string {
	all := r.collect("sec/event", "listeners")
	var lines []string
	for _, listeners := range optionValues(all, "listeners") {
		n, err := strconv.Atoi(listeners)
		if err != nil || n == 0 {
			continue
		}
		costs := map[string]float64{}
		var parts []string
		for _, s := range all {
			zero := find(all, s.workload, s.buffer, "listeners", "0")
			if s.options["listeners"] != listeners || zero == nil {
				continue
			}
			perListener := func(at, none float64) float64 { return (at - none) / float64(n) }
			cost := stats.Median(paired(s, zero, perListener))
			costs[s.buffer] = cost
			scaled := benchunit.Scale(cost, benchunit.Decimal)
			parts = append(parts, fmt.Sprintf("%s %ss", r.losses.label(s.buffer), scaled))
		}
		if len(parts) == 0 {
			continue
		}
		line := fmt.Sprintf("  one listener costs, per event, (listeners=%d − listeners=0)/%d: %s",
			n, n, strings.Join(parts, ", "))
		if ours, theirs := costs[DefaultBase], costs[outsider]; ours > 0 && theirs > 0 {
			line += fmt.Sprintf("; %s is %.2f of %s", DefaultBase, ours/theirs, outsider)
		}
		lines = append(lines, line)
	}
	return lines
}

// stallKept gives the others' throughput beside stalled handlers as a share of
// the control's.
func (r *Results) stallKept() []string {
	all := r.collect("others-sec/event", "stalled")
	var told byWorkload
	for _, s := range all {
		control := find(all, s.workload, s.buffer, "stalled", "0")
		if s.options["stalled"] == "0" || control == nil {
			continue
		}
		kept := stats.Median(paired(control, s, func(free, stalled float64) float64 { return free / stalled }))
		told.add(s.workload, fmt.Sprintf("%s %.0f %%", r.losses.label(s.buffer), 100*kept))
	}
	return told.lines("  throughput the others keep beside a stalled handler")
}

// byWorkload collects what is said of each workload, in the order in which they come.
type byWorkload struct {
	workloads []string
	parts     map[string][]string
}

func (b *byWorkload) add(workload, part string) {
	if b.parts == nil {
		b.parts = map[string][]string{}
	}
	if !slices.Contains(b.workloads, workload) {
		b.workloads = append(b.workloads, workload)
	}
	b.parts[workload] = append(b.parts[workload], part)
}

// lines returns a line for each workload, which has its name if there are several.
func (b *byWorkload) lines(what string) (lines []string) {
	for _, workload := range b.workloads {
		name := ""
		if len(b.workloads) > 1 {
			name = ", " + workload
		}
		lines = append(lines, what+name+": "+strings.Join(b.parts[workload], ", "))
	}
	return lines
}

// stallBytes gives the bytes that each pending notification adds to what the
// pipeline keeps anyway once it has handled the same events without a stall. With
// few pending, as where some are lost, that would be noise.
func (r *Results) stallBytes() []string {
	kept, pending := r.collect("retained-B", "stalled"), r.collect("pending", "stalled")
	bytes := map[string]map[string]float64{} // by workload and buffer
	var told byWorkload
	for _, s := range r.collect("B/pending", "stalled") {
		control := find(kept, s.workload, s.buffer, "stalled", "0")
		backlog := find(pending, s.workload, s.buffer, "stalled", s.options["stalled"])
		if control == nil || backlog == nil || r.losses[s.buffer] != "" {
			continue
		}
		keeps := &series{values: paired(control, backlog, func(kept, n float64) float64 { return kept / n })}
		added := stats.Median(paired(s, keeps, func(all, kept float64) float64 { return all - kept }))
		if bytes[s.workload] == nil {
			bytes[s.workload] = map[string]float64{}
		}
		bytes[s.workload][s.buffer] = added
		told.add(s.workload, fmt.Sprintf("%s %.1f", r.losses.label(s.buffer), added))
	}
	lines := told.lines("  bytes per pending notification, above what the control keeps")
	for i, workload := range told.workloads {
		if ours, theirs := bytes[workload][DefaultBase], bytes[workload][outsider]; ours > 0 && theirs > 0 {
			lines[i] += fmt.Sprintf("; %s is %.2f of %s", DefaultBase, ours/theirs, outsider)
		}
	}
	return lines
}

// frozen gives the others' worst latencies beside stopped handlers as multiples
// of the control's.
func (r *Results) frozen() []string {
	var lines []string
	for _, unit := range []string{"p99.9-sec", "max-sec"} {
		all := r.collect(unit, "stalled")
		var told byWorkload
		for _, s := range all {
			control := find(all, s.workload, s.buffer, "stalled", "0")
			if s.options["stalled"] == "0" || control == nil {
				continue
			}
			if s.missing.Any() || control.missing.Any() {
				told.add(s.workload, r.losses.label(s.buffer)+" ? ("+lacking(s, control)+")")
				continue
			}
			factor := stats.Median(s.values) / stats.Median(control.values)
			told.add(s.workload, r.losses.label(s.buffer)+" "+times(factor))
		}
		lines = append(lines, told.lines(fmt.Sprintf("  the others' %s beside a stopped handler, times the control's",
			strings.TrimSuffix(unit, "-sec")))...)
	}
	return lines
}

// lacking tells what is missing of stopped handlers' neighbours, or of the control.
func lacking(s, control *series) string {
	if s.missing.Any() {
		return s.missing.Text()
	}
	return "control: " + control.missing.Text()
}

// timesOutsider gives events per second as a multiple of client-go's.
func (r *Results) timesOutsider() []string {
	all := r.collect("sec/event", "")
	var lines, workloads []string
	for _, s := range all {
		theirs := find(all, s.workload, outsider, "buffer", outsider)
		if theirs == nil || slices.Contains(workloads, s.workload) {
			continue
		}
		workloads = append(workloads, s.workload)
		var parts []string
		for _, ours := range all {
			if ours.workload == s.workload && ours.buffer != outsider {
				factor := stats.Median(paired(theirs, ours, func(a, b float64) float64 { return a / b }))
				parts = append(parts, r.losses.label(ours.buffer)+" "+times(factor))
			}
		}
		if len(parts) > 0 {
			lines = append(lines, fmt.Sprintf("  events per second, times %s's, %s: %s", outsider,
				strings.TrimPrefix(s.workload, "Pipeline/workload="), strings.Join(parts, ", ")))
		}
	}
	return lines
}

// boundShare is how much of a measured p99 the generator's own p99 lateness may
// be: a tenth, so that the contestant's part is right to about that. Where it was
// late by much in absolute terms too, the run was spoiled and has no latency.
const boundShare = 0.1

// bounds tells of which open loops the p99 is only a bound, because much of it is
// the generator's lateness.
func (r *Results) bounds() []string {
	late := r.collect("generator-late-p99-sec", "")
	var lines []string
	for _, s := range r.collect("p99-sec", "") {
		generator := find(late, s.workload, s.buffer, "buffer", s.buffer)
		if generator == nil {
			continue
		}
		// Blocks may lack either figure, so they are not paired.
		share := stats.Median(generator.values) / stats.Median(s.values)
		if share > boundShare {
			workload := strings.TrimPrefix(s.workload, "Pipeline/workload=")
			lines = append(lines, fmt.Sprintf("  %s, %s: the generator was late by %.0f %% of the p99, "+
				"which is a bound only", workload, s.buffer, 100*share))
		}
	}
	return lines
}

// optionValues returns the distinct values of an option in the order of all.
func optionValues(all []*series, option string) []string {
	var values []string
	for _, s := range all {
		if v, has := s.options[option]; has && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

func find(all []*series, workload, buffer, option, value string) *series {
	for _, s := range all {
		if s.workload == workload && s.buffer == buffer && s.options[option] == value {
			return s
		}
	}
	return nil
}

// paired applies f block by block, as far as both series go.
func paired(a, b *series, f func(a, b float64) float64) []float64 {
	var values []float64
	for i := range min(len(a.values), len(b.values)) {
		values = append(values, f(a.values[i], b.values[i]))
	}
	return values
}
