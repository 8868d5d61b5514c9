package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"informerlab/bench/format"
	"informerlab/bench/run"
	"informerlab/bench/worker"
	"informerlab/loadgen"
	"informerlab/loadgen/recorded"
)

// replay plays a trace once to each buffer and tells how faithfully.
func (l *lab) replay(flags *flag.FlagSet) action {
	p := &run.Plan{Blocks: 1, Rounds: 1, Args: l.argv}
	var buffers []string
	buffersFlag(flags, &buffers, "reference")
	speed := flags.String("speed", "100", "times as fast as recorded: a `number`, or max for all at once")
	objects := flags.String("objects", "fresh",
		"fresh: read while it is played, in constant memory; shared: built beforehand")
	listeners := flags.String("listeners", "1", "`number` of handlers of each resource")
	out := flags.String("out", "results", "`folder` in which the run's own folder is made")
	peersProgram := flags.String("peers", peersPath, "`program` that serves outside contestants")
	quiet := flags.Bool("quiet", false, "no progress on standard error")
	tagFlag(flags, &p.Tag)
	return func(ctx context.Context) error {
		settings := []string{"speed=" + *speed, "objects=" + *objects, "listeners=" + *listeners}
		if file := flags.Arg(0); file != "" {
			settings = append(settings, "trace="+file)
		}
		var err error
		if p.Workloads, err = parseWorkloads([]string{"replay"}, settings); err != nil {
			return usage{err}
		}
		if len(buffers) == 0 {
			buffers = []string{"reference"}
		}
		outside, err := neededPeers(ctx, *peersProgram)
		if err != nil {
			return err
		}
		if p.Arms, err = arms(buffers, outside); err != nil {
			return usage{err}
		}
		played := playback{workload: p.Workloads[0]}
		p.Each = played.add
		if !*quiet {
			p.Progress = run.NewProgress(l.errOut)
		}
		folder, err := l.execute(ctx, p, created(p, *out))
		if len(played.rows) == 0 {
			return err
		}
		if err == nil {
			err = l.tellPages(folder)
		}
		return cmp.Or(err, played.write(l.out))
	}
}

// A playback is what was seen of a replay.
type playback struct {
	workload loadgen.Workload
	rows     []playedRow
}

type playedRow struct {
	buffer string
	result *worker.Result
}

func (p *playback) add(_ loadgen.Workload, arm run.Arm, r *worker.Result) {
	p.rows = append(p.rows, playedRow{arm.Buffer, r})
}

// write writes a line per buffer.
func (p *playback) write(out io.Writer) error {
	name := filepath.Base(cmp.Or(p.workload.Trace, recorded.Name))
	fmt.Fprintf(out, "%s: %d events\n", name, p.rows[0].result.Events)
	table := format.Table{Head: []string{
		"BUFFER", "SECONDS", "GAP ERROR p50", "p99", "max", "LATE p99", "LATENCY p50", "p99", "GENERATOR/EVENT",
		"PEAK MEMORY", "FINAL STORE",
	}}
	slices.SortStableFunc(p.rows, func(a, b playedRow) int { return cmp.Compare(a.buffer, b.buffer) })
	for _, row := range p.rows {
		r := row.result
		gap, late, latency := orNone(r.GapError), orNone(r.Lateness), orNone(r.Latency)
		bound := ""
		if r.Lower != nil {
			bound = "≤ " // the generator was late
		}
		table.Add(row.buffer, fmt.Sprintf("%.2f", float64(r.WallNS)/1e9), brief(gap.P50), brief(gap.P99),
			brief(gap.Max), brief(late.P99), bound+brief(latency.P50), bound+brief(latency.P99),
			format.Value(r.GeneratorNS, "ns"), format.Bytes(float64(r.PeakBytes)), fmt.Sprintf("%016x", r.Store))
	}
	return table.Text(out)
}

// orNone returns quantiles that are all none where there are none.
func orNone(q *worker.Quantiles) worker.Quantiles {
	if q == nil {
		return worker.Quantiles{P50: -1, P99: -1, P999: -1, Max: -1}
	}
	return *q
}

// brief writes nanoseconds, of which a negative number stands for none.
func brief(ns int64) string {
	if ns < 0 {
		return format.None
	}
	return format.Nanoseconds(float64(ns))
}
