package fidelity

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"informerlab/core/event"
)

// Law says what is asked of a take.
type Law uint8

const (
	// Same: both sides made the same calls, in the take's Order.
	Same Law = iota
	// Begun: the calls race with a close. On each side they are a beginning
	// of what a handler that was not closed got (Owed).
	Begun
	// Joined: the handler joined while events flowed. On each side it got
	// adds of an initial list, all objects of one moment, and then what a
	// handler that was there got from that moment on (Owed).
	Joined
)

// Under Begun and Joined updates that change nothing are left out: which
// handlers get them depends on their resync periods.

// A Take is what one handler was called with in one span of time.
type Take struct {
	When    string
	Handler int
	Law     Law
	Order   Order
	Calls   [2][]Call
	Owed    [2][]Call               // what a witness got; not for Same
	Cached  [2]map[event.Key]string // before the first call; for Joined
}

// A Note is something else that must be the same on both sides.
type Note struct {
	When, What   string
	Ours, Theirs string
}

// A Recording is all that was observed of a history.
type Recording struct {
	Takes []Take
	Notes []Note
}

// Calls returns the number of calls that both sides made, all handlers together.
func (r *Recording) Calls() (n int) {
	for i := range r.Takes {
		n += len(r.Takes[i].Calls[0]) + len(r.Takes[i].Calls[1])
	}
	return n
}

// Judge returns all differences, in order of time, or nil.
func (r *Recording) Judge() error {
	var errs []error
	for i := range r.Takes {
		if d := r.Takes[i].judge(); d != "" {
			errs = append(errs, fmt.Errorf("%s: handler %d: %s", r.Takes[i].When, r.Takes[i].Handler, d))
		}
	}
	for _, n := range r.Notes {
		if n.Ours != n.Theirs {
			errs = append(errs, fmt.Errorf("%s: %s: ours %s, client-go's %s", n.When, n.What, n.Ours, n.Theirs))
		}
	}
	return errors.Join(errs...)
}

func (t *Take) judge() string {
	if t.Law == Same {
		return t.Order.difference(t.Calls[0], t.Calls[1])
	}
	for side, name := range [2]string{"ours", "client-go"} {
		calls, owed := changes(t.Calls[side]), changes(t.Owed[side])
		d := ""
		if t.Law == Begun {
			d = notBegun(calls, owed)
		} else {
			d = notJoined(calls, owed, t.Cached[side])
		}
		if d != "" {
			return name + ": " + d
		}
	}
	return ""
}

// notBegun says why calls are not a beginning of what was owed.
func notBegun(calls, owed []Call) string {
	if len(calls) > len(owed) {
		return fmt.Sprintf("%d calls, only %d were owed; one too many is %q",
			len(calls), len(owed), calls[len(owed)])
	}
	for i, c := range calls {
		if c != owed[i] {
			return fmt.Sprintf("call %d: made %q, owed %q", i, c, owed[i])
		}
	}
	return ""
}

// changes returns the calls that are not updates that change nothing.
func changes(calls []Call) []Call {
	return slices.DeleteFunc(slices.Clone(calls), Call.sync)
}

// notJoined says how a handler that joined late got a gap, a duplicate or
// something that never was.
func notJoined(calls, owed []Call, cached map[event.Key]string) string {
	seen := map[event.Key]string{}
	live := slices.IndexFunc(calls, func(c Call) bool { return !c.Initial })
	if live < 0 {
		live = len(calls)
	}
	for _, c := range calls[:live] {
		if _, twice := seen[c.Key]; twice || c != (Call{Kind: event.Add, Key: c.Key, New: c.New, Initial: true}) {
			return fmt.Sprintf("%q in the replay after a join (replayed already: %t)", c, twice)
		}
		seen[c.Key] = c.New
	}
	if missed := len(owed) - len(calls[live:]); missed < 0 {
		return fmt.Sprintf("%d calls after the replay, only %d were owed", len(calls[live:]), len(owed))
	} else if d := notBegun(calls[live:], owed[missed:]); d != "" {
		return "after a join, " + d
	}
	state := maps.Clone(cached)
	for _, c := range owed[:len(owed)-len(calls[live:])] {
		if state[c.Key] = c.New; c.Kind == event.Delete {
			delete(state, c.Key)
		}
	}
	if !maps.Equal(seen, state) {
		return fmt.Sprintf("the replay after a join was %s, what follows continues %s",
			content(seen), content(state))
	}
	return ""
}

// content prints keys and versions, sorted.
func content(versions map[event.Key]string) string {
	var parts []string
	for key, version := range versions {
		parts = append(parts, key.String()+"="+version)
	}
	slices.Sort(parts)
	return "[" + strings.Join(parts, " ") + "]"
}
