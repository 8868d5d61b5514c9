package processor

import (
	"hash/maphash"

	"informerlab/core/event"
)

// A gapTable finds gaps by the keys of their objects. It takes a word or two for a gap,
// beside the chain in it, where a map would repeat the key, and grows by one bucket at a
// time (Litwin, Linear Hashing, VLDB 1980), so that no loss waits until thousands of gaps
// have been moved. It keeps the size that it had. Its user locks. The zero gapTable is empty.
//
// Invariant: there are at least as many buckets as gaps, mask+1 is the smallest power of
// two that is not below the number of buckets, and a gap is in the bucket hash & mask
// or, if that is not yet there, in hash & mask/2.
type gapTable struct {
	buckets []*gap // the first gap of each; the others follow by chain
	mask    uint64
	len     int
	hash    func(event.Key) uint64 // nil = maphash; for tests
}

// seed makes the hashes of this process unpredictable, as those of maps are.
var seed = maphash.MakeSeed()

func (t *gapTable) hashOf(key event.Key) uint64 {
	if t.hash != nil {
		return t.hash(key)
	}
	return maphash.Comparable(seed, key)
}

// home returns the bucket of a key.
func (t *gapTable) home(key event.Key) **gap {
	i := t.hashOf(key) & t.mask
	if i >= uint64(len(t.buckets)) {
		i &= t.mask / 2
	}
	return &t.buckets[i]
}

// find returns the gap of that key, or nil.
func (t *gapTable) find(key event.Key) *gap {
	if t.len == 0 {
		return nil
	}
	p := *t.home(key)
	for p != nil && p.key != key {
		p = p.chain
	}
	return p
}

// insert adds a gap whose key has none.
func (t *gapTable) insert(p *gap) {
	t.len++
	for len(t.buckets) < t.len {
		t.grow()
	}
	home := t.home(p.key)
	p.chain, *home = *home, p
}

// grow adds a bucket and moves there what belongs to it, all from one other.
func (t *gapTable) grow() {
	added := uint64(len(t.buckets))
	t.buckets = append(t.buckets, nil)
	if added > t.mask {
		t.mask = 2*t.mask + 1
	}
	if added == 0 {
		return
	}
	from, to := &t.buckets[added&(t.mask/2)], &t.buckets[added]
	for p := *from; p != nil; p = *from {
		if t.hashOf(p.key)&t.mask == added {
			*from, *to, to = p.chain, p, &p.chain
		} else {
			from = &p.chain
		}
	}
	*to = nil
}

// remove takes out a gap, which must be in the table.
func (t *gapTable) remove(p *gap) {
	link := t.home(p.key)
	for *link != p {
		link = &(*link).chain
	}
	*link, p.chain = p.chain, nil
	t.len--
}
