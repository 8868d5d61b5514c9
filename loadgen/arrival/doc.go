// Package arrival says when events are due: arrival processes as pure values,
// without a clock, a sleep or a goroutine.
//
//	Options ─▶ New ─▶ Process ─▶ Times(rng): 0.1 ms, 0.3 ms, 0.35 ms, …
//
//	constant │││││││││││││││││   evenly spaced
//	poisson  ││ │  ││  │  │ ││   independent
//	bursts   │       │││││││││   on and off at random: a rolling update
//	ramp     │   │  │  │ │ │││   faster and faster
//	sine     │ │││││ │    │  │   a day, often in seconds
//	relist   ┃       ┃       ┃   a batch at one instant, then nothing
//	recorded │ ││     │ │  │││   the times of a trace, again and again
//
// It promises:
//
//   - The mean rate is the one asked for, over a whole cycle of the process and
//     at any length: nothing drifts, fractions of a nanosecond and of an event
//     are carried.
//   - The laws are exact, not approximated by small steps: poisson, bursts, ramp
//     and sine are one Poisson process of rate 1, run through the area under
//     the curve of the rate. Of the sine the curve is drawn with 1024 straight
//     lines a day.
//   - The same seed gives the same times byte for byte, on any machine and in
//     any build: chance comes from whole numbers and comparisons, and no two
//     floating-point operations are left to be fused.
//   - A time costs a few dozen nanoseconds or less and allocates nothing
//     (BenchmarkTimes shows it).
//
// Limits: times are whole nanoseconds, so events at 10 million a second are up
// to one percent of a gap off; they stop growing at 1<<62, some 146 years.
package arrival
