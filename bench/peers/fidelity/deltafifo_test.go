package fidelity

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/cache"

	"informerlab/core/event"
	"informerlab/core/queue"
)

// known is what the consumer of a queue holds, for both queues to ask. Its keys
// come in a fixed order, so that what a queue does with them has one, too. A
// key may be there without an object, as in a store that is changing.
type known struct {
	keys    []event.Key
	objects map[event.Key]*object
}

func (k *known) Get(key event.Key) (event.Object, bool) {
	o, found := k.objects[key]
	return o, found
}

func (k *known) Keys() []event.Key { return k.keys }

func (k *known) ListKeys() (keys []string) {
	for _, key := range k.keys {
		keys = append(keys, key.String())
	}
	return keys
}

func (k *known) GetByKey(name string) (any, bool, error) {
	key, err := event.ParseKey(name)
	o, found := k.objects[key]
	if !found {
		return nil, false, err
	}
	return o, true, err
}

// put makes the known state that of a delta that was processed.
func (k *known) put(key event.Key, o *object) {
	at := slices.Index(k.keys, key)
	switch {
	case o == nil && at >= 0:
		k.keys = slices.Delete(k.keys, at, at+1)
		delete(k.objects, key)
	case o != nil:
		if at < 0 {
			k.keys = append(k.keys, key)
		}
		k.objects[key] = o
	}
}

// popped is one delta as a queue handed it out.
type popped struct {
	Type    string
	Key     event.Key
	Version string
	Unknown bool
}

// errRefused is what the histories' transform and process fail with.
var errRefused = errors.New("refused by the history")

// queuePair is our delta FIFO and client-go's, each with a consumer's store.
type queuePair struct {
	ours    *queue.DeltaFIFO
	theirs  *cache.DeltaFIFO
	known   [2]*known
	refuses bool // the transform does
	version int
	trace   []string
}

// newQueuePair returns two queues with the same random options, except, if
// unequal, for what they call the items of a relist.
func newQueuePair(r *rand.Rand, unequal bool) *queuePair {
	p := &queuePair{}
	o := queue.DeltaFIFOOptions{ReplaceAsSync: r.IntN(4) == 0}
	theirs := cache.DeltaFIFOOptions{EmitDeltaTypeReplaced: !o.ReplaceAsSync != unequal}
	if r.IntN(4) > 0 {
		for i := range p.known {
			p.known[i] = &known{objects: map[event.Key]*object{}}
		}
		o.Known, theirs.KnownObjects = p.known[0], p.known[1]
		for range r.IntN(5) { // known before anything was queued
			k := event.Key{Name: fmt.Sprint("o", r.IntN(6))}
			first := p.object(k)
			for _, known := range p.known {
				known.put(k, first)
			}
		}
		if r.IntN(8) == 0 { // a key without an object
			for _, known := range p.known {
				known.keys = append(known.keys, event.Key{Name: "ghost"})
			}
		}
	}
	if p.refuses = r.IntN(3) == 0; p.refuses {
		o.Transform = func(e event.Object) (event.Object, error) { return refuseSome(e.(*object)) }
		theirs.Transformer = func(e any) (any, error) { return refuseSome(e.(*object)) }
	}
	p.ours, p.theirs = queue.NewDeltaFIFO(o), cache.NewDeltaFIFOWithOptions(theirs)
	return p
}

// refuseSome marks an object; it fails for one key in six.
func refuseSome(o *object) (*object, error) {
	if o.Name == "o5" {
		return nil, errRefused
	}
	return Mark.apply(o), nil
}

// accepted returns a name that the transform does not refuse. Ours leaves what it
// refuses out of a list and queues a deletion whose last state it refuses, where
// client-go refuses the list and loses the deletion.
func (p *queuePair) accepted(r *rand.Rand) string {
	if p.refuses {
		return fmt.Sprint("o", r.IntN(5))
	}
	return fmt.Sprint("o", r.IntN(6))
}

func (p *queuePair) object(key event.Key) *object {
	p.version++
	o := &object{}
	o.Namespace, o.Name, o.ResourceVersion = key.Namespace, key.Name, fmt.Sprint(p.version)
	return o
}

// step does one random thing to both queues and returns how they differ.
func (p *queuePair) step(r *rand.Rand) error {
	key := event.Key{Name: fmt.Sprint("o", r.IntN(6))}
	if r.IntN(2) == 0 {
		key.Namespace = "n"
	}
	var ours, theirs error
	switch r.IntN(10) {
	case 0, 1:
		ours, theirs = p.add(queue.Added, p.object(key), p.theirs.Add)
	case 2, 3:
		ours, theirs = p.add(queue.Updated, p.object(key), p.theirs.Update)
	case 4:
		key.Name = p.accepted(r)
		ours, theirs = p.add(queue.Deleted, p.object(key), p.theirs.Delete)
	case 5: // a deletion that was inferred elsewhere
		o := p.object(key)
		p.note("infer the deletion of %s", key)
		ours = p.ours.Add([]queue.Delta{{Type: queue.Deleted, Object: o, FinalStateUnknown: true}})
		theirs = p.theirs.Delete(cache.DeletedFinalStateUnknown{Key: key.String(), Obj: o})
	case 6:
		ours, theirs = p.replace(r)
	case 7:
		p.note("resync")
		ours, theirs = p.ours.Resync(), p.theirs.Resync()
	default:
		for range 1 + r.IntN(3) {
			if p.ours.Len() > 0 {
				if err := p.pop(r); err != nil {
					return err
				}
			}
		}
	}
	if (ours == nil) != (theirs == nil) {
		return fmt.Errorf("ours returned %v, client-go's %v", ours, theirs)
	}
	if a, b := p.ours.HasSynced(), p.theirs.HasSynced(); a != b {
		return fmt.Errorf("has synced: ours %t, client-go's %t", a, b)
	}
	return nil
}

func (p *queuePair) note(format string, args ...any) {
	p.trace = append(p.trace, fmt.Sprintf(format, args...))
}

func (p *queuePair) add(t queue.DeltaType, o *object, theirs func(any) error) (error, error) {
	p.note("%s %s %s", t, event.KeyOf(o), o.ResourceVersion)
	return p.ours.Add([]queue.Delta{{Type: t, Object: o}}), theirs(o)
}

func (p *queuePair) replace(r *rand.Rand) (error, error) {
	var ours []event.Object
	var theirs []any
	for range r.IntN(8) {
		o := p.object(event.Key{Name: p.accepted(r)}) // the same key may come twice
		ours, theirs = append(ours, o), append(theirs, o)
	}
	p.note("replace %d", len(ours))
	return p.ours.Replace(ours, "1"), p.theirs.Replace(theirs, "1")
}

// pop pops both queues, applies what came to the stores, and compares it.
func (p *queuePair) pop(r *rand.Rand) error {
	var deltas [2][]popped
	var initial [2]bool
	var errs [2]error
	var refuse error
	if r.IntN(8) == 0 {
		refuse = errRefused
	}
	errs[0] = p.ours.Pop(func(batch []queue.Delta, first bool) error {
		initial[0] = first
		for _, d := range batch {
			deltas[0] = append(deltas[0], popped{d.Type.String(), event.KeyOf(d.Object),
				d.Object.GetResourceVersion(), d.FinalStateUnknown})
			o, _ := d.Object.(*object)
			p.process(0, event.KeyOf(d.Object), d.Type == queue.Deleted, o)
		}
		return refuse
	})
	_, errs[1] = p.theirs.Pop(func(batch any, first bool) error {
		initial[1] = first
		for _, d := range batch.(cache.Deltas) {
			deltas[1] = append(deltas[1], p.processTheirs(d))
		}
		return refuse
	})
	p.note("pop %v", deltas[0])
	switch {
	case !slices.Equal(deltas[0], deltas[1]):
		return fmt.Errorf("ours popped %v, client-go's %v", deltas[0], deltas[1])
	case initial[0] != initial[1]:
		return fmt.Errorf("initial: ours %t, client-go's %t", initial[0], initial[1])
	case !errors.Is(errs[0], refuse) || !errors.Is(errs[1], refuse):
		return fmt.Errorf("process failed with %v: ours returned %v, client-go's %v", refuse, errs[0], errs[1])
	}
	return nil
}

func (p *queuePair) processTheirs(d cache.Delta) popped {
	inferred, unknown := d.Object.(cache.DeletedFinalStateUnknown)
	if unknown {
		d.Object = inferred.Obj
	}
	o, _ := d.Object.(*object)
	out := popped{Type: string(d.Type), Unknown: unknown}
	if o == nil {
		out.Key, _ = event.ParseKey(inferred.Key)
	} else {
		out.Key, out.Version = event.KeyOf(o), o.ResourceVersion
	}
	p.process(1, out.Key, d.Type == cache.Deleted, o)
	return out
}

// process does what a controller does with one delta.
func (p *queuePair) process(side int, key event.Key, deleted bool, o *object) {
	if p.known[side] == nil {
		return
	}
	if deleted {
		o = nil
	}
	p.known[side].put(key, o)
}

// drain closes both queues and empties them.
func (p *queuePair) drain(r *rand.Rand) error {
	p.ours.Close()
	p.theirs.Close()
	for p.ours.Len() > 0 {
		if err := p.pop(r); err != nil {
			return err
		}
	}
	ours := p.ours.Pop(func([]queue.Delta, bool) error { return nil })
	_, theirs := p.theirs.Pop(func(any, bool) error { return nil })
	if !errors.Is(ours, queue.ErrClosed) || !errors.Is(theirs, cache.ErrFIFOClosed) {
		return fmt.Errorf("closed and empty: ours returned %v, client-go's %v", ours, theirs)
	}
	return nil
}

// compareQueues plays the random history of a seed on a pair of queues.
func compareQueues(seed uint64, unequal bool) error {
	r := rand.New(rand.NewPCG(seed, 0xf1f0))
	p := newQueuePair(r, unequal)
	var err error
	for n := 20 + r.IntN(60); n > 0 && err == nil; n-- {
		err = p.step(r)
	}
	if err == nil {
		err = p.drain(r)
	}
	if err != nil {
		return fmt.Errorf("seed %d, after %q: %w", seed, p.trace, err)
	}
	return nil
}

// Our delta FIFO hands out what client-go's own does, under the same flags.
func TestDeltaFIFOAgainstClientGo(t *testing.T) {
	for i := range *histories {
		require.NoError(t, compareQueues(*firstSeed+i, false))
	}
}

// Two queues that differ in one option are told apart.
func TestDeltaFIFOComparisonCanFail(t *testing.T) {
	failed := 0
	for seed := range uint64(100) {
		if compareQueues(seed, true) != nil {
			failed++
		}
	}
	require.Greater(t, failed, 90)
}
