// Package bench holds the lab's Go benchmarks and nothing else: whole pipelines,
// measured in process by the code that workers measure with.
//
//	go test ./bench -bench Pipeline -benchtime 5x
//
// They are for profiling, for quick looks while working on a buffer, and to see
// that nothing that is measured has rotted: a test runs each of them once. For
// figures to compare, use the command lab, which interleaves contestants and
// gives each a process of its own.
package bench
