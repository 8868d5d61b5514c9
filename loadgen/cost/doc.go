// Package cost makes handlers expensive: it draws what a call costs and spends
// it.
//
//	seed ─▶ law (fixed, exponential, pareto) ─▶ Next ─▶ a duration
//	                                             └─▶ Spend ─▶ sleep: time passes
//	                                                      └─▶ spin:  a processor works
//
// It promises:
//
//   - The same cost and seed give the same durations, in whole nanoseconds, in
//     any build.
//   - Sleeping takes exactly as long as drawn where time is simulated (package
//     testing/synctest), and on average elsewhere.
//   - Spinning is a fixed amount of work. It ends under simulated time too.
//
// Limits: one sleep of a real process is late, often by more than a short cost.
// What it overslept is taken from the costs that follow, so that calls come in
// clusters: a slow one, then some for nothing. Spin where single calls of less
// than a few milliseconds matter. Drawing takes time of its own, which comes on
// top: BenchmarkSpend prints the sum as a multiple of what was drawn.
package cost
