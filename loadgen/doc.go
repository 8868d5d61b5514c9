// Package loadgen makes the events that the lab measures with, and knows what a
// correct pipeline must make of them.
//
//	workloads/*.toml ─▶ Workload ─┬─▶ Synthetic: population + arrival ─┐
//	-set option=value             └─▶ Replay: trace ───────────────────┴─▶ Load
//
//	        ┌─▶ Source (list, watch) ─▶ pipeline ─▶ Recorder
//	Load ───┼─▶ Stream ─▶ outside contestant ─────────▲
//	        └─▶ Expect: calls, checksum, final state ─┘
//
// It promises:
//
//   - The events of a load are fixed before the clock starts. The same seed, or
//     the same trace, gives the same events byte for byte.
//   - Handing out an event that was built beforehand costs a few nanoseconds and
//     allocates nothing (BenchmarkSource), and the sequence is kept free of
//     pointers, so that a measured pipeline does not pay for the collector
//     walking the harness. What making fresh ones costs is in every result.
//   - A trace of any length is replayed in constant memory, if its objects are
//     fresh (TestFreshReplayMemory).
//   - In an open load every event has an intended time. Latency counts from
//     that time, not from when the generator got round to the event, and the
//     generator's own lateness is recorded. Only Stream waits for a time.
//   - A Recorder notices any call that was lost, doubled, swapped with another or
//     made with another state than the right one. Of a handler whose calls are
//     not all known beforehand, because its buffer loses or merges, it resyncs,
//     or it comes late, it notices any call that does not fit to the calls
//     before, and any key of which it does not know the last state in the end.
//
// The parts that know nothing of loads are packages of their own: arrival says
// when, population which object and what happens to it, cost what a call takes,
// trace is the format of recordings.
//
// Limits: the latency of a level recorder is by the state it is told: where that
// came more than once, 64 events of its key apart, the last event due counts.
// Objects carry a key, a version and, if asked for, opaque bytes; they have no
// UID and no fields. Lists are served whole, and the only fault of a source is
// that its version expires: for others there is the scripted server in
// core/source.
package loadgen
