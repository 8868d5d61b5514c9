package findings

import (
	"fmt"
	"math"
	"slices"
	"text/template"
	"time"

	"informerlab/bench/format"
	"informerlab/bench/worker"
)

// The cases: four handlers on one informer, one of which does what the name says.
// Slow handlers wait instead of computing, so that what neighbours feel is the
// buffer's doing and not that of a busy processor. The freeze is so short that a
// ring which doubles once shows in the 99th percentile.
var (
	misbehaviours = []pipeline{
		{control, "steady:listeners=4,rate=5000,seconds=0.75", allBuffers},
		{"slow", "slow:listeners=4,cost=100us,work=sleep,seconds=0.75", allBuffers},
		{"overload", "overload:listeners=4,utilization=225,cost=450us,work=sleep,seconds=0.75", allBuffers},
		{"stop", "steady:listeners=4,stalled=1,stall=500ms,rate=5000,seconds=0.75", patientBuffers},
		{"freeze", "freeze:listeners=4,prefill=524000,rate=5000,seconds=0.3", patientBuffers},
	}
	// patientBuffers never let anybody wait. The others would stop the whole
	// informer for as long as a handler stops, and the lab refuses to measure that.
	patientBuffers = []string{"reference", outside, "ring", "chunked", "coalescing", "bounded:drop-oldest"}
	allBuffers     = append(slices.Clone(patientBuffers), "bounded:block", "bounded:block-timeout")
)

const control = "nobody"

// The figures of a case.
const (
	neighboursP99 = "neighbours-p99-ns"
	neighboursMax = "neighbours-max-ns"
	generatorLate = "generator-late-p99-ns"
	mostPending   = "pending-max"
	mostBytes     = "bytes-max"
	notTold       = "not-told" // notifications that no handler was told of, merged ones included
)

func slowNeighbours() *Finding {
	return &Finding{
		Name:   "slow-neighbours",
		blocks: 4, pipelines: misbehaviours, figures: neighbourFigures, words: neighbourWords,
		claims: neighbourClaims, figure: neighboursFigure,
		units: []string{neighboursP99, neighboursMax, generatorLate, notTold},
	}
}

func neighbourFigures(r *worker.Result) map[string]float64 {
	latency := r.Neighbours
	if latency == nil {
		latency = r.Latency // nobody misbehaves
	}
	figures := map[string]float64{
		neighboursP99: float64(latency.P99), neighboursMax: float64(latency.Max),
		generatorLate: float64(r.Lateness.P99), notTold: 0,
	}
	if r.Losses != nil {
		figures[notTold] = float64(r.Losses.Overflow + r.Losses.Superseded + r.Losses.Annihilated)
	}
	for _, s := range r.Timeline {
		if s.Pending < 0 {
			break // a contestant that does not tell
		}
		figures[mostPending] = max(figures[mostPending], float64(s.Pending))
		figures[mostBytes] = max(figures[mostBytes], float64(s.Bytes))
	}
	return figures
}

// A buffer does harm where in every block neighbours hear so much later than behind
// the best buffer of the case: by more than a Go timer of an idle process is late,
// and so many times as late.
const (
	harmBy    = float64(time.Millisecond)
	harmTimes = 2
)

// A fate is what became of the neighbours in a case behind a buffer.
type fate struct {
	p99    figure
	best   float64 // behind the best buffer of the case
	harmed bool    // whatever part of it all was the generator's
	bound  bool    // the generator was so late that the figure is no more than a bound
	unsure bool    // so that, or as blocks do not agree, the figure does not tell
}

// spoiled is the rule of worker.Result: the generator was late by more than is small,
// and by more than a tenth of the latency.
func spoiled(late, latency float64) bool { return late > harmBy && late > latency/10 }

func later(own, best float64) bool { return own > best+harmBy && own > best*harmTimes }

// fates returns what became of the neighbours behind a buffer, by the names of cases
// in which it was measured.
func fates(d *Data, name string) map[string]fate {
	all := map[string]fate{}
	for _, c := range misbehaviours {
		own := d.Measured[c.arm(name)]
		if own == nil {
			continue
		}
		f := fate{p99: d.figure(c.arm(name), neighboursP99), best: math.Inf(1), harmed: c.name != control}
		f.bound = spoiled(d.figure(c.arm(name), generatorLate).median, f.p99.median)
		best := ""
		for _, other := range c.buffers {
			if p99 := d.figure(c.arm(other), neighboursP99).median; d.Measured[c.arm(other)] != nil && p99 < f.best {
				f.best, best = p99, c.arm(other)
			}
		}
		for block, sure := range own[neighboursP99] {
			if late := own[generatorLate][block]; spoiled(late, sure) {
				sure -= late
			}
			least := d.Measured[best][neighboursP99][block]
			f.harmed = f.harmed && later(sure, least)
		}
		f.unsure = !f.harmed && (f.bound || later(f.p99.median, f.best))
		all[c.name] = f
	}
	return all
}

// neighbourClaims are what the page concludes.
var neighbourClaims = map[string]claim{
	"reference harms in a freeze only": func(d *Data) bool {
		return slices.Equal(harms(d, "reference"), []string{"freeze"})
	},
	"client-go harms in a freeze only": func(d *Data) bool {
		return d.Measured[misbehaviours[0].arm(outside)] == nil || slices.Equal(harms(d, outside), []string{"freeze"})
	},
	"four buffers are harmless": func(d *Data) bool {
		for _, name := range []string{"ring", "chunked", "coalescing", "bounded:drop-oldest"} {
			all := fates(d, name)
			for _, c := range misbehaviours[1:] { // what the control shows is noise
				if f, measured := all[c.name]; !measured || f.harmed || f.unsure {
					return false
				}
			}
		}
		return true
	},
	"those that block harm in an overload": func(d *Data) bool {
		return fates(d, "bounded:block")["overload"].harmed && fates(d, "bounded:block-timeout")["overload"].harmed
	},
}

// harms returns the cases in which a buffer does harm.
func harms(d *Data, name string) (cases []string) {
	all := fates(d, name)
	for _, c := range misbehaviours {
		if all[c.name].harmed {
			cases = append(cases, c.name)
		}
	}
	return cases
}

func neighbourWords(d *Data) template.FuncMap {
	return template.FuncMap{
		"p99":       func(name, c string) string { return format.Nanoseconds(fates(d, name)[c].p99.median) },
		"best":      func(c string) string { return format.Nanoseconds(fates(d, "reference")[c].best) },
		"harm":      func() string { return format.Nanoseconds(harmBy) },
		"harmTimes": func() int { return harmTimes },
		"latencies": func() (string, error) { return neighboursTable(d) },
		"prices":    func() (string, error) { return pricesTable(d) },
	}
}

func neighboursTable(d *Data) (string, error) {
	head := []string{"neighbours' p99"}
	for _, c := range misbehaviours {
		head = append(head, c.name)
	}
	var table [][]string
	for _, name := range allBuffers {
		all := fates(d, name)
		if len(all) == 0 {
			continue
		}
		cells := []string{"`" + name + "`"}
		for _, c := range misbehaviours {
			f, measured := all[c.name]
			cell := format.None
			if measured {
				cell = f.p99.with(format.Nanoseconds)
			}
			if measured && f.bound {
				cell += " †"
			}
			if f.harmed {
				cell = "**" + cell + "**"
			}
			cells = append(cells, cell)
		}
		longest := format.None
		if arm := misbehaviours[len(misbehaviours)-1].arm(name); d.Measured[arm] != nil {
			longest = format.Nanoseconds(d.figure(arm, neighboursMax).median)
		}
		table = append(table, append(cells, longest))
	}
	return markdown(append(head, "freeze, longest"), table)
}

// pricesTable shows what waits at most for all handlers, and what is not told, in the
// cases that ask most of a buffer.
func pricesTable(d *Data) (string, error) {
	cases := []pipeline{misbehaviours[2], misbehaviours[len(misbehaviours)-1]}
	head := []string{"what waits, what it takes, what is not told"}
	for _, c := range cases {
		head = append(head, c.name+": waiting", "bytes", "not told")
	}
	var table [][]string
	for _, name := range allBuffers {
		cells := []string{"`" + name + "`"}
		for _, c := range cases {
			cell := func(unit string, render func(float64) string) string {
				if d.Measured[c.arm(name)][unit] == nil {
					return format.None
				}
				return render(d.figure(c.arm(name), unit).median)
			}
			cells = append(cells, cell(mostPending, whole), cell(mostBytes, format.Bytes),
				cell(notTold, whole))
		}
		table = append(table, cells)
	}
	return markdown(head, table)
}

func whole(v float64) string { return fmt.Sprintf("%.0f", v) }
