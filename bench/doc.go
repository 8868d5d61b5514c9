// Package bench holds the lab's Go benchmarks: whole pipelines, measured in
// process by the code that workers measure with. The folders below it are the
// command lab and its parts:
//
//	cmd/lab ─▶ run ── child: a process per arm ──▶ worker ─▶ contestants, peers
//	   │        └──▶ a folder: raw text, slices, histograms, timelines, profiles
//	   │                  │
//	   ├─▶ report         │ tables, as benchstat's
//	   ├─▶ compare ◀──────┤ verdicts: head against base, buffers against one another, who wins
//	   │      └▶ stats    │ intervals, permutation tests, Holm
//	   ├─▶ page ◀─────────┤ the HTML report, summaries, the front page; chart draws
//	   ├─▶ flame ◀────────┘ flame graphs, and what grew most
//	   ├─▶ gate             two trees, layer by layer, each red row confirmed
//	   ├─▶ trials           false alarms and misses of compare itself
//	   └─▶ findings         answers to open questions, with pages made of data
//	cmd/mutants ─▶ mutants  do flame graphs name who is guilty?
//	cmd/overhead ─▶ overhead  what the lab itself costs
//	cmd/micro ─▶ micro      buffers alone, operation by operation
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
