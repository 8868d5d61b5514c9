package trace

import (
	"bytes"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Write writes tables for people to read.
func (i *Info) Write(out io.Writer) error {
	w := &bytes.Buffer{}
	kind := "compact"
	if i.Header.Objects {
		kind = "with objects"
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	rows := append(i.Resources[:len(i.Resources):len(i.Resources)], i.All)
	fmt.Fprintf(w, "version %d, %s, %s; %d events in %.1f s, %d objects in initial lists, %d bookmarks\n",
		i.Header.Version, kind, i.Header.Compression,
		i.All.Events(), i.Length.Seconds(), i.All.Initial, i.All.Bookmarks)
	table := func(title, heads string, row func(r *ResourceInfo)) {
		fmt.Fprintf(t, "\n%s\n\t%s\t\n", title, heads)
		for n := range rows {
			fmt.Fprintf(t, "%s\t", rows[n].Name)
			row(&rows[n])
			fmt.Fprint(t, "\t\n")
		}
		_ = t.Flush() // memory does not fail
	}
	table("Events", "initial\tADDED\tMODIFIED\tDELETED\tevents", func(r *ResourceInfo) {
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%d", r.Initial, r.Added, r.Modified, r.Deleted, r.Events())
	})
	table("Events per 100 ms", "mean\tp50\tp99\tmax", func(r *ResourceInfo) {
		fmt.Fprintf(t, "%.3f\t%d\t%d\t%d", r.PerWindow.Mean, r.PerWindow.P50, r.PerWindow.P99, r.PerWindow.Max)
	})
	table("Gap from one event to the next, ms", "mean\tp50\tp99\tmax", func(r *ResourceInfo) {
		fmt.Fprintf(t, "%.3f\t%.3f\t%.3f\t%.3f", r.Gaps.Mean/1e6, ms(r.Gaps.P50), ms(r.Gaps.P99), ms(r.Gaps.Max))
	})
	table("Records per life of a key", "lives\tmean\tp99\tmax\ttop 1%\ttop 10%\tGini", func(r *ResourceInfo) {
		l := r.Lives
		fmt.Fprintf(t, "%d\t%.2f\t%d\t%d\t%.1f%%\t%.1f%%\t%.3f", l.Count, l.Mean, l.P99, l.Max,
			100*l.Top1, 100*l.Top10, l.Gini)
	})
	table("Size of objects, bytes", "mean\tp50\tp99\tmax", func(r *ResourceInfo) {
		fmt.Fprintf(t, "%.0f\t%d\t%d\t%d", r.Sizes.Mean, r.Sizes.P50, r.Sizes.P99, r.Sizes.Max)
	})
	const coalescible = "Events that another one of the same key follows within"
	table(coalescible, windows(CoalesceWindows[:]), func(r *ResourceInfo) {
		for n, share := range r.Coalescible {
			fmt.Fprintf(t, "%s%.1f%%", tab(n), 100*share)
		}
	})
	const stalled = "The most that a listener collects that stands still for (events, keys, MB)"
	table(stalled, windows(StallWindows[:]), func(r *ResourceInfo) {
		for n, b := range r.Stalled {
			fmt.Fprintf(t, "%s%d, %d, %.2f", tab(n), b.Events, b.Keys, float64(b.Bytes)/1e6)
		}
	})
	_, err := out.Write(w.Bytes())
	return err
}

func ms(ns int64) float64 { return float64(ns) / 1e6 }

func tab(n int) string {
	if n == 0 {
		return ""
	}
	return "\t"
}

func windows(all []time.Duration) (heads string) {
	for n, w := range all {
		heads += tab(n) + w.String()
	}
	return heads
}
