package processor

import (
	"informerlab/core/buffer"
	"informerlab/core/event"
)

// keyOf is the Params.Key of notifications.
func keyOf(n event.Notification) event.Key { return event.KeyOf(n.Object()) }

// Merge is the Params.Merge of notifications: what one pending notification
// and the next of the same object come to for a handler that has been told of
// neither.
//
//	pending   next     outcome
//	add       update   an add of the new state
//	add       delete   nothing
//	update    update   an update from the first old state to the last new one
//	update    delete   the delete
//	delete    add      an update from the state told last; an add if none was
//	delete    delete   the one that tells more of the last state, else the newer
//	add       sync     an add of the state of the sync
//	update    sync     an update from the first old state to the state of the sync
//	delete    sync     the delete; no sync follows a delete without an add between
//
// A sync is no proof that the state is the same, because versions may be equal
// although the states are not: the newer state always wins. A pending sync stays
// one if only syncs follow.
//
// The result keeps the Seq and the Initial flag of pending: it waits in
// pending's place and settles the account of the initial list for it. Its
// Before is that of pending, so a handler always receives an old state that it
// has been told of.
func Merge(pending, next event.Notification) (event.Notification, buffer.Outcome) {
	switch {
	case next.Kind == event.Delete && pending.Kind == event.Add:
		return pending, buffer.Cancel
	case next.Kind == event.Delete:
		return mergedDelete(pending, next), buffer.Merged
	case pending.Kind == event.Delete && next.Round != 0:
		return pending, buffer.Merged
	case pending.Kind == event.Delete:
		return revived(pending, next), buffer.Merged
	}
	round := uint32(0)
	if next.Round != 0 {
		round = pending.Round
	}
	// Field by field: BenchmarkMerge shows what it costs to copy pending, and
	// this is the way of almost all.
	return event.Notification{
		Old: pending.Old, New: next.New, Seq: pending.Seq, Round: round, Kind: pending.Kind, Flags: pending.Flags,
	}, buffer.Merged
}

// mergedDelete is the delete that stands for a pending update or delete and next.
func mergedDelete(pending, next event.Notification) event.Notification {
	merged := pending
	if pending.Kind == event.Update || pending.New == nil {
		merged.New = pending.Old // told last
	}
	if pending.Kind == event.Update || finality(&next) >= finality(&pending) {
		merged.Old = next.Old
		merged.Flags = pending.Flags&event.Initial | next.Flags&event.FinalStateUnknown
	}
	merged.Kind, merged.Round = event.Delete, 0
	return merged
}

// finality says how much a delete tells of the last state: nothing, one that may
// be stale, or all.
func finality(n *event.Notification) int {
	if _, nothing := n.Old.(event.Tombstone); nothing {
		return 0
	}
	if n.Flags&event.FinalStateUnknown != 0 {
		return 1
	}
	return 2
}

// revived is what stands for a pending delete and the write after it.
func revived(pending, next event.Notification) event.Notification {
	n := event.Notification{
		Old: pending.Before(), New: next.New, Seq: pending.Seq, Kind: event.Update,
		Flags: pending.Flags &^ event.FinalStateUnknown,
	}
	if n.Old == nil {
		n.Kind = event.Add
	}
	return n
}
