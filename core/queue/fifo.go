package queue

import (
	"log/slog"
	"runtime"

	"informerlab/core/event"
)

// valve is the length from which FIFO stays locked while it processes, so that
// producers that are faster than the controller wait. The number is client-go's.
const valve = 2000

// FIFOOptions are the options of a FIFO. The zero value is usable.
type FIFOOptions struct {
	// Transform changes objects before they are queued; nil = none.
	Transform Transform
	// Recover turns a panic of Transform into an error that it returned.
	Recover bool
	// OnReject is called with each object that is left out because Transform
	// failed, by the goroutine that added it and without a lock of the queue.
	// nil = Add returns it in its error, and Replace logs it to Logger.
	OnReject func(*event.Rejection)
	// Requeue puts back what process returned an error for, instead of
	// dropping it: each delta of the batch goes to the back, unless something
	// newer is queued for its key. A ReplacedAll goes to the front, because all
	// that is queued behind it builds on it, unless a newer one is queued; a
	// SyncAll goes to the back unless one is queued, a Bookmark if nothing is.
	// It is handed out again at once: pacing is the caller's. Looking for newer
	// deltas costs time in proportion to the length of the queue.
	Requeue bool
	// Logger takes slow processing and objects left out; nil = nobody does.
	Logger *slog.Logger
}

// A FIFO is a queue of all deltas in the order of their arrival. Nothing is
// merged or ignored: a Deleted for an unknown key is queued, too. A relist is one
// ReplacedAll, a resync one SyncAll; both and bookmarks are handed out alone,
// other deltas in batches of at most 256.
//
// The lock is released while a batch is processed, unless 2,000 deltas or more
// are still queued. All methods but Pop are safe for concurrent use.
type FIFO struct {
	gate
	intake  intake
	backlog backlog
	requeue bool
	failed  []Delta // the popper's: a copy of a batch that failed, to put back
}

var _ Queue = (*FIFO)(nil)

// NewFIFO returns an empty FIFO.
func NewFIFO(o FIFOOptions) *FIFO {
	f := &FIFO{requeue: o.Requeue}
	f.intake = intake{transform: o.Transform, recover: o.Recover, onReject: o.OnReject, logger: o.Logger}
	f.init(o.Logger)
	return f
}

// Add queues Added, Updated and Deleted deltas, in order and next to each other.
// Those that cannot be queued are reported; the others are queued.
func (f *FIFO) Add(deltas []Delta) error {
	if len(deltas) == 0 {
		return nil
	}
	if f.intake.needs(deltas) {
		return f.intake.add(deltas, f.push)
	}
	f.push(deltas)
	return nil
}

func (f *FIFO) push(deltas []Delta) {
	f.mu.Lock()
	f.populate(0)
	f.backlog.push(deltas)
	f.holds(f.backlog.len)
	full := f.backlog.len >= valve
	f.mu.Unlock()
	if full {
		// A producer that has more at once would get the lock again before the
		// popper that it has just let in: for a millisecond at a time, and
		// thousands of deltas.
		runtime.Gosched()
	}
}

// Replace queues one ReplacedAll. The first one, if no Add came before it, makes
// all that is queued then the initial population.
func (f *FIFO) Replace(items []event.Object, resourceVersion string) error {
	f.intake.report(f.replace(items, resourceVersion))
	return nil
}

func (f *FIFO) replace(items []event.Object, resourceVersion string) (left []*event.Rejection) {
	f.intake.mu.Lock()
	defer f.intake.mu.Unlock()
	items, left = f.intake.list(items)
	f.mu.Lock()
	defer f.mu.Unlock()
	list := &List{Items: items, ResourceVersion: resourceVersion, Kept: keysOf(left)}
	f.pushAlone(Delta{Type: ReplacedAll, List: list})
	f.populate(f.backlog.len)
	return left
}

// Resync queues one SyncAll. It always returns nil.
func (f *FIFO) Resync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pushAlone(Delta{Type: SyncAll})
	return nil
}

// Bookmark queues one Bookmark. It always returns nil.
func (f *FIFO) Bookmark(resourceVersion string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pushAlone(Delta{Type: Bookmark, Object: bookmark(resourceVersion)})
	return nil
}

func (f *FIFO) pushAlone(d Delta) {
	f.backlog.pushAlone(d)
	f.holds(f.backlog.len)
}

// A bookmark is the object of a Bookmark delta.
type bookmark string

func (bookmark) GetNamespace() string         { return "" }
func (bookmark) GetName() string              { return "" }
func (b bookmark) GetResourceVersion() string { return string(b) }

// Pop waits for deltas, gives process the next batch, and returns its error, or
// ErrClosed once the queue is closed and empty.
func (f *FIFO) Pop(process Process) error {
	if !f.enter() {
		return ErrClosed
	}
	initial := !f.done
	batch := f.backlog.take()
	f.holds(f.backlog.len)
	// The initial population is the front of the queue and ends with a
	// ReplacedAll, which is alone: a batch belongs to it whole or not at all.
	settled := min(f.owed, len(batch))
	defer func() {
		f.backlog.release()
		f.settle(settled)
		f.leave()
	}()
	err := f.run(process, batch, initial)
	if len(f.failed) > 0 && f.putBack() {
		settled = 0
	}
	return err
}

// run processes a batch and clears it, without the lock unless the queue is long.
func (f *FIFO) run(process Process, batch []Delta, initial bool) error {
	watch := f.stopwatch(f.backlog.len)
	if f.backlog.len < valve {
		f.mu.Unlock()
		defer f.mu.Lock()
	}
	defer clear(batch)
	err := process(batch, initial)
	if err != nil && f.requeue {
		f.failed = append(f.failed, batch...)
	}
	watch.report(f.logger, batch, len(batch))
	return err
}

// putBack queues again what failed and is not superseded. It returns whether the
// batch is at the front again, as if it had not been popped.
func (f *FIFO) putBack() (untaken bool) {
	defer func() { f.failed = nil }()
	if f.closed {
		return false
	}
	b, first := &f.backlog, f.failed[0]
	switch first.Type {
	case ReplacedAll:
		if !b.has(ReplacedAll) {
			b.untake(first)
			untaken = true
		}
	case SyncAll:
		if !b.has(SyncAll) {
			b.pushAlone(first)
		}
	case Bookmark:
		if b.len == 0 {
			b.pushAlone(first)
		}
	default:
		b.push(f.current(f.failed))
	}
	f.holds(b.len)
	return untaken
}

func (b *backlog) has(t DeltaType) bool {
	if b.alone > 0 {
		for d := range b.all() {
			if d.Type == t {
				return true
			}
		}
	}
	return false
}

// current returns, in the storage of deltas, those for whose key nothing is queued.
func (f *FIFO) current(deltas []Delta) []Delta {
	keys := make(map[event.Key]bool, len(deltas))
	for i := range deltas {
		keys[event.KeyOf(deltas[i].Object)] = true
	}
	for d := range f.backlog.all() {
		switch d.Type {
		case ReplacedAll:
			return nil
		case Added, Updated, Deleted:
			delete(keys, event.KeyOf(d.Object))
		}
	}
	kept := deltas[:0]
	for _, d := range deltas {
		if keys[event.KeyOf(d.Object)] {
			kept = append(kept, d)
		}
	}
	return kept
}
