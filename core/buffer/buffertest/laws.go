package buffertest

import "informerlab/core/buffer"

// A law is a Law for one item type.
type law[T any] struct {
	name        string
	applies     func(buffer.Traits) bool
	check       func(subject[T]) error
	explanation string
}

// Which buffers a law is for.
func all(buffer.Traits) bool            { return true }
func holds(t buffer.Traits) bool        { return t.Loss != buffer.DropsEvery }
func holdsNothing(t buffer.Traits) bool { return t.Loss == buffer.DropsEvery }
func bounded(t buffer.Traits) bool      { return t.Bound == buffer.ByCapacity }
func overflows(t buffer.Traits) bool    { return t.Loss == buffer.DropsNew || t.Loss == buffer.DropsOld }
func blocks(t buffer.Traits) bool       { return t.Blocks }
func givesUp(t buffer.Traits) bool      { return t.Blocks && t.Loss == buffer.DropsNew }
func coalesces(t buffer.Traits) bool    { return t.Loss == buffer.Coalesces }

func laws[T any]() []law[T] {
	return append(append(generalLaws[T](), boundedLaws[T]()...), coalescingLaws[T]()...)
}

func generalLaws[T any]() []law[T] {
	return []law[T]{
		{"order", holds, subject[T].order,
			"Items leave in the order of their pushes, whatever the batch sizes, across wraps and growth."},
		{"histories", all, subject[T].histories,
			"Whatever one goroutine does to it, a buffer answers as its model would."},
		{"batch", holds, subject[T].batch,
			"When Push returns, all its items can be popped without any further push."},
		{"slices", all, subject[T].slices,
			"Push only reads its slice and keeps nothing of it; Pop writes only the items it returns."},
		{"length", all, subject[T].length,
			"Len is exact at rest, and never negative or beyond what was pushed while in use."},
		{"length asked", holds, subject[T].lengthAsked,
			"Len counts every item that was pushed and is popped later: " +
				"a consumer that pops and reads 0 has all that was pushed by then."},
		{"two doors", all, subject[T].twoDoors,
			"Every pushed item leaves once, by Pop or by Discard."},
		{"accounting", all, subject[T].accounting,
			"After each step pushed = popped + discarded + Len, and discards have reasons that the traits allow."},
		{"producers", holds, subject[T].orderAmongProducers,
			"Each producer's items stay in order among others'; pushes that do not overlap stay in order."},
		{"linearizable", all, subject[T].linearizable,
			"Calls that overlap come out as if each had happened at one instant between its begin and its end: " +
				"without a bound a push is never seen in part."},
		{"wake-up", holds, subject[T].wakeUp,
			"A push ends a waiting Pop unaided, also if it comes as the consumer goes to sleep."},
		{"isolation", all, subject[T].isolation,
			"Push waits for the consumer only if the traits say so: a slow handler holds up no others."},
		{"re-entrancy", all, subject[T].reentrancy,
			"The consumer may push, close and ask between two pops, and so may a Discard hook."},
		{"silence", all, subject[T].silence,
			"An idle buffer runs nothing, sets no timer and allocates nothing."},
		{"close releases", all, subject[T].closeReleases,
			"Close ends a waiting Pop and a blocked Push, at any time, also unused and twice."},
		{"close drains", holds, subject[T].closeDrains,
			"What was pushed before Close is still popped, all of it, in order."},
		{"close ends intake", all, subject[T].closeEndsIntake,
			"A push after Close is discarded as closed, all of it."},
		{"close amid a push", all, subject[T].closeAmidPush,
			"Wherever Close cuts a push, what comes before is popped, what comes behind is discarded; " +
				"without a bound a push is not cut at all."},
		{"end", all, subject[T].end,
			"Once Pop has returned 0 it returns 0 for ever and touches nothing."},
		{"no leak", all, subject[T].noLeak,
			"When a closed buffer has been drained, no goroutine of it is left."},
		{"collectability", all, subject[T].collectability,
			"No item that has left is reachable through the buffer, also while it is idle or others wait."},
		{"footprint", all, subject[T].footprint,
			"A drained buffer keeps no more memory than its Variant promises, " +
				"after any burst, and nothing of what has passed."},
		{"gauges", all, subject[T].gauges,
			"Gauges tell the memory, the longest backlog, the merges and the wake-ups that there were."},
		{"nothing held", holdsNothing, subject[T].nothingHeld,
			"A buffer that drops all discards each item within its push, and lets Pop sleep until Close."},
	}
}

func boundedLaws[T any]() []law[T] {
	return []law[T]{
		{"bound", bounded, subject[T].bound,
			"No more items wait than the capacity, at any instant, and no fewer fit in."},
		{"policy", overflows, subject[T].policy,
			"Exactly those items overflow that the policy says."},
		{"loss before successor", overflows, subject[T].lossBeforeSuccessor,
			"A lost item is discarded before any later one of its producer can be popped: " +
				"a consumer that meets this one knows of the loss."},
		{"loss order", overflows, subject[T].lossOrder,
			"A push loses the oldest items that wait, and when all those have left its own first ones, or it loses " +
				"its own last ones; it discards the oldest first."},
		{"blocking", blocks, subject[T].blocking,
			"Push waits exactly while there is no room, piece by piece; while there is room it sets no timer."},
		{"timeout", givesUp, subject[T].givesUpInTime,
			"A push that has waited for Params.Timeout discards what has not found room, and returns then; " +
				"after a pop the next one waits again."},
	}
}

func coalescingLaws[T any]() []law[T] {
	return []law[T]{
		{"merge table", coalesces, subject[T].mergeTable,
			"Of two items of a key that waits, Merge decides; next is discarded, or both, for that reason."},
		{"keys", coalesces, subject[T].keysApart,
			"Keys are equal only if all bytes of namespace and name are, and items merge however many keys wait."},
		{"position", coalesces, subject[T].position,
			"A key keeps the place of its first item: it neither jumps ahead nor starves, whatever is hot."},
		{"in hand", coalesces, subject[T].inHand,
			"What has been popped is not merged into: the next item of its key is popped as well."},
		{"cancel", coalesces, subject[T].cancel,
			"Items that cancel each other free their place at once and leave nothing behind."},
		{"bound by keys", coalesces, subject[T].boundByKeys,
			"No more items wait than there are keys, and memory follows the keys, not the pushes."},
		{"convergence", coalesces, subject[T].convergence,
			"Who applies what is popped ends at the last state pushed of each key, and never goes back in time."},
	}
}
