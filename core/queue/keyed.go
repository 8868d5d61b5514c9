package queue

import "informerlab/core/event"

// keptKeys is how many entries a keyed keeps for reuse, and the length up to
// which it keeps its map when it runs empty: a map never shrinks by itself.
const keptKeys = 1024

// keptDeltas is the largest number of deltas an entry that is kept has room for.
const keptDeltas = 16

// A keyed is a queue of keys, each with its deltas. It is not safe for
// concurrent use.
//
// Invariant: a key is linked exactly if it is in the map, and then it has at
// least one delta.
type keyed struct {
	entries    map[event.Key]*entry
	head, tail *entry // by next: the order in which the keys are popped
	free       *entry // by next: cleared entries for reuse
	freed      int    // how many those are
	peak       int    // the greatest length since entries was made
}

// An entry is a key and its deltas, oldest first.
type entry struct {
	key     event.Key
	deltas  []Delta
	next    *entry
	initial bool // part of the initial population
}

func (k *keyed) len() int { return len(k.entries) }

func (k *keyed) queued(key event.Key) bool {
	_, found := k.entries[key]
	return found
}

// append adds a delta to those of a key, which is queued if it was not.
func (k *keyed) append(key event.Key, d Delta) {
	e, found := k.entries[key]
	if !found {
		e = k.fresh()
		e.key = key
		k.push(e)
	}
	e.add(d)
}

// add appends a delta, unless it repeats a deletion. Then the one that knows
// more stays: an inferred deletion gives way, an observed one does not.
func (e *entry) add(d Delta) {
	if n := len(e.deltas); n > 0 && d.Type == Deleted {
		if last := &e.deltas[n-1]; last.Type == Deleted {
			if last.FinalStateUnknown {
				*last = d
			}
			return
		}
	}
	e.deltas = append(e.deltas, d)
}

func (e *entry) newest() *Delta { return &e.deltas[len(e.deltas)-1] }

// push queues an entry at the back. Its key must not be queued.
func (k *keyed) push(e *entry) {
	if k.entries == nil {
		k.entries = make(map[event.Key]*entry)
	}
	k.entries[e.key] = e
	k.peak = max(k.peak, len(k.entries))
	if k.tail == nil {
		k.head = e
	} else {
		k.tail.next = e
	}
	k.tail = e
}

// pop removes the entry at the front. There must be one.
func (k *keyed) pop() *entry {
	e := k.head
	k.head, e.next = e.next, nil
	if k.head == nil {
		k.tail = nil
	}
	delete(k.entries, e.key)
	if k.head == nil && k.peak > keptKeys {
		k.entries, k.free, k.freed, k.peak = nil, nil, 0, 0
	}
	return e
}

// markInitial makes all that is queued part of the initial population.
func (k *keyed) markInitial() {
	for e := k.head; e != nil; e = e.next {
		e.initial = true
	}
}

// fresh returns an entry without key and deltas.
func (k *keyed) fresh() *entry {
	e := k.free
	if e == nil {
		return new(entry)
	}
	k.free, e.next = e.next, nil
	k.freed--
	return e
}

// recycle takes back an entry that was popped. Its deltas are gone.
func (k *keyed) recycle(e *entry) {
	clear(e.deltas)
	if k.freed == keptKeys || cap(e.deltas) > keptDeltas {
		return
	}
	*e = entry{deltas: e.deltas[:0], next: k.free}
	k.free = e
	k.freed++
}
