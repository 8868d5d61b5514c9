package findings

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"text/template"
	"time"

	"informerlab/bench/format"
	"informerlab/bench/process"
	"informerlab/bench/worker"
	"informerlab/core/buffer"
	"informerlab/core/buffer/buffertest"
	"informerlab/core/event"
	"informerlab/core/processor"
	"informerlab/variants"
)

// What waits, and where.
var (
	pendings     = []int{1_000, 10_000, 100_000, 1_000_000}
	burstBuffers = []string{
		"reference", "ring", "linkedlist", "chunked", "mpsc", "spsc", "coalescing", "bounded:drop-oldest",
	}
)

// The cases of whole pipelines: so many stopped handlers.
const (
	stoppedOne  = "stopped=1"
	stoppedFour = "stopped=4"
	stoppedNone = "stopped=0"
	stopEvents  = 250_000
)

func neverShrinks() *Finding {
	f := &Finding{
		Name:   "never-shrinks",
		blocks: 6, facts: heldFacts, columns: []string{heldPeak, heldSlots, heldNeeded},
		words: heldWords, claims: heldClaims, figure: keptFigure,
		units: []string{keptBytes},
		figures: func(r *worker.Result) map[string]float64 {
			return map[string]float64{keptBytes: float64(r.Stall.RetainedBytes)}
		},
	}
	units := []string{keptBytes, gcWith, gcWithout}
	for _, name := range burstBuffers {
		for _, pending := range pendings {
			f.probes = append(f.probes, probe{keptArm(name, pending), units, func() (map[string]float64, error) {
				return afterBurst(name, pending)
			}})
		}
	}
	buffers := []string{"reference", "ring", outside}
	for _, c := range []struct{ name, options string }{
		{stoppedOne, "listeners=2,stalled=1"},
		{stoppedFour, "listeners=5,stalled=4"},
		{stoppedNone, "listeners=5,stalled=0"},
	} {
		workload := fmt.Sprintf("stall:%s,events=%d", c.options, stopEvents)
		f.pipelines = append(f.pipelines, pipeline{c.name, workload, buffers})
	}
	return f
}

func keptArm(name string, pending int) string {
	return fmt.Sprintf("buffer=%s/pending=%d", name, pending)
}

// The figures of a burst.
const (
	keptBytes = "kept-B"
	gcWith    = "gc-with-ns" // processor time of a collection while the drained buffer is there
	gcWithout = "gc-without-ns"
)

// afterBurst measures what a buffer keeps when a burst has waited in it and has been
// drained, and what that costs a garbage collection. The reference holds boxes, as
// client-go does, the others notifications.
func afterBurst(name string, pending int) (map[string]float64, error) {
	objects := make([]event.Object, min(pending, 10_000))
	for i := range objects {
		objects[i] = &event.Tombstone{Namespace: "default", Name: fmt.Sprintf("frontend-%05d", i)}
	}
	object := func(i int) event.Object { return objects[i%len(objects)] }
	defer runtime.KeepAlive(objects)
	if name == "reference" {
		v, err := variants.Find[any](name)
		if err != nil {
			return nil, err
		}
		type box struct{ old, new event.Object }
		return drained(v, buffer.Params[any]{}, pending, func(i int) any { return box{object(i), object(i)} })
	}
	v, err := variants.Find[event.Notification](name)
	if err != nil {
		return nil, err
	}
	params := buffer.Params[event.Notification]{
		Key:   func(n event.Notification) event.Key { return event.KeyOf(n.New) },
		Merge: processor.Merge,
	}
	return drained(v, params, pending, func(i int) event.Notification {
		return event.Notification{Kind: event.Update, Old: object(i), New: object(i), Seq: uint64(i) + 1}
	})
}

func drained[T any](
	v variants.Variant[T], params buffer.Params[T], pending int, item func(i int) T,
) (map[string]float64, error) {
	discarded := 0
	params.Discard = func(T, buffer.Reason) { discarded++ }
	before := buffertest.LiveBytes()
	gcBefore := collection()
	b := v.New(params)
	one := make([]T, 1)
	for i := range pending {
		one[0] = item(i)
		b.Push(one)
	}
	clear(one)
	popped := 0
	dst := make([]T, 64)
	for b.Len() > 0 {
		popped += b.Pop(dst)
	}
	clear(dst)
	kept := buffertest.LiveBytes() - before
	with := collection()
	b.Close()
	if b.Pop(dst) != 0 || popped+discarded != pending {
		return nil, fmt.Errorf("popped %d and discarded %d, expected %d together", popped, discarded, pending)
	}
	b = nil
	without := (gcBefore + collection()) / 2
	return map[string]float64{keptBytes: float64(kept), gcWith: with, gcWithout: without}, nil
}

// collection returns the processor time of a full garbage collection in nanoseconds.
func collection() float64 {
	const collections = 10
	runtime.GC() // what the first one finds dead is not to be swept by the others
	began := process.CPU()
	for range collections {
		runtime.GC()
	}
	return float64((process.CPU() - began).Nanoseconds()) / collections
}

// The columns of facts about what is held.
const (
	heldPeak   = "most"
	heldSlots  = "slots"
	heldNeeded = "needed-s" // more waits than half as many slots could hold
)

// heldFacts returns of each resource and behaviour what client-go's ring comes to
// hold in the recorded cluster and the busier one, and for how long it needs that.
func heldFacts() (map[string]map[string]float64, error) {
	streams, err := recordedStreams()
	if err != nil {
		return nil, err
	}
	facts := map[string]map[string]float64{}
	for _, s := range streams {
		for _, times := range []int{1, busier} {
			fast := s.faster(times)
			for _, b := range behaviours {
				arrivals := fast.times
				if b.late {
					arrivals = make([]time.Duration, fast.objects)
					b.handler = behaviours[0].handler
				}
				facts[factRow(s.resource, times)+", "+b.name] = held(b.handler, arrivals)
			}
		}
	}
	return facts, nil
}

// held plays events to a handler behind client-go's ring.
func held(h handler, times []time.Duration) map[string]float64 {
	peak := h.peak(times)
	_, slots := grown(buffer.InitialSlots, peak)
	var needed time.Duration
	h.ring(times, func(from, to time.Duration, waiting int) {
		if waiting > slots/2 {
			needed += to - from
		}
	})
	return map[string]float64{
		heldPeak: float64(peak), heldSlots: float64(slots), heldNeeded: digits4(needed.Seconds()),
	}
}

// little is what a buffer may keep and yet be said to keep next to nothing: a few
// times what client-go's listeners hold at rest.
const little = 64 << 10

// frugal are the buffers of which the page says that they keep less than little.
var frugal = []string{"ring", "linkedlist", "chunked", "mpsc", "spsc", "bounded:drop-oldest"}

// heldClaims are what the page concludes.
var heldClaims = map[string]claim{
	"a collection takes longer": func(d *Data) bool { return gcCost(d, "reference").low > 0 },
	"the largest ring is that of a late comer for events": func(d *Data) bool {
		rows := grownRows(d, 1)
		return len(rows) > 0 && rows[0] == factRow("events", 1)+", comes late"
	},
	"six buffers keep less than 64 KiB": func(d *Data) bool {
		return !slices.ContainsFunc(frugal, func(name string) bool { return kept(d, name) >= little })
	},
	"pipelines with reference keep four times as much behind four handlers": func(d *Data) bool {
		four := pipelineKept(d, stoppedFour, "reference") / pipelineKept(d, stoppedOne, "reference")
		return four > 3 && four < 5
	},
	"pipelines with ring keep less than 64 KiB": func(d *Data) bool {
		return max(pipelineKept(d, stoppedOne, "ring"), pipelineKept(d, stoppedFour, "ring")) < little
	},
}

// kept returns what a buffer keeps after the largest burst.
func kept(d *Data, name string) float64 {
	return d.figure(keptArm(name, pendings[len(pendings)-1]), keptBytes).median
}

// pipelineKept returns what a pipeline keeps beyond what it keeps without a stop.
func pipelineKept(d *Data, stopped, name string) float64 {
	return d.surplus(stopped+"/"+name, keptBytes, stoppedNone+"/"+name, keptBytes).median
}

// gcCost returns by how much a collection is dearer with the drained buffer.
func gcCost(d *Data, name string) figure {
	arm := keptArm(name, pendings[len(pendings)-1])
	return d.surplus(arm, gcWith, arm, gcWithout)
}

func heldWords(d *Data) template.FuncMap {
	largest := map[string]float64{}
	if rows := grownRows(d, 1); len(rows) > 0 {
		largest = d.Facts[rows[0]]
	}
	return template.FuncMap{
		"kept": func(name string) string { return format.Bytes(kept(d, name)) },
		"each": func() string { return format.Bytes(kept(d, "reference") / float64(pendings[len(pendings)-1])) },
		"gc":   func() string { return format.Nanoseconds(gcCost(d, "reference").median) },
		"without": func() string {
			return format.Nanoseconds(d.figure(keptArm("reference", pendings[len(pendings)-1]), gcWithout).median)
		},
		"largest":  func() string { return format.Bytes(slotBytes * largest[heldSlots]) },
		"needed":   func() string { return format.Nanoseconds(1e9 * largest[heldNeeded]) },
		"pipeline": func(stopped, name string) string { return format.Bytes(pipelineKept(d, stopped, name)) },
		"keptBy":   func() (string, error) { return keptTable(d) },
		"held":     func() (string, error) { return heldTable(d) },
	}
}

func keptTable(d *Data) (string, error) {
	head := []string{"kept after so many waited", "1,000", "10,000", "100,000", "1,000,000",
		"a collection after 1,000,000, more than without"}
	var rows [][]string
	for _, name := range burstBuffers {
		cells := []string{"`" + name + "`"}
		for _, pending := range pendings {
			cells = append(cells, format.Bytes(d.figure(keptArm(name, pending), keptBytes).median))
		}
		rows = append(rows, append(cells, gcCost(d, name).with(format.Nanoseconds)))
	}
	return markdown(head, rows)
}

// shownRings is how many rings of the recorded cluster, and of the busier one, are
// shown.
const shownRings = 5

// grownRows returns the facts of rings that grew, the largest first and of these those
// that are needed the shortest.
func grownRows(d *Data, times int) (rows []string) {
	for row, f := range d.Facts {
		if f[heldSlots] > buffer.InitialSlots && strings.Contains(row, factSuffix(times)+",") {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b string) int {
		x, y := d.Facts[a], d.Facts[b]
		return cmp.Or(cmp.Compare(y[heldSlots], x[heldSlots]), cmp.Compare(x[heldNeeded], y[heldNeeded]),
			strings.Compare(a, b))
	})
	return rows
}

func heldTable(d *Data) (string, error) {
	const day = 24 * time.Hour
	var table [][]string
	for _, times := range []int{1, busier} {
		rows := grownRows(d, times)
		for _, row := range rows[:min(shownRings, len(rows))] {
			f := d.Facts[row]
			table = append(table, []string{
				strings.Replace(row, factSuffix(1)+",", ",", 1), fmt.Sprint(int(f[heldPeak])),
				format.Bytes(slotBytes * f[heldSlots]), format.Nanoseconds(1e9 * f[heldNeeded]),
				format.Percent(f[heldNeeded] / day.Seconds()),
			})
		}
	}
	return markdown([]string{"ring", "most waiting", "held", "needed", "of a day"}, table)
}
