package worker_test

import (
	"context"
	"sync"
	"time"

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
	cache     map[event.Key]*loadgen.Object
}

func fakes(fault string) []worker.Contestant {
	contestant := func(name string, loss buffer.Loss) worker.Contestant {
		return worker.Contestant{
			Name: name, Summary: "for tests", Traits: buffer.Traits{Order: buffer.FIFO, Loss: loss},
			New: func(_ context.Context, load *loadgen.Load) (worker.Pipeline, error) {
				lossy := loss != buffer.Lossless
				return &fake{load: load, fault: fault, cache: map[event.Key]*loadgen.Object{}, lossy: lossy}, nil
			},
		}
	}
	return []worker.Contestant{contestant("fake", buffer.Lossless), contestant("lossy", buffer.DropsNew)}
}

func (f *fake) AddHandler(r *loadgen.Recorder, _ time.Duration) error {
	f.recorders = append(f.recorders, r)
	return nil
}

func (f *fake) RemoveHandler(int) error { return nil }

func (f *fake) Start() error {
	for _, o := range f.load.Lists[0].Objects {
		f.cache[event.KeyOf(o)] = o
		for _, r := range f.recorders {
			r.Add(o.Mark, true)
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
func play(load *loadgen.Load, stream *loadgen.Stream, apply func(e loadgen.Event, before loadgen.Mark)) {
	held := map[event.Key]loadgen.Mark{}
	for _, o := range load.Lists[0].Objects {
		held[event.KeyOf(o)] = o.Mark
	}
	events := make([]loadgen.Event, 16)
	for n := stream.Next(events); n > 0; n = stream.Next(events) {
		for _, e := range events[:n] {
			apply(e, held[event.KeyOf(e.Object)])
			held[event.KeyOf(e.Object)] = e.Object.Mark
		}
	}
}

func handle(r *loadgen.Recorder) func(loadgen.Event, loadgen.Mark) {
	return func(e loadgen.Event, before loadgen.Mark) {
		switch e.Type {
		case source.Added:
			r.Add(e.Object.Mark, false)
		case source.Modified:
			r.Update(before, e.Object.Mark)
		case source.Deleted:
			r.Delete(e.Object.Mark, false)
		}
	}
}

// broken makes one mistake at the tenth event.
func broken(fault string, apply func(loadgen.Event, loadgen.Mark)) func(loadgen.Event, loadgen.Mark) {
	var n int
	var kept loadgen.Event
	var keptBefore loadgen.Mark
	return func(e loadgen.Event, before loadgen.Mark) {
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

func (f *fake) apply(e loadgen.Event, _ loadgen.Mark) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := event.KeyOf(e.Object)
	if e.Type == source.Deleted {
		delete(f.cache, key)
		return
	}
	f.cache[key] = e.Object
}

func (f *fake) Release(start time.Time) {
	for _, c := range f.starts {
		c <- start
	}
}

func (f *fake) Get(key event.Key) (m loadgen.Mark, held bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o, held := f.cache[key]
	if held {
		m = o.Mark
	}
	return m, held
}

func (f *fake) Each(yield func(event.Key, loadgen.Mark, string)) {
	f.running.Wait()
	for key, o := range f.cache {
		if f.fault == "stale" {
			o = f.load.Object(1)
		}
		yield(key, o.Mark, o.GetResourceVersion())
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

func (f *fake) Pace() loadgen.Pace { return f.streams[0].Pace() }

func (f *fake) Stop() {
	for _, s := range f.streams {
		s.Stop()
	}
	f.running.Wait()
}
