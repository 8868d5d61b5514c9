// Package bench holds the lab's Go benchmarks: whole pipelines, measured in
// process by the code that workers measure with. The folders below it are the
// command lab and its parts:
//
//	cmd/lab ─▶ run ── one process per contestant ──▶ worker ─▶ contestants, peers
//	   │        └──▶ raw.txt, profiles
//	   ├─▶ report ◀────┘      │
//	   └─▶ flame ◀────────────┘
//	cmd/micro ─▶ micro           buffers alone, operation by operation
//
// The benchmarks are for profiling, for quick looks while working on a buffer,
// and to see that nothing that is measured has rotted: a test runs each of them
// once.
//
//	go test ./bench -bench Pipeline -benchtime 5x
//
// For figures to compare, use the command lab, which interleaves contestants
// and gives each a process of its own.
package bench
