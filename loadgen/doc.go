// Package loadgen makes the events that the lab measures with, and knows what a
// correct pipeline must make of them.
//
//	Synthetic ─┐                ┌─▶ Source (list, watch) ─▶ pipeline ─▶ Recorder
//	           ├─▶ Load ────────┤                                          ▲
//	Trace ─────┘     │          └─▶ Stream ─▶ outside contestant ──────────┤
//	                 └─▶ Expect: calls, checksum, final state ─────────────┘
//
// It promises:
//
//   - A Load is fixed before the clock starts. The same seed, or the same
//     trace, gives the same events byte for byte.
//   - Handing an event out costs a few nanoseconds, allocates nothing, and
//     the sequence is kept free of pointers, so that a measured pipeline does
//     not pay for the collector walking the harness.
//   - In an open load every event has an intended time. Latency counts from
//     that time, not from when the generator got round to the event, and the
//     generator's own lateness is recorded. Only Stream sleeps.
//   - A Recorder notices any call that was lost, doubled, swapped with
//     another or made with another state than the right one. Of a lossy
//     handler, which need not hear of every event, it notices any call that
//     does not fit to the calls before, and any key of which it does not know
//     the last state in the end.
//
// Limits: recorders are for handlers that were there from the start. Latency of
// a lossy one is by the state it is told: where that came more than once, 64
// events of its key apart, the last event due counts. Objects carry a key, a
// version and, if asked for, opaque bytes; they have no UID and no fields. The
// list is served whole, and a stream never fails by itself: faults are the
// business of the scripted server in core/source.
package loadgen
