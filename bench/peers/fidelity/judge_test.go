package fidelity

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
	"informerlab/core/source"
)

// A forgery changes one recorded take in a way that must be noticed. It
// reports false if the take does not lend itself to it.
type forgery struct {
	name  string
	forge func(t *Take, i int) bool
}

// forgeries are the ways in which a pipeline could fail to be faithful.
var forgeries = []forgery{
	{"loses a call", func(t *Take, i int) bool {
		t.Calls[0] = slices.Delete(t.Calls[0], i, i+1)
		return true
	}},
	{"makes a call twice", func(t *Take, i int) bool {
		t.Calls[0] = slices.Insert(t.Calls[0], i, t.Calls[0][i])
		return true
	}},
	{"swaps neighbours that have an order", func(t *Take, i int) bool {
		c := t.Calls[0]
		if i+1 == len(c) || c[i] == c[i+1] || t.Law == Joined && c[i+1].Initial {
			return false
		}
		if group := t.Order.group(c[i]); group != 0 && group == t.Order.group(c[i+1]) {
			return false
		}
		c[i], c[i+1] = c[i+1], c[i]
		return true
	}},
	{"swaps two calls for one key", func(t *Take, i int) bool {
		c := t.Calls[0]
		j := slices.IndexFunc(c[i+1:], func(o Call) bool { return o.Key == c[i].Key && o != c[i] })
		if j < 0 {
			return false
		}
		c[i], c[i+1+j] = c[i+1+j], c[i]
		return true
	}},
	{"names another key", func(t *Take, i int) bool {
		t.Calls[0][i].Key.Name += "x"
		return true
	}},
	{"shows another old state", func(t *Take, i int) bool {
		t.Calls[0][i].Old += "0"
		return true
	}},
	{"shows another new state", func(t *Take, i int) bool {
		t.Calls[0][i].New += "0"
		return true
	}},
	{"turns the initial flag", func(t *Take, i int) bool {
		calls := t.Calls[0]
		if t.Law == Joined && (!calls[i].Initial || i+1 == len(calls) || !calls[i+1].Initial) {
			return false // it may as well have joined after that call, or just before it
		}
		t.Calls[0][i].Initial = !t.Calls[0][i].Initial
		return true
	}},
	{"turns the tombstone flag", func(t *Take, i int) bool {
		t.Calls[0][i].Unknown = !t.Calls[0][i].Unknown
		return true
	}},
	{"calls another method", func(t *Take, i int) bool {
		t.Calls[0][i].Kind = t.Calls[0][i].Kind%event.Delete + 1
		return true
	}},
	{"goes on after the close", func(t *Take, _ int) bool {
		if t.Law != Begun {
			return false
		}
		t.Calls[0] = append(slices.Clone(t.Owed[0]), Call{Kind: event.Add, Key: event.Key{Name: "late"}})
		return true
	}},
	{"replays an object twice to a late handler", func(t *Take, i int) bool {
		if t.Law != Joined || t.Calls[0][i].Kind != event.Add {
			return false
		}
		t.Calls[0] = slices.Insert(t.Calls[0], i, t.Calls[0][i])
		return true
	}},
}

// The judge can fail: recordings of client-go against itself are acquitted, and
// convicted after any single forgery.
func TestJudgeCatchesForgeries(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	caught := map[string]int{}
	for i := range uint64(150) {
		h := RandomHistory(*firstSeed + i)
		recording, err := observe(t, h, [2]maker{newTheirs, newTheirs})
		require.NoError(t, err, h)
		require.NoError(t, recording.Judge(), h)
		for _, f := range forgeries {
			for range 15 {
				if forged := tamper(recording, f, r); forged != nil {
					assert.Error(t, forged.Judge(), "%s, seed %d", f.name, h.Seed)
					caught[f.name]++
				}
			}
		}
	}
	for _, f := range forgeries {
		assert.Greater(t, caught[f.name], 5, "forgery %q was hardly tried", f.name)
	}
}

// tamper returns a copy of a recording with one forged call of our side, or nil.
func tamper(recording *Recording, f forgery, r *rand.Rand) *Recording {
	forged := &Recording{Notes: recording.Notes, Takes: slices.Clone(recording.Takes)}
	if len(forged.Takes) == 0 {
		return nil
	}
	t := &forged.Takes[r.IntN(len(forged.Takes))]
	t.Calls[0] = slices.Clone(t.Calls[0])
	if len(t.Calls[0]) == 0 && f.name == "goes on after the close" && f.forge(t, 0) {
		return forged
	}
	if len(t.Calls[0]) == 0 || t.Order >= KindOnly {
		return nil
	}
	i := r.IntN(len(t.Calls[0]))
	// A call that is missing at the end of what a close cut off is no fault.
	// Where calls race, those that change nothing are not compared.
	last := t.Law == Begun && f.name == "loses a call" && i == len(t.Calls[0])-1
	if last || t.Law != Same && t.Calls[0][i].sync() || !f.forge(t, i) {
		return nil
	}
	return forged
}

// mute is a source whose streams never tell that o3 was deleted. It stands for
// any fault of ours that only some histories show.
type mute struct{ source.Source }

// Watch opens a stream with the deletions left out.
func (m mute) Watch(ctx context.Context, o source.WatchOptions) (source.Watch, error) {
	w, err := m.Source.Watch(ctx, o)
	if err != nil {
		return nil, err
	}
	return muteStream{w}, nil
}

type muteStream struct{ source.Watch }

// Next turns a deletion of o3 into a bookmark.
func (m muteStream) Next(dst []source.Event) int {
	n := m.Watch.Next(dst)
	for i, e := range dst[:n] {
		if e.Type == source.Deleted && e.Object.GetName() == "o3" {
			dst[i] = source.Event{Type: source.Bookmark, Object: source.Version(e.Object.GetResourceVersion())}
		}
	}
	return n
}

// leaky is a buffer that loses one item in 40.
type leaky struct {
	buffer.Buffer[event.Notification]
	pushed int
}

// Push passes items on, or not.
func (l *leaky) Push(items []event.Notification) {
	var kept []event.Notification
	for _, n := range items {
		if l.pushed++; l.pushed%40 != 0 {
			kept = append(kept, n)
		}
	}
	if len(kept) > 0 {
		l.Buffer.Push(kept)
	}
}

// The judge convicts faults in running pipelines, within few histories, and
// shrinking finds what it takes to show them.
func TestJudgeConvictsFaults(t *testing.T) {
	culprits := map[string]struct {
		maker maker
		steps int // that are left of the shrunk history, at most
	}{
		"never sees o3 deleted": {
			func(s source.Source, h *History) (pipeline, error) { return newTheirs(mute{s}, h) }, 2,
		},
		"buffer loses one in 40": {
			newOurs(processor.PerListener(func(p buffer.Params[event.Notification]) buffer.Buffer[event.Notification] {
				return &leaky{Buffer: buffer.NewReference(p)}
			})), 12,
		},
	}
	for name, culprit := range culprits {
		t.Run(name, func(t *testing.T) {
			sides := [2]maker{culprit.maker, newTheirs}
			fails := func(h *History) bool { return verdict(t, h, sides) != nil }
			for i := range uint64(50) {
				if h := RandomHistory(*firstSeed + i); fails(h) {
					small := shrink(h, 300, fails)
					assert.LessOrEqual(t, len(small.Steps), culprit.steps, "shrunk to:\n%s", small)
					return
				}
			}
			t.Error("50 histories did not convict it")
		})
	}
}

// Random histories reach what they are meant to reach.
func TestHistoriesReachEverything(t *testing.T) {
	reached := map[string]int{}
	for i := range uint64(300) {
		h := RandomHistory(*firstSeed + i)
		recording, err := observe(t, h, [2]maker{newTheirs, newTheirs})
		require.NoError(t, err, h)
		for _, s := range h.Steps {
			reached["step "+s.Op.String()]++
		}
		for _, take := range recording.Takes {
			reached[fmt.Sprint("law ", take.Law)]++
			reached[fmt.Sprint("order ", take.Order)]++
			for _, c := range take.Calls[1] {
				reached[fmt.Sprintf("%s initial=%t unknown=%t sync=%t", c.Kind, c.Initial, c.Unknown, c.sync())]++
			}
		}
		for _, n := range recording.Notes {
			if n.What == "requests" {
				reached["requests"] += strings.Count(n.Theirs, "rv=")
				reached["relists"] += strings.Count(n.Theirs, "list rv=")
			}
		}
	}
	t.Log(reached)
	for _, what := range []string{
		"add initial=true unknown=false sync=false", "add initial=false unknown=false sync=false",
		"update initial=false unknown=false sync=false", "update initial=false unknown=false sync=true",
		"delete initial=false unknown=false sync=false", "delete initial=false unknown=true sync=false",
		"law 0", "law 1", "law 2", "order 0", "order 1", "order 2", "order 3", "order 4", "order 5", "order 6",
		"requests", "relists",
	} {
		assert.Positive(t, reached[what], what)
	}
	for op := range numOps {
		assert.Greater(t, reached["step "+op.String()], 20, op)
	}
}
