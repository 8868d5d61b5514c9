// Package core is the map of the pipeline that its packages make up; it holds no
// code, only the tests of what no single package can answer for: who may import
// whom, and what the code must look like.
//
//	source ── list, watch ──▶ reflector ── deltas ──▶ queue ──▶ controller ──▶ indexer
//	                                                               │
//	                                                               ▼ notifications
//	                                                           processor
//	                                                               │ one buffer per handler
//	                                                               ▼
//	                                                            handler ──▶ workqueue
//
// The packages, upstream to downstream:
//
//   - event: objects, keys, notifications, the words that all others share;
//   - source: the list and watch contract, and a scripted server in memory;
//   - reflector: keeps a queue equal to a source, through every disconnect;
//   - queue: deltas waiting to be applied, in order or by key;
//   - indexer: the cache, with secondary indexes;
//   - controller: applies deltas to the cache and tells what changed;
//   - buffer: what stands between the processor and one handler, and the laws
//     that buffers keep, in buffertest;
//   - processor: fans notifications out to handlers;
//   - workqueue: distinct items for workers; it knows none of the others;
//   - informer: all of it wired up: where an outsider begins;
//   - realtime: for tests, whether the machine's clock can be trusted now.
//
// Nothing in core knows the buffers that compete in package variants, nor who
// generates load for them or measures them.
package core
