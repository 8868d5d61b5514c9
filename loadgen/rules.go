package loadgen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"informerlab/loadgen/arrival"
	"informerlab/loadgen/cost"
)

// An optionRule is about options that do not go together. What merely has no effect is
// allowed, so that a control switches off one option and leaves the others as
// they are.
type optionRule struct {
	option   string   // that is to blame
	with     []string // options that the message tells beside it
	broken   func(w *Workload) bool
	expected string
}

var optionRules = []optionRule{
	{"stalled", []string{"listeners"}, func(w *Workload) bool {
		return w.Stalled > 0 && w.Stall == 0 && w.Stalled >= w.Listeners
	}, "fewer, so that at least one runs, or a stall that ends"},
	{"stalled", []string{"listeners"}, func(w *Workload) bool { return w.Stalled > w.Listeners },
		"no more than listeners"},
	{"slow", []string{"listeners"}, func(w *Workload) bool { return w.Slow > w.Listeners },
		"no more than listeners"},
	{"listeners", nil, func(w *Workload) bool { return w.Listeners == 0 && w.paced() },
		"at least one, whose latency is measured"},
	{"workers", []string{"listeners"}, func(w *Workload) bool { return w.Workers > 0 && w.Listeners == 0 },
		"a listener that fills their queue"},
	{"visitors", []string{"listeners"}, func(w *Workload) bool { return w.Visitors > 0 && w.Listeners == 0 },
		"a listener that stays, until which visitors come"},
	{"visitors", nil, func(w *Workload) bool { return w.Visitors > 0 && w.Visitors < 0.01 },
		"0, or at least 0.01 a second"},
	{"stall", []string{"prefill"}, func(w *Workload) bool {
		return w.Stall > 0 && w.Stalled > 0 && w.Prefill > 0
	}, "one of the two, the other 0: the first live call is of the prefill, before the clock starts"},
	{"cost", nil, func(w *Workload) bool { return w.Cost > cost.MaxMean }, "no more than 1m"},
	// Informers raise a shorter period to a second (client-go's minimumResyncPeriod).
	{"resync", nil, func(w *Workload) bool { return w.Resync > 0 && w.Resync < time.Second },
		"0s, or at least 1s"},
	{"relists", []string{"prefill"}, func(w *Workload) bool { return w.Relists > 0 && w.Prefill > 0 },
		"one of the two, the other 0"},
	{"relists", []string{"keys"}, func(w *Workload) bool {
		return w.synthetic() && w.Relists > 0 && w.Relists*w.Keys > maxEvents
	}, fmt.Sprintf("lists of at most %d objects together", maxEvents)},
	{"size", []string{"keys", "events"}, func(w *Workload) bool { return w.synthetic() && w.payload() > maxPayload },
		fmt.Sprintf("objects of at most %d bytes together, which are made beforehand", maxPayload)},
	{"relists", []string{"events"}, func(w *Workload) bool { return w.synthetic() && w.Relists > w.EventCount() },
		"no more than there are events"},

	{"skew", []string{"pick"}, func(w *Workload) bool {
		return isOne(w.Pick, "zipf", "recent") && (w.Skew == 0 || w.Skew > 10)
	}, "an exponent above 0 and up to 10"},
	{"skew", []string{"pick"}, func(w *Workload) bool { return w.Pick == "hot" && w.Skew == 0 },
		"a percentage of events above 0"},
	{"hot", []string{"pick"}, func(w *Workload) bool { return w.Pick == "hot" && (w.Hot == 0 || w.Hot == 100) },
		"a percentage of keys above 0 and below 100"},
	{"churn", []string{"grow", "shrink"}, func(w *Workload) bool { return w.Churn+w.Grow+w.Shrink > 100 },
		"no more than 100 percent together"},

	{"utilization", []string{"rate"}, func(w *Workload) bool { return w.Utilization > 0 && w.Rate > 0 },
		"one of the two, the other 0"},
	{"utilization", []string{"cost"}, func(w *Workload) bool { return w.Utilization > 0 && w.Cost == 0 },
		"handlers with a cost, of which it is a share"},
	{"utilization", []string{"cost"}, func(w *Workload) bool { return w.MeanRate() > maxRate },
		fmt.Sprintf("at most %d events per second", maxRate)},
	{"arrival", []string{"rate"}, func(w *Workload) bool {
		return w.Arrival != "" && !w.replays() && !w.paced() && w.Mix == ""
	}, "a rate or a utilization above 0"},
	{"peak", []string{"arrival"}, func(w *Workload) bool {
		return w.Peak > 0 && w.Peak < 1 || w.Peak > 2 && isOne(w.Arrival, "ramp", "sine")
	}, "0, or from 1, and of ramp and sine to 2: the lowest rate is as far below the average"},
	{"period", []string{"arrival", "rate", "peak"}, func(w *Workload) bool {
		if !w.paced() || w.Arrival == recordedArrival {
			return false
		}
		_, err := arrival.New(cmp.Or(w.Arrival, arrivalWords[0]), arrival.Options{
			PerSecond: w.MeanRate(), Peak: w.Peak, Period: w.Period,
		})
		return err != nil
	}, "a time in which an event or more comes"},
	{"seconds", []string{"rate"}, func(w *Workload) bool { return w.Seconds > 0 && !w.paced() },
		"a rate or a utilization above 0, which lasts so long"},
	{"seconds", []string{"events"}, func(w *Workload) bool { return w.Seconds > 0 && w.Events > 0 },
		"one of the two, the other 0 or auto"},
	{"prefill", []string{"events"}, func(w *Workload) bool { return w.synthetic() && w.Prefill > w.EventCount() },
		"no more than there are events"},
	{"prefill", []string{"rate", "seconds"}, func(w *Workload) bool {
		return w.synthetic() && w.EventCount() > maxEvents
	}, fmt.Sprintf("at most %d events in all", maxEvents)},

	{"speed", []string{"arrival", "rate"}, func(w *Workload) bool { return w.Speed > 0 && !w.replays() },
		"max, as only a replay has a speed: arrival=recorded and no rate"},
	{"trace", []string{"arrival"}, func(w *Workload) bool { return w.Trace != "" && w.Arrival != recordedArrival },
		"none, or arrival=recorded"},
	{"mix", nil, func(w *Workload) bool { return w.Mix != "" && !mixable(w.Mix) },
		"different built-in workloads joined by +, no mixes and no replays, none with a prefill"},
}

// maxPayload is what the objects of a load may weigh, so that a slip of the keyboard
// ends in a message instead of swapping.
const maxPayload = 4 << 30

// payload returns how many bytes the objects of a load have at most, roughly: each
// event brings a new one until a key has gone through its versions.
func (w *Workload) payload() int {
	objects := w.Keys + w.EventCount()
	if w.Grow == 0 {
		objects = min(objects, w.Keys*MinVersions)
	}
	return objects * w.Size
}

func isOne(s string, all ...string) bool { return slices.Contains(all, s) }

// paced reports whether the workload itself says how fast events come.
func (w *Workload) paced() bool { return w.Rate > 0 || w.Utilization > 0 }

// replays reports whether the events are those of a trace, and not drawn ones that
// come when those of a trace did, at another rate.
func (w *Workload) replays() bool { return w.Arrival == recordedArrival && !w.paced() }

// synthetic reports whether the events are drawn as the workload's own options
// say, and not those of a trace or of the parts of a mix.
func (w *Workload) synthetic() bool { return !w.replays() && w.Mix == "" }

// mixable reports whether a mix has only parts that are built in and have events
// of their own. All begin at once, so none has a prefill.
func mixable(mix string) bool {
	parts := strings.Split(mix, "+")
	for i, part := range parts {
		w, err := readBuiltin(part)
		if err != nil || !w.synthetic() || w.Prefill > 0 || slices.Contains(parts[:i], part) {
			return false
		}
	}
	return true
}

// check returns the first rule that is broken, told about the option to blame.
func (w *Workload) check() *misfit {
	for _, r := range optionRules {
		if r.broken(w) {
			return w.blame(r.option, r.with, r.expected)
		}
	}
	if w.synthetic() {
		return nil
	}
	from, own := "arrival", []string{"objects", "seed", "arrival", "speed", "trace", "mix"}
	if w.Mix != "" {
		from, own = "mix", []string{"objects", "seed", "mix"}
	}
	for _, g := range optionGroups[1:] { // who listens is the workload's own
		for _, o := range g.options {
			if !slices.Contains(own, o.name) && o.get(w) != o.get(&defaultWorkload) {
				return w.blame(o.name, []string{from}, o.get(&defaultWorkload)+", as the events come from elsewhere")
			}
		}
	}
	return nil
}

// A misfit is a setting that cannot be used.
type misfit struct {
	options         []string // that are to blame, the first most of all
	found, expected string
}

// Error returns "found …, expected …".
func (f *misfit) Error() string { return "found " + f.found + ", expected " + f.expected }

func (w *Workload) blame(name string, with []string, expected string) *misfit {
	o, _ := lookup(name)
	found := name + "=" + o.get(w)
	for i, other := range with {
		o, _ := lookup(other)
		sign := ", "
		if i == 0 {
			sign = " with "
		}
		found += sign + other + "=" + o.get(w)
	}
	return &misfit{append([]string{name}, with...), found, expected}
}
