package page_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"informerlab/bench/run"
	"informerlab/core/buffer"
)

// An invented buffer: what an event costs, per listener too, and what one that
// waits holds.
type invented struct {
	name          string
	traits        buffer.Traits
	event, fanout float64 // ns
	bytes         float64
	capacity      int // 0 = none
}

func lossless(order buffer.Order) buffer.Traits {
	return buffer.Traits{Order: order, Loss: buffer.Lossless, Bound: buffer.Unbounded, Producers: buffer.Many}
}

var sixBuffers = []invented{
	{"reference", lossless(buffer.FIFO), 620, 500, 49, 0},
	{"ring", lossless(buffer.FIFO), 290, 8, 50, 0},
	{"chunked", lossless(buffer.FIFO), 272, 7.5, 49.2, 0},
	{"mpsc", lossless(buffer.PerProducer), 301, 9, 64, 0},
	{
		"bounded:drop-oldest,cap=1024",
		buffer.Traits{Order: buffer.FIFO, Loss: buffer.DropsOld, Bound: buffer.ByCapacity, Producers: buffer.Many},
		281, 7, 48, 1024,
	},
	{
		"coalescing",
		buffer.Traits{Order: buffer.PerKey, Loss: buffer.Coalesces, Bound: buffer.ByKeys, Producers: buffer.Many},
		420, 60, 110, 10_000,
	},
}

var tenWorkloads = []string{
	"saturate:listeners=1", "saturate:listeners=8", "saturate:listeners=64", "stall:stalled=1", "stall:stalled=0",
	"poisson:utilization=50", "poisson:utilization=70", "poisson:utilization=80", "poisson:utilization=90",
	"poisson:utilization=95", "replay:speed=100",
}

// number returns the value after "key=" in a label, or another.
func number(label, key string, other float64) float64 {
	if _, rest, found := strings.Cut(label, key+"="); found {
		value := 0.0
		if _, err := fmt.Sscanf(rest, "%g", &value); err == nil {
			return value
		}
	}
	return other
}

// invent makes up a run that looks like one: figures are drawn by the seed.
func invent(buffers []invented, workloads []string, blocks int) *run.Recorded {
	random := rand.New(rand.NewPCG(5, 5))
	begin := time.Date(2026, 11, 22, 12, 30, 0, 0, time.UTC)
	end := begin.Add(4*time.Minute + 38*time.Second)
	r := &run.Recorded{Path: "/anywhere/results/20261122T123000Z-0123456ab", Manifest: run.Manifest{
		Args: []string{"run", "-blocks", fmt.Sprint(blocks)}, Seed: 1, Workloads: workloads,
		Started: begin, Finished: &end, Status: "complete",
		Environment: run.Environment{
			Commit: "0123456ab89abcdef0123456789abcdef0123456", Go: "go1.26.8", GOMAXPROCS: 2, System: "linux/amd64",
			Kernel: "6.18.44", CPU: "AMD EPYC", Cores: 2, MemoryBytes: 25_276_502_016,
		},
		Fitness: []*run.Fitness{{Workload: "replay:speed=100", Rounds: 6, Discarded: 2, Spoiled: 1}},
	}}
	for _, b := range buffers {
		r.Manifest.Arms = append(r.Manifest.Arms, run.ArmInfo{Buffer: b.name, Traits: b.traits})
	}
	for block := range blocks {
		r.Manifest.Blocks = append(r.Manifest.Blocks, &run.Block{Number: block + 1})
	}
	at := time.Duration(0)
	for block := range blocks {
		for _, w := range workloads {
			busy := math.Max(0, random.NormFloat64()*.15)
			for position, i := range random.Perm(len(buffers)) {
				row := run.Row{Workload: w, Buffer: buffers[i].name}
				r.Slices = append(r.Slices, run.Slice{
					Row: row, Block: block + 1, Round: 1, Position: position + 1, At: at,
					Steal: busy * random.Float64(), Pressure: busy, Others: busy / 3,
					Values: values(random, &buffers[i], w),
				})
				at += 1700 * time.Millisecond
			}
		}
	}
	for _, w := range workloads {
		for i := range buffers {
			row := run.Row{Workload: w, Buffer: buffers[i].name}
			if open(w) {
				r.Latencies = append(r.Latencies, run.Latency{Row: row, Histogram: histogram(random, &buffers[i], w)})
			}
			if strings.HasPrefix(w, "stall:stalled=1") {
				samples := timeline(random, &buffers[i])
				r.Timelines = append(r.Timelines, run.Timeline{Row: row, Block: 1, Samples: samples})
			}
		}
	}
	return r
}

// files are what the folder of a run has.
var files = []string{"raw.txt", "slices.csv.gz", "flame/index.html", "table.txt", "run.json"}

func open(workload string) bool {
	return strings.HasPrefix(workload, "poisson") || strings.HasPrefix(workload, "replay")
}

// wait is a latency in ns that grows with the load as that of a queue does.
func wait(b *invented, workload string) float64 {
	u := number(workload, "utilization", 40) / 100
	return (b.event*20 + b.fanout*40) * (1 + 3*u/(1-u+.02)) * math.Exp(4*math.Max(0, u-.75)*b.event/300)
}

func values(random *rand.Rand, b *invented, workload string) map[string]float64 {
	noise := func(v float64) float64 { return math.Round(1000*v*math.Exp(random.NormFloat64()*.04)) / 1000 }
	listeners := number(workload, "listeners", 2)
	cost := b.event + b.fanout*listeners
	v := map[string]float64{"cpu-ns/event": noise(cost * 1.15), "B/event": noise(51), "allocs/event": noise(1)}
	switch {
	case open(workload):
		w := wait(b, workload)
		v["p50-ns"], v["p99-ns"], v["p99.9-ns"] = noise(w), noise(18*w), noise(60*w)
		v["generator-late-p99-ns"] = noise(41_000)
	case strings.HasPrefix(workload, "stall"):
		v["others-ns/event"], v["retained-B"] = noise(cost), noise(180_000)
		if workload == "stall:stalled=1" {
			v["pending"], v["B/pending"], v["drain-ns/event"] = 1e6, noise(b.bytes), noise(cost/8)
			if b.capacity > 0 {
				v["pending"] = float64(b.capacity)
			}
		}
	default:
		v["ns/event"], v["ns/event·listener"] = noise(cost), noise(cost/listeners)
	}
	return v
}

func histogram(random *rand.Rand, b *invented, workload string) *hdrhistogram.Histogram {
	h := hdrhistogram.New(1, 60_000_000_000, 3)
	for range 12_000 {
		v := wait(b, workload) * math.Exp(random.NormFloat64()*.9)
		if random.Float64() < .004 {
			v += random.ExpFloat64() * 8e6
		}
		if h.RecordValue(int64(v)) != nil {
			panic("a latency beyond a minute")
		}
	}
	return h
}

func timeline(random *rand.Rand, b *invented) (samples []run.Sample) {
	const events = 1e6
	fill, drain := (b.event+2*b.fanout)*events/1e9, b.event*events/4e9
	heap, gcs := 0.0, 0
	for t := 0.0; t < fill+drain+.05; t += .01 {
		pending := math.Min(events*math.Min(1, t/fill), events*math.Max(0, 1-(t-fill)/drain))
		oldest := math.Min(t, fill) * math.Min(1, pending/events*4)
		if b.capacity > 0 {
			pending = math.Min(pending, float64(b.capacity))
		}
		heap += 1.5e6 * random.Float64()
		if live := pending * b.bytes; heap > live+8e6 {
			heap = live
			gcs++
		}
		samples = append(samples, run.Sample{
			At: time.Duration(t * float64(time.Second)), Pending: int(pending), Oldest: time.Duration(oldest * 1e9),
			Bytes: int64(pending * b.bytes), Heap: int64(5e6 + math.Max(heap, pending*b.bytes)), GCs: gcs,
		})
	}
	return samples
}

// sides makes up a comparison of head with base, with its controls, as lab compare
// records it.
func sides() *run.Recorded {
	random := rand.New(rand.NewPCG(7, 7))
	r := invent(sixBuffers[:1], tenWorkloads[:1], 20)
	buffers := []string{"reference", "ring", "chunked"}
	workloads := []string{"saturate:events=20000,listeners=1", "saturate:events=20000,listeners=8"}
	r.Manifest.Workloads, r.Manifest.Arms, r.Slices, r.Manifest.Fitness = workloads, nil, nil, nil
	r.Manifest.Args = []string{"compare", "-base", "lab", "-buffers", strings.Join(buffers, ",")}
	effects := map[string]float64{"ring head": 1.021, "chunked head": .93, "reference base-slowed": 1.03}
	for _, b := range buffers {
		for _, side := range []string{"base", "head", "base-again", "base-slowed"} {
			if b == "reference" || !strings.HasPrefix(side, "base-") {
				info := run.ArmInfo{Buffer: b, Side: side, Procs: 1, Traits: lossless(buffer.FIFO)}
				if side == "base-slowed" {
					info.Spin = 3
				}
				r.Manifest.Arms = append(r.Manifest.Arms, info)
			}
		}
	}
	for block := range 20 {
		for position, w := range random.Perm(len(workloads)) {
			for i, arm := range r.Manifest.Arms {
				effect := effects[arm.Buffer+" "+arm.Side]
				if effect == 0 {
					effect = 1
				}
				cost := 500 * number(workloads[w], "listeners", 1) * effect * math.Exp(random.NormFloat64()*.006)
				r.Slices = append(r.Slices, run.Slice{
					Row:   run.Row{Workload: workloads[w], Buffer: arm.Buffer, Side: arm.Side},
					Block: block + 1, Round: 1, Position: i + 1, At: time.Duration(block*4+position*2) * time.Second,
					Steal: -1, Pressure: .1 * random.Float64(), Others: -1,
					Values: map[string]float64{"cpu-ns/event": cost},
				})
			}
		}
	}
	return r
}
