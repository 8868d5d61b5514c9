package coalescing

import "slices"

const (
	// blockLen is how many buckets are allocated at once, a power of two. The
	// first block is all that a quiet buffer needs.
	blockLen = 64
	// keptBuckets is how many a table keeps that once had them: enough for
	// the entries that a stock keeps.
	keptBuckets = 2048
	// A table has from minPer to maxPer buckets for each entry. At 2 a walk
	// through a bucket is rarely longer than one step, and the gap between the
	// two keeps a backlog that swings by less from growing and shrinking it.
	minPer, maxPer = 2, 8
)

// A table finds entries by key. It grows and shrinks by one bucket at a time,
// so that no call pays for the size of the whole.
//
//	blocks   [ · | · | · ]
//	           │   │   └─▶ [ . . ┆           ]   count ends here
//	           │   └─────▶ [ . a . . b▸c . . ]
//	           └─────────▶ [ . . d . . . . . ]
//
// Invariant: count is 0 or at least blockLen, mask+1 is the smallest power of
// two that is not less than count, and an entry is in the bucket hash & mask or,
// if that is not yet there, in hash & mask/2. Of entries with one key the newest
// comes first in the bucket.
type table[K comparable, T any] struct {
	blocks []*[blockLen]*entry[K, T]
	count  int // buckets
	mask   int
	len    int // entries
}

// find returns the newest entry of that key, or nil.
func (t *table[K, T]) find(hash uint64, key *K) *entry[K, T] {
	if t.count == 0 {
		return nil
	}
	e := *t.home(hash)
	for e != nil && (e.hash != hash || e.key != *key) {
		e = e.chain
	}
	return e
}

// insert adds an entry, before others of its key.
func (t *table[K, T]) insert(e *entry[K, T]) {
	t.len++
	for t.count < minPer*t.len {
		t.grow()
	}
	home := t.home(e.hash)
	e.chain, *home = *home, e
}

// remove takes out an entry, which must be in the table.
func (t *table[K, T]) remove(e *entry[K, T]) {
	link := t.home(e.hash)
	for *link != e {
		link = &(*link).chain
	}
	*link = e.chain
	t.len--
	for t.count > keptBuckets && t.count > maxPer*t.len {
		t.shrink()
	}
}

// bytes returns the memory allocated, without the entries.
func (t *table[K, T]) bytes() int {
	return wordBytes * (blockLen*len(t.blocks) + cap(t.blocks))
}

func (t *table[K, T]) bucket(i int) **entry[K, T] { return &t.blocks[i/blockLen][i%blockLen] }

// home returns the bucket to which a hash belongs.
func (t *table[K, T]) home(hash uint64) **entry[K, T] {
	i := int(hash) & t.mask
	if i >= t.count {
		i &= t.mask / 2
	}
	return t.bucket(i)
}

// grow adds a bucket and moves there what belongs to it, all from one other.
func (t *table[K, T]) grow() {
	if t.count%blockLen == 0 {
		t.blocks = append(t.blocks, new([blockLen]*entry[K, T]))
	}
	if t.count == 0 {
		t.count, t.mask = blockLen, blockLen-1
		return
	}
	added := t.count
	t.count++
	if added > t.mask {
		t.mask = 2*t.mask + 1
	}
	from, to := t.bucket(added&(t.mask/2)), t.bucket(added)
	for e := *from; e != nil; e = *from {
		if int(e.hash)&t.mask == added {
			*from, *to, to = e.chain, e, &e.chain
		} else {
			from = &e.chain
		}
	}
	*to = nil
}

// shrink takes the last bucket away and puts its entries where they came from.
func (t *table[K, T]) shrink() {
	t.count--
	last, to := t.bucket(t.count), t.bucket(t.count&(t.mask/2))
	for *to != nil {
		to = &(*to).chain
	}
	*to, *last = *last, nil
	if t.count == t.mask/2+1 {
		t.mask /= 2
	}
	if blocks := t.count / blockLen; t.count%blockLen == 0 {
		t.blocks[blocks] = nil
		t.blocks = t.blocks[:blocks]
		if blocks <= cap(t.blocks)/4 {
			t.blocks = slices.Clone(t.blocks)
		}
	}
}
