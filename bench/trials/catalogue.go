package trials

import (
	"slices"

	"informerlab/bench/worker"
)

// A Mutant is one slow-down of real code.
type Mutant struct {
	Name, What string
	File       string // below the module's folder
	Edits      []Edit
	// Guilty are the functions that may be named, as flame.Top does but without
	// the module: those with the change in them, or that use what it changed.
	Guilty []string
	// Where it shows: a contestant, a workload, and the kind of profile.
	Buffer, Workload, Kind string
}

// An Edit replaces a text that the file has once.
type Edit struct{ Old, New string }

// AllMutants returns the mutants.
func AllMutants() []Mutant { return slices.Clone(catalogue) }

const (
	one   = "saturate:listeners=1,events=200000"
	eight = "saturate:listeners=8,events=300000"
)

var catalogue = []Mutant{{
	Name: "sprintf-key",
	What: "a key string is formatted for each write of the cache",
	File: "core/indexer/indexer.go",
	Edits: []Edit{{
		`	key := event.KeyOf(c.Object)
	e := x.items[key]
	if e == nil {
`,
		`	key := event.KeyOf(c.Object)
	e := x.items[key]
	if e == nil || fmt.Sprintf("%s/%s", key.Namespace, key.Name) == "" {
`,
	}},
	Guilty: []string{"core/indexer.(*Indexer).put"},
	Buffer: "ring", Workload: one, Kind: worker.CPUProfile,
}, {
	Name: "index-rewritten",
	What: "an object is taken out of its index and put back, though its place is the same",
	File: "core/indexer/indexer.go",
	Edits: []Edit{{
		"		if first < i || !slices.Equal(values, e.values[i]) {\n",
		"		if true {\n",
	}, {
		"		if !slices.Equal(x.scratch[i], e.values[i]) {\n",
		"		if true {\n",
	}},
	Guilty: []string{"core/indexer.(*Indexer).put"},
	Buffer: "ring", Workload: one, Kind: worker.CPUProfile,
}, {
	Name: "clock-per-call",
	What: "each call of a handler is timed",
	File: "core/processor/listener.go",
	Edits: []Edit{{
		`		n := &batch[done]
		switch n.Kind {
`,
		`		n := &batch[done]
		if time.Since(time.Now()) > time.Hour {
			return done, false
		}
		switch n.Kind {
`,
	}},
	Guilty: []string{"core/processor.(*Listener).deliver"},
	Buffer: "ring", Workload: eight, Kind: worker.CPUProfile,
}, {
	Name: "defer-per-call",
	What: "each call of a handler has a deferred function of its own, not each batch",
	File: "core/processor/listener.go",
	Edits: []Edit{{
		"l.deliver(rest[:ready])",
		"l.deliver(rest[:min(ready, 1)])",
	}},
	Guilty: []string{"core/processor.(*Listener).deliverAll", "core/processor.(*Listener).deliver"},
	Buffer: "ring", Workload: eight, Kind: worker.CPUProfile,
}, {
	Name: "batch-cleared-whole",
	What: "a listener clears room for 128 notifications, however few it had",
	File: "core/processor/listener.go",
	Edits: []Edit{{
		`		clear(batch[:n])
		l.atRest()`,
		`		clear(batch)
		l.atRest()`,
	}},
	Guilty: []string{"core/processor.(*Listener).run"},
	Buffer: "reference", Workload: one, Kind: worker.CPUProfile,
}, {
	Name: "push-copies",
	What: "a push copies its slice before it stores it",
	File: "core/buffer/locked.go",
	Edits: []Edit{{
		"	l.store.Push(items)\n",
		"	l.store.Push(append([]T(nil), items...))\n",
	}},
	Guilty: []string{"core/buffer.(*Locked[…]).Push"},
	Buffer: "ring", Workload: eight, Kind: worker.CPUProfile,
}, {
	Name: "grow-by-constant",
	What: "a full ring grows by 1,024 slots instead of doubling",
	File: "core/buffer/reference.go",
	Edits: []Edit{{
		"slots := make([]T, cmp.Or(2*len(b.slots), firstSlots))",
		"slots := make([]T, cmp.Or(len(b.slots)+1024, firstSlots))",
	}},
	Guilty: []string{"core/buffer.(*backlog[…]).push"},
	Buffer: "reference", Workload: "stall:events=100000", Kind: worker.CPUProfile,
}, {
	Name: "lost-batch",
	What: "a pop takes its items one by one, and the lock for each",
	File: "core/buffer/locked.go",
	Edits: []Edit{{
		"	return l.store.Pop(dst)\n",
		`	n := 0
	for n < len(dst) && l.store.Len() > 0 {
		n += l.store.Pop(dst[n : n+1])
		l.bell.Unlock()
		l.bell.Lock()
	}
	return n
`,
	}},
	Guilty: []string{"core/buffer.(*Locked[…]).Pop"},
	Buffer: "ring", Workload: eight, Kind: worker.CPUProfile,
}, {
	Name: "node-per-item",
	What: "nodes of a list are allocated one by one",
	File: "variants/linkedlist/linkedlist.go",
	Edits: []Edit{{
		"	run := slices.Grow([]node[T](nil), runNodes)\n",
		"	run := slices.Grow([]node[T](nil), 1)\n",
	}},
	Guilty: []string{"variants/linkedlist.newRun[…]"},
	Buffer: "linkedlist", Workload: eight, Kind: worker.CPUProfile,
}, {
	Name: "spares-forgotten",
	What: "emptied chunks are not used again",
	File: "variants/spsc/spsc.go",
	Edits: []Edit{{
		"		if c, ok := q.spares.Take(); ok {",
		"		if c, ok := q.spares.Take(); ok && c == nil {",
	}},
	Guilty: []string{"variants/spsc.(*queue[…]).zeroed"},
	Buffer: "spsc", Workload: eight, Kind: worker.HeapProfile,
}, {
	Name: "spin",
	What: "a consumer looks 20,000 times before it parks",
	File: "variants/spsc/spsc.go",
	Edits: []Edit{{
		`		s := q.state.Load()
		if q.limit = s / one; q.limit != q.head {`,
		`		s := q.state.Load()
		for looks := 0; s/one == q.head && s&closedBit == 0 && looks < 20_000; looks++ {
			s = q.state.Load()
		}
		if q.limit = s / one; q.limit != q.head {`,
	}},
	Guilty: []string{"variants/spsc.(*queue[…]).look"},
	Buffer: "spsc", Workload: eight, Kind: worker.CPUProfile,
}, {
	Name: "needless-wake-up",
	What: "all workers are woken for each key, of whom one gets it",
	File: "core/workqueue/queue.go",
	Edits: []Edit{{
		"	q.work.Signal()\n",
		"	q.work.Broadcast()\n",
	}},
	Guilty: []string{"core/workqueue.(*Queue[…]).push"},
	Buffer: "ring", Workload: "reconcile:workers=64,rate=20000,cost=0s,seconds=0.5", Kind: worker.CPUProfile,
}, {
	Name: "lock-held-too-long",
	What: "a line for the log is formatted under the lock of the buffer",
	File: "core/buffer/locked.go",
	Edits: []Edit{{
		"package buffer\n",
		`package buffer

import "fmt"
`,
	}, {
		"	return l.store.Pop(dst)\n",
		`	n := l.store.Pop(dst)
	if fmt.Sprintf("popped %v to %v", dst[0], dst[n-1]) == "" {
		return 0
	}
	return n
`,
	}},
	Guilty: []string{"core/buffer.(*Locked[…]).Pop"},
	Buffer: "ring", Workload: eight, Kind: worker.MutexProfile,
}, {
	Name: "false-sharing",
	What: "how many calls run is counted, in words that all listeners have on one cache line",
	File: "core/processor/listener.go",
	Edits: []Edit{{
		"// A Listener owns",
		`var calls [8]atomic.Uint64

var numbers atomic.Uint32

// A Listener owns`,
	}, {
		"	sync    tracker\n",
		`	sync    tracker
	calls   *atomic.Uint64
`,
	}, {
		"	l.sync.start(1) // a",
		`	l.calls = &calls[numbers.Inc()%8]
	l.sync.start(1) // a`,
	}, {
		`		n := &batch[done]
		switch`,
		`		n := &batch[done]
		l.calls.Inc()
		switch`,
	}, {
		`Unknown != 0)
		}
	}
	return len`,
		`Unknown != 0)
		}
		l.calls.Dec()
	}
	return len`,
	}},
	Guilty: []string{"core/processor.(*Listener).deliver"},
	Buffer: "ring", Workload: eight, Kind: worker.CPUProfile,
}}
