// Package bench holds the lab's Go benchmarks: whole pipelines, measured in
// process by the code that workers measure with. The folders below it are the
// command lab and its parts:
//
//	cmd/lab ─▶ run ── process: one per arm, with worker.Client ──▶ worker ─▶ contestants, peers
//	   │        └──▶ a folder: raw text, slices, histograms, timelines, profiles
//	   │                  │
//	   ├─▶ judge ◀────────┤ rows, controls, verdicts, winners; stats has intervals, tests, Holm
//	   ├─▶ report           them as text: tables, summaries, the README's table ┐ format writes
//	   ├─▶ page             them as pages; chart draws                          ┘ the numbers
//	   ├─▶ flame ◀────────┘ flame graphs, and what grew most
//	   ├─▶ compare          two programs, until it can be told whether one is slower
//	   ├─▶ gate             two trees, layer by layer, each red row confirmed
//	   ├─▶ micro            buffers alone, operation by operation
//	   ├─▶ trials           the lab itself: false alarms and misses, mutants, what it costs
//	   └─▶ findings         answers to open questions, with pages made of data
//
// The benchmarks are for profiling, for quick looks while working on a buffer,
// and to see that nothing that is measured has rotted: a test runs each of them
// once.
//
//	go test ./bench -bench Pipeline -benchtime 5x
//
// For figures to compare, use the command lab, which interleaves arms and gives
// each a process of its own.
package bench
