package arrival

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// A Process says when events are due. Processes are immutable values that can
// be compared with == and used by any number of goroutines, each with an rng of
// its own.
type Process interface {
	// String returns the process with all its parameters on one line, such as
	// "bursts(20000/s, peak 10, period 250ms)".
	String() string
	// Rate returns the events per second on average, over a whole cycle.
	Rate() float64
	// Times returns the intended times of events after the start, ascending,
	// where equal ones are allowed. They never end. All chance comes from rng,
	// which may be nil for Constant, Relist and Recorded; ranging twice over one
	// sequence goes on with the rng where it is.
	Times(rng *rand.Rand) iter.Seq[time.Duration]
}

// Options are what New builds a process from. What a process has no use for is
// ignored. Errors call PerSecond "rate".
type Options struct {
	// PerSecond is the mean rate, above 0 and at most 10 million. Of Recorded it
	// may be 0: as recorded.
	PerSecond float64
	// Peak is the highest rate as a multiple of the mean: of Bursts 1 to 1000, by
	// default 10; of Ramp and Sine 1 to 2, by default 1.8. 0 = default.
	Peak float64
	// Period is the mean cycle of Bursts, by default 250 ms; the time that a Ramp
	// takes or a Sine's day, 2 s; the time between batches of Relist, 500 ms. But
	// for Relist it has to hold one event or more on average. 0 = default.
	Period time.Duration
	// Times are those of Recorded, as NewRecorded takes them.
	Times []time.Duration
}

const (
	maxRate   = 10_000_000
	maxBursts = 1000 // times the mean: beyond, each burst is an instant
	maxCurve  = 2    // times the mean: beyond, the lowest rate would be below 0
	maxTime   = time.Duration(1 << 62)
)

// A kind is a process by name with its defaults; 0 where it has no such option.
type kind struct {
	name          string
	peak, maxPeak float64
	period        time.Duration
	cycles        bool // has a rate that goes up and down within a period
	build         func(Options) Process
}

// kinds is the one list of processes that are built from numbers alone.
var kinds = []kind{
	{name: "constant", build: func(o Options) Process { return Constant{o.PerSecond} }},
	{name: "poisson", build: func(o Options) Process { return Poisson{o.PerSecond} }},
	{name: "bursts", peak: 10, maxPeak: maxBursts, period: 250 * time.Millisecond, cycles: true,
		build: func(o Options) Process { return Bursts{o.PerSecond, o.Peak, o.Period} }},
	{name: "ramp", peak: 1.8, maxPeak: maxCurve, period: 2 * time.Second, cycles: true,
		build: func(o Options) Process { return Ramp{o.PerSecond, o.Peak, o.Period} }},
	{name: "sine", peak: 1.8, maxPeak: maxCurve, period: 2 * time.Second, cycles: true,
		build: func(o Options) Process { return Sine{o.PerSecond, o.Peak, o.Period} }},
	{name: "relist", period: 500 * time.Millisecond,
		build: func(o Options) Process { return Relist{o.PerSecond, o.Period} }},
}

const recorded = "recorded"

// Kinds returns the names that New knows.
func Kinds() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return append(names, recorded)
}

// New returns the process of a kind, one of Kinds. Its errors are one line and
// name the option and what was expected of it.
func New(name string, o Options) (Process, error) {
	if name == recorded {
		r, err := NewRecorded(o.Times, o.PerSecond)
		if err != nil {
			return nil, err
		}
		return r, nil
	}
	for _, k := range kinds {
		if k.name != name {
			continue
		}
		o = k.fill(o)
		if err := k.check(o); err != nil {
			return nil, fmt.Errorf("arrival: %s: %w", name, err)
		}
		return k.build(o), nil
	}
	return nil, fmt.Errorf("arrival: unknown process %q: expected one of %s", name, strings.Join(Kinds(), ", "))
}

func (k *kind) fill(o Options) Options {
	if o.Peak == 0 {
		o.Peak = k.peak
	}
	if o.Period == 0 {
		o.Period = k.period
	}
	return o
}

func (k *kind) check(o Options) error {
	if err := checkRate(o.PerSecond); err != nil {
		return err
	}
	switch {
	case k.peak > 0 && !(o.Peak >= 1 && o.Peak <= k.maxPeak):
		return fmt.Errorf("peak=%v: expected 1 to %v times the rate", o.Peak, k.maxPeak)
	case k.period > 0 && (o.Period <= 0 || o.Period > maxTime):
		return fmt.Errorf("period=%v: expected more than 0 and at most %v", o.Period, maxTime)
	case k.cycles && o.PerSecond*o.Period.Seconds() < 1:
		return fmt.Errorf("period=%v: expected one that holds an event or more at rate=%s",
			o.Period, number(o.PerSecond))
	}
	return nil
}

func checkRate(perSecond float64) error {
	if !(perSecond > 0 && perSecond <= maxRate) {
		return fmt.Errorf("rate=%s: expected more than 0 and at most %d events per second",
			number(perSecond), maxRate)
	}
	return nil
}

// number prints a rate without an exponent.
func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// label prints a process: its name, its rate, then pairs of a parameter's name
// and value.
func label(name string, perSecond float64, parameters ...any) string {
	s := name + "(" + number(perSecond) + "/s"
	for i := 0; i < len(parameters); i += 2 {
		s += fmt.Sprintf(", %s %v", parameters[i], parameters[i+1])
	}
	return s + ")"
}
