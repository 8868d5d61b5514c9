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
//	delete    add      an update from the state delivered last; an add if no state ever was
//	delete    delete   the one that is not a tombstone, else the newer
//	any       sync     the pending one
//
// The result keeps the Seq and the Initial flag of pending: it waits in
// pending's place and settles the account of the initial list for it. So a
// handler always hears an old state that it has been told of. For that a delete
// that swallowed an update carries the state delivered last in New.
func Merge(pending, next event.Notification) (event.Notification, buffer.Outcome) {
	merged := pending
	switch {
	case next.Kind == event.Delete && pending.Kind == event.Add:
		return pending, buffer.Cancel
	case next.Kind == event.Delete:
		return mergedDelete(pending, next), buffer.Merged
	case next.Round != 0:
		return pending, buffer.Merged
	case pending.Kind == event.Delete:
		seen := pending.New
		if seen == nil {
			seen = pending.Old
		}
		merged.Kind, merged.Old, merged.New = event.Update, seen, next.New
		merged.Flags &^= event.FinalStateUnknown
		if _, never := seen.(event.Tombstone); never {
			merged.Kind, merged.Old = event.Add, nil
		}
	default:
		merged.New = next.New
	}
	merged.Round = 0
	return merged, buffer.Merged
}

// mergedDelete is the delete that stands for a pending update or delete and next.
func mergedDelete(pending, next event.Notification) event.Notification {
	merged := pending
	if pending.Kind == event.Update {
		merged.New = pending.Old // delivered last
	}
	_, tombstone := next.Old.(event.Tombstone)
	if pending.Kind != event.Delete || !tombstone {
		merged.Old = next.Old
		merged.Flags = next.Flags &^ event.Initial
	}
	merged.Kind, merged.Round = event.Delete, 0
	return merged
}
