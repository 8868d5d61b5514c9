// Package fidelity is the judge of whether the pipeline behaves as the real
// client-go. It drives both through the same random history and compares every
// handler call.
//
//	            ┌▶ Server ─▶ core/informer ────────────▶ handlers ─▶ recorder ┐
//	History ──▶─┤                                                             ├─▶ Judge
//	  (driver)  └▶ Server ─▶ lister-watcher ─▶ client-go ▶ handlers ▶ recorder ┘
//	                    all inside one testing/synctest bubble
//
// The driver applies one step to both sides, waits until every goroutine of
// both is idle, and files what each handler was called with since: one take.
// A take is compared call by call: kind, key, old and new version, initial
// flag, tombstone flag. Where client-go itself has no order, because it ranges
// over a map (the objects of a streaming initial list, the replay for a late
// handler, a resync round, the deletions that a relist implies), the calls of
// such a group are compared key by key. Where client-go promises no outcome at
// all (closing with a backlog, joining while events flow), each side is held to
// the laws instead: nothing is invented, order is kept, and what came is a
// beginning of what was owed. Beside the calls, the requests that reach the
// server, the content of the cache, the last version, HasSynced of the informer
// and of each handler, and the errors told to the watch-error handler are compared.
//
// Time makes both sides meet. Backoff has random jitter on each side, so the
// server answers requests only at the ticks of a clock that is slower than any
// backoff: what was late or early by jitter is in step again at the next tick.
//
// Our reflector runs with its improvements over client-go's switched off
// (Options.Faithful). With them on, it is held to convergence instead: after a
// history the cache and what handlers were called with equal the server's state.
//
// Limits: the order of calls of different handlers is not compared, nor how
// long anything takes; worker cost looks at that.
package fidelity
