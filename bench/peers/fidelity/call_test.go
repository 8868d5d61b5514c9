package fidelity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"informerlab/core/event"
)

// A Call is one call of a handler, in a form that both sides can report.
type Call struct {
	Kind     event.Kind
	Key      event.Key
	Old, New string // resource versions; empty where there is no object
	Initial  bool   // the add belongs to an initial list
	Unknown  bool   // the delete was inferred from a relist
}

// String returns the call in one line: "update ns/a 3>5".
func (c Call) String() string {
	s := fmt.Sprintf("%s %s %s>%s", c.Kind, c.Key, c.Old, c.New)
	if c.Initial {
		s += " initial"
	}
	if c.Unknown {
		s += " final-state-unknown"
	}
	return s
}

// sync reports whether the call is an update that changes nothing.
func (c Call) sync() bool { return c.Kind == event.Update && c.Old == c.New }

// Order says how the calls of one take are compared.
type Order uint8

const (
	// Strict compares call by call; only runs of inferred deletes are
	// compared key by key.
	Strict Order = iota
	// LooseInitial also compares runs of initial adds key by key.
	LooseInitial
	// LooseSync also compares runs of updates that change nothing key by key.
	LooseSync
	// LooseList compares all but inferred deletes key by key: the take is
	// one relist whose items came in no order.
	LooseList
	// ByKey compares the whole take key by key.
	ByKey
	// KindOnly compares the calls without their keys and versions: they are
	// the first of a group that has no order and was cut off.
	KindOnly
	// CountOnly compares the number of calls: they are the first of a relist
	// whose items came in no order, and was cut off.
	CountOnly
)

// group returns the number of the group that a call belongs to under an order;
// calls of one run of the same group are compared key by key. 0 = none.
func (o Order) group(c Call) int {
	switch {
	case o == ByKey:
		return 1
	case c.Kind == event.Delete && c.Unknown:
		return 2
	case o == LooseList:
		return 3
	case o == LooseInitial && c.Initial:
		return 4
	case o == LooseSync && c.sync():
		return 5
	}
	return 0
}

// canonical returns the calls with each run that has no order of its own sorted
// by key, so that what has to be equal is equal. Calls of one key keep their order.
func (o Order) canonical(calls []Call) []Call {
	sorted := slices.Clone(calls)
	for i, c := range sorted {
		switch o {
		case KindOnly:
			sorted[i] = Call{Kind: c.Kind, Initial: c.Initial, Unknown: c.Unknown}
		case CountOnly:
			sorted[i] = Call{}
		}
	}
	for from := 0; from < len(sorted); {
		to, group := from+1, o.group(sorted[from])
		for group != 0 && to < len(sorted) && o.group(sorted[to]) == group {
			to++
		}
		slices.SortStableFunc(sorted[from:to], func(a, b Call) int {
			return cmp.Or(strings.Compare(a.Key.Namespace, b.Key.Namespace), strings.Compare(a.Key.Name, b.Key.Name))
		})
		from = to
	}
	return sorted
}

// difference describes the first difference between two takes; "" = none.
func (o Order) difference(ours, theirs []Call) string {
	a, b := o.canonical(ours), o.canonical(theirs)
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return fmt.Sprintf("call %d: we made none, client-go made %q", i, b[i])
		case i >= len(b):
			return fmt.Sprintf("call %d: we made %q, client-go made none", i, a[i])
		case a[i] != b[i]:
			return fmt.Sprintf("call %d: we made %q, client-go made %q", i, a[i], b[i])
		}
	}
	return ""
}
