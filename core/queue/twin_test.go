package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"informerlab/core/event"
)

// A twin says what a queue must do, in the plainest way: a flat list that is
// searched and rebuilt. A history runs against a queue and its twin.
type twin interface {
	add(deltas []Delta)
	replace(items []event.Object, version string)
	resync()
	bookmark(version string)
	// take removes what a Pop must hand out at most and says whether it is
	// initial. The queue may hand out a prefix: untake gives back the rest.
	take() (deltas []Delta, initial bool)
	untake(rest []Delta)
	// end is called after the processing of what was taken.
	end(taken []Delta, failed bool)
	length() int
	synced() bool
}

var errRefused = errors.New("refused")

// refuseX is the transform of the histories: objects named x are refused, by turns
// with an error and with a panic.
func refuseX(o event.Object) (event.Object, error) {
	if x := o.(*object); x.name == "x" {
		if x.version%2 == 0 {
			panic(errRefused)
		}
		return nil, errRefused
	}
	return o, nil
}

// untransformed returns what a queue makes of a delta whose transform fails: only
// a deletion is left, without its last state.
func untransformed(d Delta) (Delta, bool) {
	if d.Object.GetName() != "x" || d.FinalStateUnknown {
		return d, true
	}
	d.Object, d.FinalStateUnknown = event.Tombstone(event.KeyOf(d.Object)), true
	return d, d.Type == Deleted
}

// A history takes its decisions from choose(n), a number in [0, n).
type history struct {
	t       testing.TB
	q       Queue
	twin    twin
	choose  func(n int) int
	known   *known // nil = process changes nothing
	version int
	left    []*event.Rejection // since the last check
	ending  bool               // no more changes, so that it ends
	log     []string
}

var names = []string{"a", "b", "c", "d", "x"}

func (h *history) object() event.Object {
	h.version++
	return &object{names[h.choose(len(names))], h.version}
}

// change does something other than Pop to both.
func (h *history) change() {
	switch h.choose(8) {
	default:
		sizes := []int{1, 1, 2, 3, 7, 8, 9, 15, 16, 17, 999, 1000, 1001}
		batch := make([]Delta, sizes[h.choose(len(sizes))])
		if len(batch) > 17 && h.choose(8) > 0 {
			batch = batch[:2]
		}
		for i := range batch {
			batch[i] = Delta{Type: Added + DeltaType(h.choose(3)), Object: h.object()}
			if batch[i].Type == Deleted && h.choose(4) == 0 {
				batch[i].FinalStateUnknown = true
				if h.choose(2) == 0 {
					batch[i].Object = event.Tombstone(event.KeyOf(batch[i].Object))
				}
			}
		}
		if len(batch) < 20 {
			h.log = append(h.log, "add "+text(batch))
		} else {
			h.log = append(h.log, fmt.Sprintf("add %d", len(batch)))
		}
		var refused []event.Object
		for _, d := range batch {
			if d.Object.GetName() == "x" && !d.FinalStateUnknown {
				refused = append(refused, d.Object)
			}
		}
		require.NoError(h.t, h.q.Add(batch), "%q", h.log)
		h.rejected(refused)
		h.twin.add(batch)
	case 5:
		items := make([]event.Object, h.choose(5))
		var refused []event.Object
		for i := range items {
			if items[i] = h.object(); items[i].GetName() == "x" {
				refused = append(refused, items[i])
			}
		}
		h.version++
		version := fmt.Sprint(h.version)
		h.log = append(h.log, fmt.Sprintf("replace %d items @%s", len(items), version))
		require.NoError(h.t, h.q.Replace(items, version), "%q", h.log)
		h.rejected(refused)
		h.twin.replace(items, version)
	case 6:
		h.log = append(h.log, "resync")
		require.NoError(h.t, h.q.Resync())
		h.twin.resync()
	case 7:
		h.version++
		version := fmt.Sprint(h.version)
		h.log = append(h.log, "bookmark "+version)
		require.NoError(h.t, h.q.Bookmark(version))
		h.twin.bookmark(version)
	}
}

func (h *history) reject(r *event.Rejection) { h.left = append(h.left, r) }

// rejected checks what OnReject was called with since the last time.
func (h *history) rejected(want []event.Object) {
	require.Len(h.t, h.left, len(want), "%q", h.log)
	for i, o := range want {
		require.Equal(h.t, event.KeyOf(o), h.left[i].Key)
		require.Equal(h.t, o.GetResourceVersion(), h.left[i].Version)
		require.ErrorIs(h.t, h.left[i], errRefused)
	}
	h.left = nil
}

// pop pops from both. Changes may come while a short FIFO processes.
func (h *history) pop() {
	want, initial := h.twin.take()
	outcome := h.choose(6) // 0 fails, 1 panics, others succeed
	var taken []Delta
	process := func(got []Delta, gotInitial bool) error {
		h.log = append(h.log, fmt.Sprintf("pop %d, outcome %d", len(got), outcome))
		require.NotEmpty(h.t, got)
		require.LessOrEqual(h.t, len(got), len(want), "%q", h.log)
		for i := range got {
			require.Equal(h.t, want[i].String(), got[i].String(), "%q", h.log)
			require.True(h.t, same(want[i], got[i]), "%q", h.log)
		}
		require.Equal(h.t, initial, gotInitial, "%q", h.log)
		h.twin.untake(want[len(got):])
		taken = slices.Clone(got)
		if _, fifo := h.q.(*FIFO); fifo && !h.ending && h.q.Len() < valve {
			for range h.choose(3) {
				h.change()
			}
		}
		switch outcome {
		case 0:
			return errRefused
		case 1:
			panic(errRefused)
		}
		if h.known != nil {
			h.known.apply(got)
		}
		return nil
	}
	switch outcome {
	case 0:
		require.Equal(h.t, errRefused, h.q.Pop(process))
	case 1:
		require.PanicsWithValue(h.t, errRefused, func() { _ = h.q.Pop(process) })
	default:
		require.NoError(h.t, h.q.Pop(process))
	}
	h.twin.end(taken, outcome == 0)
}

func same(a, b Delta) bool {
	if a.Type != b.Type || a.FinalStateUnknown != b.FinalStateUnknown || (a.List == nil) != (b.List == nil) {
		return false
	}
	if a.List != nil {
		return slices.Equal(a.List.Items, b.List.Items) && slices.Equal(a.List.Kept, b.List.Kept) &&
			a.List.ResourceVersion == b.List.ResourceVersion
	}
	return a.Type == Bookmark || a.Object == b.Object
}

func (h *history) run(steps int) {
	for range steps {
		if h.twin.length() > 0 && h.choose(3) == 0 {
			h.pop()
		} else {
			h.change()
		}
		h.check()
	}
	for h.ending = true; h.twin.length() > 0; {
		h.pop()
		h.check()
	}
}

func (h *history) check() {
	require.Equal(h.t, h.twin.length(), h.q.Len(), "%q", h.log)
	require.Equal(h.t, h.twin.synced(), h.q.HasSynced(), "%q", h.log)
	require.Equal(h.t, h.twin.synced(), isSynced(h.q), "%q", h.log)
}

// A flat is the twin of a FIFO.
type flat struct {
	queue     []Delta
	requeue   bool
	populated bool
	owed      int // of the queue's front, what is taken included
	settles   bool
}

func (f *flat) length() int  { return len(f.queue) }
func (f *flat) synced() bool { return f.populated && f.owed == 0 }

func (f *flat) add(deltas []Delta) {
	f.populated = true
	for _, d := range deltas {
		if d, kept := untransformed(d); kept {
			f.queue = append(f.queue, d)
		}
	}
}

func (f *flat) replace(items []event.Object, version string) {
	list := &List{ResourceVersion: version}
	for _, o := range items {
		if o.GetName() == "x" {
			list.Kept = append(list.Kept, event.KeyOf(o))
		} else {
			list.Items = append(list.Items, o)
		}
	}
	f.queue = append(f.queue, Delta{Type: ReplacedAll, List: list})
	if !f.populated {
		f.populated, f.owed = true, len(f.queue)
	}
}

func (f *flat) resync() { f.queue = append(f.queue, Delta{Type: SyncAll}) }

func (f *flat) bookmark(version string) {
	f.queue = append(f.queue, Delta{Type: Bookmark, Object: bookmark(version)})
}

func (f *flat) take() ([]Delta, bool) {
	n := 1
	for !alone(f.queue[0].Type) && n < min(len(f.queue), maxBatch) && !alone(f.queue[n].Type) {
		n++
	}
	taken := slices.Clone(f.queue[:n])
	f.queue = slices.Clone(f.queue[n:])
	f.settles = f.owed > 0
	return taken, !f.synced()
}

func (f *flat) untake(rest []Delta) { f.queue = slices.Concat(rest, f.queue) }

func (f *flat) end(taken []Delta, failed bool) {
	has := func(t DeltaType) bool {
		return slices.ContainsFunc(f.queue, func(d Delta) bool { return d.Type == t })
	}
	if failed && f.requeue {
		switch t := taken[0].Type; {
		case t == ReplacedAll && !has(t):
			f.queue = slices.Concat(taken, f.queue)
			return
		case t == SyncAll && !has(t), t == Bookmark && len(f.queue) == 0:
			f.queue = append(f.queue, taken...)
		case !alone(t) && !has(ReplacedAll):
			newer := slices.Clone(f.queue)
			for _, d := range taken {
				if !slices.ContainsFunc(newer, func(n Delta) bool {
					return !alone(n.Type) && event.KeyOf(n.Object) == event.KeyOf(d.Object)
				}) {
					f.queue = append(f.queue, d)
				}
			}
		}
	}
	if f.settles {
		f.owed -= len(taken)
	}
}

// A group is the twin of a DeltaFIFO: per key a list, in order of the keys.
type group struct {
	queue     [][]Delta
	known     *known
	requeue   bool
	populated bool
	owed      map[event.Key]bool
}

func (g *group) length() int     { return len(g.queue) }
func (g *group) synced() bool    { return g.populated && len(g.owed) == 0 }
func (g *group) bookmark(string) {}
func (g *group) untake([]Delta)  {}
func (g *group) find(k event.Key) int {
	return slices.IndexFunc(g.queue, func(d []Delta) bool { return key(d) == k })
}

func (g *group) isKnown(k event.Key) bool {
	_, found := g.known.Get(k)
	return found
}

func key(deltas []Delta) event.Key { return event.KeyOf(deltas[0].Object) }

func (g *group) put(d Delta) {
	i := g.find(event.KeyOf(d.Object))
	if i < 0 {
		g.queue = append(g.queue, []Delta{d})
		return
	}
	last := g.queue[i][len(g.queue[i])-1]
	switch {
	case last.Type != Deleted || d.Type != Deleted:
		g.queue[i] = append(g.queue[i], d)
	case last.FinalStateUnknown:
		g.queue[i][len(g.queue[i])-1] = d
	}
}

func (g *group) add(deltas []Delta) {
	g.populated = true
	for _, d := range deltas {
		k := event.KeyOf(d.Object)
		if d.Type == Deleted && g.find(k) < 0 && !g.isKnown(k) {
			continue
		}
		if d, kept := untransformed(d); kept {
			g.put(d)
		}
	}
}

func (g *group) replace(items []event.Object, _ string) {
	listed := map[event.Key]bool{}
	for _, o := range items {
		if o.GetName() != "x" {
			g.put(Delta{Type: Replaced, Object: o})
		}
		listed[event.KeyOf(o)] = true
	}
	for _, d := range slices.Clone(g.queue) {
		if !listed[key(d)] {
			g.put(Delta{Type: Deleted, Object: d[len(d)-1].Object, FinalStateUnknown: true})
		}
	}
	for _, k := range g.known.Keys() {
		if !listed[k] && g.find(k) < 0 {
			o, _ := g.known.Get(k)
			g.put(Delta{Type: Deleted, Object: o, FinalStateUnknown: true})
		}
	}
	if !g.populated {
		g.populated, g.owed = true, map[event.Key]bool{}
		for _, d := range g.queue {
			g.owed[key(d)] = true
		}
	}
}

func (g *group) resync() {
	for _, k := range g.known.Keys() {
		if g.find(k) < 0 {
			o, _ := g.known.Get(k)
			g.put(Delta{Type: Sync, Object: o})
		}
	}
}

func (g *group) take() ([]Delta, bool) {
	taken := g.queue[0]
	g.queue = slices.Clone(g.queue[1:])
	return taken, !g.synced()
}

func (g *group) end(taken []Delta, failed bool) {
	if failed && g.requeue {
		g.queue = append(g.queue, taken)
		return
	}
	delete(g.owed, key(taken))
}

func runFIFO(t testing.TB, choose func(int) int, steps int) {
	requeue := choose(2) == 0
	h := &history{t: t, twin: &flat{requeue: requeue}, choose: choose}
	q := NewFIFO(FIFOOptions{Transform: refuseX, Recover: true, OnReject: h.reject, Requeue: requeue})
	h.q = q
	h.run(steps)
	require.Zero(t, q.backlog.alone)
}

func runDeltaFIFO(t testing.TB, choose func(int) int, steps int) {
	requeue := choose(2) == 0
	k := knownObjects("a1 b1")
	h := &history{t: t, twin: &group{known: k, requeue: requeue}, choose: choose, known: k}
	h.q = NewDeltaFIFO(DeltaFIFOOptions{
		Known: k, Transform: refuseX, Recover: true, OnReject: h.reject, Requeue: requeue,
	})
	h.run(steps)
}

func TestRandomHistories(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() {
		seeds = 30
	}
	for name, run := range map[string]func(t testing.TB, choose func(int) int, steps int){
		"FIFO": runFIFO, "DeltaFIFO": runDeltaFIFO,
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range seeds {
				t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
					run(t, rand.New(rand.NewPCG(seed, 1)).IntN, 60)
				})
			}
		})
	}
}

// decisions reads choices from bytes, and 2 forever after: a history ends well.
func decisions(data []byte) func(int) int {
	return func(n int) int {
		if len(data) == 0 {
			return min(2, n-1)
		}
		b := data[0]
		data = data[1:]
		return int(b) % n
	}
}

func FuzzFIFO(f *testing.F) {
	f.Add([]byte{0, 5, 2, 0, 1, 7, 6, 0, 0, 0, 0, 0, 1, 4, 2, 1})
	f.Fuzz(func(t *testing.T, data []byte) { runFIFO(t, decisions(data), min(len(data), 100)) })
}

func FuzzDeltaFIFO(f *testing.F) {
	f.Add([]byte{1, 5, 3, 0, 1, 2, 0, 0, 0, 3, 1, 1, 2, 4, 2, 1})
	f.Fuzz(func(t *testing.T, data []byte) { runDeltaFIFO(t, decisions(data), min(len(data), 100)) })
}
