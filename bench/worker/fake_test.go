package worker_test

import (
	"context"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"informerlab/bench/worker"
	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
	"informerlab/core/source"
	"informerlab/loadgen"
)

// A fake is the simplest pipeline there can be: one goroutine per handler reads
// a stream of its own and calls the handler inline. A fault makes it wrong. A
// lossy one forgets every third event and heals before the last one.
type fake struct {
	lossy     bool
	forgetful []*forgetful // of a lossy one, by handler
	load      *loadgen.Load
	fault     string
	recorders []*loadgen.Recorder
	starts    []chan time.Time
	streams   []*loadgen.Stream
	running   sync.WaitGroup
	mu        sync.Mutex
	cache     map[event.Key]uint64
}

func fakes(fault string) []worker.Contestant {
	contestant := func(name string, loss buffer.Loss) worker.Contestant {
		return worker.Contestant{
			Name: name, Summary: "for tests", Traits: buffer.Traits{Order: buffer.FIFO, Loss: loss},
			New: func(_ context.Context, load *loadgen.Load) (worker.Pipeline, error) {
				lossy := loss != buffer.Lossless
				return &fake{load: load, fault: fault, cache: map[event.Key]uint64{}, lossy: lossy}, nil
			},
		}
	}
	return []worker.Contestant{contestant("fake", buffer.Lossless), contestant("lossy", buffer.DropsNew)}
}

func (f *fake) AddHandler(r *loadgen.Recorder) { f.recorders = append(f.recorders, r) }

func (f *fake) Start() error {
	for _, o := range f.load.Initial {
		f.cache[event.KeyOf(o)] = o.ID
		for _, r := range f.recorders {
			r.Add(o.ID, true)
		}
	}
	// One more stream than handlers fills the cache.
	for i := range len(f.recorders) + 1 {
		start := make(chan time.Time, f.load.Parts())
		stream := loadgen.NewStream(f.load, start)
		f.starts, f.streams = append(f.starts, start), append(f.streams, stream)
		apply := f.apply
		switch {
		case i < len(f.recorders) && f.lossy:
			forgetful := newForgetful(f.load, f.recorders[i], f.fault)
			f.forgetful = append(f.forgetful, forgetful)
			apply = forgetful.apply
		case i < len(f.recorders) && f.fault != "":
			apply = broken(f.fault, handle(f.recorders[i]))
		case i < len(f.recorders):
			apply = handle(f.recorders[i])
		}
		f.running.Go(func() { play(f.load, stream, apply) })
	}
	return nil
}

// play calls apply with each event and the state before it.
func play(load *loadgen.Load, stream *loadgen.Stream, apply func(e loadgen.Event, before uint64)) {
	held := map[event.Key]uint64{}
	for _, o := range load.Initial {
		held[event.KeyOf(o)] = o.ID
	}
	events := make([]loadgen.Event, 16)
	for n := stream.Next(events); n > 0; n = stream.Next(events) {
		for _, e := range events[:n] {
			apply(e, held[event.KeyOf(e.Object)])
			held[event.KeyOf(e.Object)] = e.Object.ID
		}
	}
}

func handle(r *loadgen.Recorder) func(loadgen.Event, uint64) {
	return func(e loadgen.Event, before uint64) {
		switch e.Type {
		case source.Added:
			r.Add(e.Object.ID, false)
		case source.Modified:
			r.Update(before, e.Object.ID)
		case source.Deleted:
			r.Delete(e.Object.ID, false)
		}
	}
}

// broken makes one mistake at the tenth event.
func broken(fault string, apply func(loadgen.Event, uint64)) func(loadgen.Event, uint64) {
	var n int
	var kept loadgen.Event
	var keptBefore uint64
	return func(e loadgen.Event, before uint64) {
		switch n++; {
		case n == 10 && fault == "loses":
		case n == 10 && fault == "doubles":
			apply(e, before)
			apply(e, before)
		case n == 10 && fault == "swaps":
			kept, keptBefore = e, before
		case n == 11 && fault == "swaps":
			apply(e, before)
			apply(kept, keptBefore)
		default:
			apply(e, before)
		}
	}
}

func (f *fake) apply(e loadgen.Event, _ uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := event.KeyOf(e.Object)
	if e.Type == source.Deleted {
		delete(f.cache, key)
		return
	}
	f.cache[key] = e.Object.ID
}

func (f *fake) Release(start time.Time) {
	for _, c := range f.starts {
		c <- start
	}
}

func (f *fake) Has(key event.Key) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, has := f.cache[key]
	return has
}

func (f *fake) Each(yield func(event.Key, uint64)) {
	f.running.Wait()
	for key, id := range f.cache {
		if f.fault == "stale" {
			id = 1
		}
		yield(key, id)
	}
}

func (f *fake) Accounts() (accounts []processor.Stats) {
	if f.fault == "keeps no account" {
		return nil
	}
	for _, forgetful := range f.forgetful {
		accounts = append(accounts, forgetful.account())
	}
	return accounts
}

func (f *fake) Lateness() *hdrhistogram.Histogram { return f.streams[0].Lateness() }

func (f *fake) Stop() {
	for _, s := range f.streams {
		s.Stop()
	}
	f.running.Wait()
}
