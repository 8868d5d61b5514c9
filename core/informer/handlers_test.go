package informer_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"informerlab/core/event"
	"informerlab/core/informer"
	"informerlab/core/source"
)

// noted is a handler that keeps its calls as notifications.
type noted struct{ calls []string }

func (h *noted) note(n event.Notification) { h.calls = append(h.calls, n.String()) }

func (h *noted) take() []string {
	calls := h.calls
	h.calls = nil
	return calls
}

func (h *noted) OnAdd(o event.Object, initial bool) {
	n := event.Notification{New: o, Kind: event.Add}
	if initial {
		n.Flags = event.Initial
	}
	h.note(n)
}

func (h *noted) OnUpdate(old, new event.Object) {
	h.note(event.Notification{Old: old, New: new, Kind: event.Update})
}

func (h *noted) OnDelete(o event.Object, unknown bool) {
	n := event.Notification{Old: o, Kind: event.Delete}
	if unknown {
		n.Flags = event.FinalStateUnknown
	}
	h.note(n)
}

// thing returns an object; its value is what filters look at.
func thing(version, value string) *source.Item {
	return &source.Item{Namespace: "n", Name: "a", ResourceVersion: version, Value: value}
}

// all makes every kind of call.
func all(h informer.Handler) {
	h.OnAdd(thing("1", ""), true)
	h.OnAdd(thing("2", ""), false)
	h.OnUpdate(thing("2", ""), thing("3", ""))
	h.OnDelete(thing("3", ""), true)
	h.OnDelete(thing("4", ""), false)
}

func TestDetailedFuncsHearEverything(t *testing.T) {
	var got noted
	all(informer.DetailedFuncs{Add: got.OnAdd, Update: got.OnUpdate, Delete: got.OnDelete})
	assert.Equal(t, []string{
		"add n/a ->1 initial", "add n/a ->2", "update n/a 2>3", "delete n/a 3>- final-state-unknown", "delete n/a 4>-",
	}, got.calls)
	all(informer.DetailedFuncs{}) // all nil
}

func TestFuncsHearNoFlags(t *testing.T) {
	var got noted
	all(informer.Funcs{
		Add:    func(o event.Object) { got.OnAdd(o, false) },
		Update: got.OnUpdate,
		Delete: func(o event.Object) { got.OnDelete(o, false) },
	})
	assert.Equal(t, []string{
		"add n/a ->1", "add n/a ->2", "update n/a 2>3", "delete n/a 3>-", "delete n/a 4>-",
	}, got.calls)
	all(informer.Funcs{}) // all nil
}

func TestFilteringTellsWhatEntersAndLeaves(t *testing.T) {
	const in, out = "in", "out"
	var got noted
	var filtered []event.Object
	h := informer.Filtering{Handler: &got, Filter: func(o event.Object) bool {
		filtered = append(filtered, o)
		item, ok := o.(*source.Item)
		return ok && item.Value == in
	}}
	for _, c := range []struct {
		name string
		call func()
		want []string
	}{
		{"add in", func() { h.OnAdd(thing("1", in), true) }, []string{"add n/a ->1 initial"}},
		{"add out", func() { h.OnAdd(thing("1", out), true) }, nil},
		{"update in in", func() { h.OnUpdate(thing("1", in), thing("2", in)) }, []string{"update n/a 1>2"}},
		{"update out in", func() { h.OnUpdate(thing("1", out), thing("2", in)) }, []string{"add n/a ->2"}},
		{"update in out", func() { h.OnUpdate(thing("1", in), thing("2", out)) }, []string{"delete n/a 1>-"}},
		{"update out out", func() { h.OnUpdate(thing("1", out), thing("2", out)) }, nil},
		{"delete in", func() { h.OnDelete(thing("1", in), true) }, []string{"delete n/a 1>- final-state-unknown"}},
		{"delete out", func() { h.OnDelete(thing("1", out), false) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.call()
			assert.Equal(t, c.want, got.take())
		})
	}
	filtered = nil
	h.OnDelete(event.Tombstone{Namespace: "n", Name: "a"}, true)
	assert.Equal(t, []event.Object{event.Tombstone{Namespace: "n", Name: "a"}}, filtered,
		"the filter gets the tombstone and must know what to say of it")
}

func TestAdaptersInAPipeline(t *testing.T) {
	tell(t, []story{{"a filtered handler sees its own world", func(s *stage) {
		var got noted
		s.open(informer.Options{})
		reg, err := s.informer.AddHandler(informer.Filtering{
			Filter:  func(o event.Object) bool { return o.(*source.Item).Value == "yes" },
			Handler: &got,
		}, informer.HandlerOptions{})
		assert.NoError(s, err)
		s.start()
		set := func(value string) {
			o := &source.Item{Namespace: "n", Name: "a", Value: value}
			if _, err := s.server.Create(o); err != nil {
				_, err = s.server.Update(o)
				assert.NoError(s, err)
			}
		}
		for _, value := range []string{"no", "yes", "yes", "no", "yes"} {
			set(value)
		}
		s.remove("a")
		synctest.Wait()
		s.informer.ShutDownHandler(reg)
		assert.Equal(s, []string{
			"add n/a ->3", "update n/a 3>4", "delete n/a 4>-", "add n/a ->6", "delete n/a 7>-",
		}, got.take())
	}}})
}
