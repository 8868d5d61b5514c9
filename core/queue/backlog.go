package queue

import "iter"

const (
	// maxBatch is the most deltas that one Pop of FIFO hands out. client-go
	// takes 1000; but a batch is copied into the buffer of every listener, and
	// at 64 listeners 1000 notifications of 48 bytes are 3 MiB that leave the
	// cache before they are handled, where those of 256 do not (lab run
	// -workload saturate:listeners=64). With few listeners there is no
	// difference.
	maxBatch = 256
	// minChunk is the capacity a backlog starts with: an informer of a few
	// quiet objects should not hold 8 KB.
	minChunk = 16
	// maxSpare is how many emptied chunks are kept. A queue that swings between
	// empty and its valve, with some batches on top, uses about as many.
	maxSpare = 16
)

// A backlog is an unbounded sequence of deltas in chunks of at most maxBatch.
// Whole runs are taken where they lie: the taker reads and clears them while
// others push behind them, without a lock.
//
//	head                      tail
//	[··taken··|in hand|queued]─▶[queued]─▶[queued|free···]
//	          popped ─┘
//
// A chunk that is both head and tail grows by doubling; all others are full
// size, 8 KB. Of the emptied chunks maxSpare are kept, and each time the backlog
// runs empty one of those is dropped that has not been needed since the last time. So
// a burst of any length leaves at most 144 KB, and light traffic afterwards reduces
// it to 16 KB. There is never a copy of more than one chunk, so that no push is
// slow because the backlog is long.
//
// It is not safe for concurrent use. At most one run is in hand at a time:
// take, then release.
type backlog struct {
	head, tail *chunk // nil before the first push
	spare      *chunk // by next: chunks of full size, empty and zeroed
	spares     int    // how many those are
	idle       int    // the fewest there were since the backlog last ran empty
	popped     int    // deltas of head that have been taken
	len        int    // deltas pushed and not taken
	alone      int    // how many of them are handed out alone
}

type chunk struct {
	deltas []Delta
	next   *chunk
}

// alone says of a delta that it concerns the whole cache and is a batch of its own.
func alone(t DeltaType) bool { return t >= ReplacedAll }

// push appends plain deltas.
func (b *backlog) push(deltas []Delta) {
	b.len += len(deltas)
	for len(deltas) > 0 {
		if b.tail == nil || len(b.tail.deltas) == cap(b.tail.deltas) {
			b.extend(len(deltas))
		}
		t := b.tail
		n := min(cap(t.deltas)-len(t.deltas), len(deltas))
		t.deltas = append(t.deltas, deltas[:n]...)
		deltas = deltas[n:]
	}
}

// pushAlone appends a delta that is handed out alone.
func (b *backlog) pushAlone(d Delta) {
	b.alone++
	b.push([]Delta{d})
}

// extend makes room at the tail: for n more deltas, or as many as a chunk holds.
func (b *backlog) extend(n int) {
	switch t := b.tail; {
	case t == nil:
		t = &chunk{deltas: make([]Delta, 0, max(minChunk, min(n, maxBatch)))}
		b.head, b.tail = t, t
	case cap(t.deltas) < maxBatch:
		// The old storage is left to whoever has a run of it in hand. One
		// slot stays before the first delta, for untake.
		live := t.deltas[b.popped:]
		grown := make([]Delta, 1+len(live), min(max(2*cap(t.deltas), 1+len(live)+n), maxBatch))
		copy(grown[1:], live)
		t.deltas, b.popped = grown, 1
	default:
		t.next = b.fresh()
		b.tail = t.next
	}
}

// fresh returns an empty chunk of full size.
func (b *backlog) fresh() *chunk {
	c := b.spare
	if c == nil {
		return &chunk{deltas: make([]Delta, 0, maxBatch)}
	}
	b.spare, c.next = c.next, nil
	b.spares--
	b.idle = min(b.idle, b.spares)
	return c
}

// take removes the longest run from the front that lies in one chunk and may be
// handed out together. There must be something. The taker clears the run, then
// calls release.
func (b *backlog) take() []Delta {
	run := b.head.deltas[b.popped:]
	if b.alone > 0 {
		run = run[:together(run)]
		if alone(run[0].Type) {
			b.alone--
		}
	}
	b.popped += len(run)
	b.len -= len(run)
	return run[:len(run):len(run)]
}

// together returns how many deltas from the front may be handed out together.
func together(deltas []Delta) int {
	for i := range deltas {
		if alone(deltas[i].Type) {
			return max(i, 1)
		}
	}
	return len(deltas)
}

// untake puts a delta that was taken alone back at the front, before release.
func (b *backlog) untake(d Delta) {
	b.popped--
	b.head.deltas[b.popped] = d
	b.len++
	b.alone++
}

// release ends the hold on the run that was taken last.
func (b *backlog) release() {
	h := b.head
	if b.popped < len(h.deltas) {
		return
	}
	h.deltas, b.popped = h.deltas[:0], 0
	if h.next != nil {
		b.head = h.next
		b.recycle(h)
	}
	if b.len == 0 {
		b.shed()
	}
}

// recycle keeps an emptied chunk for reuse, or drops it.
func (b *backlog) recycle(c *chunk) {
	c.next = nil
	if b.spares == maxSpare || cap(c.deltas) < maxBatch {
		return
	}
	c.next, b.spare = b.spare, c
	b.spares++
}

// shed drops a spare chunk that was not needed since the last time.
func (b *backlog) shed() {
	if b.idle > 0 {
		b.spare = b.spare.next
		b.spares--
	}
	b.idle = b.spares
}

// all yields the queued deltas, oldest first.
func (b *backlog) all() iter.Seq[*Delta] {
	return func(yield func(*Delta) bool) {
		skip := b.popped
		for c := b.head; c != nil; c = c.next {
			for i := skip; i < len(c.deltas); i++ {
				if !yield(&c.deltas[i]) {
					return
				}
			}
			skip = 0
		}
	}
}
