// Package workqueue hands items from many producers to many workers. It is for
// handlers that only note which object changed and leave the work to others: an
// item is the name of a piece of work, compared with ==, not the work itself.
//
//	Add ───────────────────────────────────▶ ┌───────┐
//	AddAfter ───────────▶ schedule ── due ─▶ │ Queue │ ── Get ──▶ worker ── Done ──▶
//	AddRateLimited ─▶ When ───▲              └───────┘              │
//	                                             ▲── added meanwhile ┘
//
// Queue, Delaying and RateLimiting add one row each, from the top, and each
// embeds the one before. What a queue promises:
//
//   - in turn: items leave in the order in which they became ready;
//   - once: an item that waits is there once, however often it is added;
//   - alone: no item is in the hands of two workers at a time;
//   - not forgotten: an item added while a worker has it in hand becomes ready
//     exactly once more, when that worker is done with it;
//   - to the end: after a shutdown nothing new gets in, what is ready is still
//     handed out, and then every Get says that it is over;
//   - no leftovers: when a shutdown returns, no goroutine of the queue is left,
//     and storage that grew in a burst is given back once the queue is empty.
//
// Limits. A queue is unbounded on purpose, as it has at most one entry per
// distinct item; the depth metric is what to watch. It has no priorities and
// keeps nothing on disk. A worker that never calls Done keeps its item from
// everybody and a drain from ending. Items that are still scheduled at a
// shutdown are dropped.
//
// # Differences from client-go
//
// The model is k8s.io/client-go/util/workqueue as of v0.37.2. Deliberate
// differences:
//
//   - ShutDownWithDrain stops the delaying goroutine at once and waits for it.
//     There it is only stopped by ShutDown, and otherwise lingers until its
//     next heartbeat, up to ten seconds. We need no heartbeat: one timer stands
//     at the earliest item.
//   - AddAfter never blocks. There it sends to a channel of 1000 slots, and
//     waits while that is full.
//   - Items due at the same instant become ready in the order of their
//     AddAfter; there the order is left open.
//   - Done of an item that nobody has in hand does nothing. There it queues an
//     item that waits a second time, and two workers can then have it at once.
//   - Several drains at once all end. There the last Done wakes only one of
//     them, and the others wait for ever unless ShutDown is called.
//   - There is no interface for storage, no injected clock and no global
//     metrics provider. Tests use testing/synctest.
//   - Limiters panic on settings that cannot work instead of waiting for ever.
package workqueue
