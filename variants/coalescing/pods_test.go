package coalescing

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
)

// A pod is one state of an object.
type pod struct{ namespace, name, version string }

func (p *pod) GetNamespace() string       { return p.namespace }
func (p *pod) GetName() string            { return p.name }
func (p *pod) GetResourceVersion() string { return p.version }

func keyOf(n event.Notification) event.Key { return event.KeyOf(n.Object()) }

// newPod makes a state of the k-th pod of somebody. As if it came from a server,
// no two states share a string.
func newPod(owner, k, version int) *pod {
	return &pod{fmt.Sprintf("namespace-%d", k%40), fmt.Sprintf("pod-abc%03d-%05d", owner, k), strconv.Itoa(version)}
}

// A cluster changes its pods at random and tells of it as a controller does.
type cluster struct {
	rng      *rand.Rand
	owner    int
	version  int
	pods     []*pod // nil = not there
	listing  bool   // adds belong to the initial list
	flagged  int    // adds that did
	inOrder  bool   // one pod after the other
	occurred int
}

func newCluster(seed uint64, owner, pods int) *cluster {
	return &cluster{rng: rand.New(rand.NewPCG(seed, uint64(owner))), owner: owner, pods: make([]*pod, pods)}
}

func (c *cluster) change() event.Notification {
	k := c.rng.IntN(len(c.pods))
	if c.inOrder {
		k = c.occurred % len(c.pods)
	}
	c.occurred++
	c.version++
	before := c.pods[k]
	after := newPod(c.owner, k, c.version)
	n := event.Notification{Kind: event.Update, Old: before, New: after, Seq: uint64(c.version)}
	switch what := c.rng.IntN(5); {
	case before == nil:
		n.Kind, n.Old = event.Add, nil
		if c.listing {
			n.Flags = event.Initial
			c.flagged++
		}
	case what == 0:
		n.Kind, n.Old, n.New = event.Delete, after, before
		after = nil
	case what == 1:
		after.version = before.version
		n.Round = uint32(c.version)
	}
	c.pods[k] = after
	return n
}

func (c *cluster) changes(n int) []event.Notification {
	batch := make([]event.Notification, n)
	for k := range batch {
		batch[k] = c.change()
	}
	return batch
}

// A view is what a handler knows that applies what it is told. It is an error to
// be told what does not follow from that.
type view map[event.Key]string

func (v view) apply(n event.Notification) error {
	told := ""
	if before := n.Before(); before != nil {
		told = before.GetResourceVersion()
	}
	key := keyOf(n)
	if known := v[key]; known != told || (known == "") != (n.Kind == event.Add) {
		return fmt.Errorf("%v, after state %q, and the handler knows %q", n, told, known)
	}
	if delete(v, key); n.Kind != event.Delete {
		v[key] = n.New.GetResourceVersion()
	}
	return nil
}

func (v view) compare(clusters ...*cluster) error {
	present := 0
	for _, c := range clusters {
		for k, p := range c.pods {
			if p == nil {
				continue
			}
			present++
			if known := v[event.KeyOf(p)]; known != p.version {
				return fmt.Errorf("pod %d of cluster %d is at %s, the handler knows %q", k, c.owner, p.version, known)
			}
		}
	}
	if len(v) != present {
		return fmt.Errorf("%d pods are there, the handler knows %d", present, len(v))
	}
	return nil
}

// TestInitialAddsAreSettledOnce tells of an initial list that changes while it is
// delivered: each of its adds is popped with its flag, or discarded.
func TestInitialAddsAreSettledOnce(t *testing.T) {
	for seed := range uint64(200) {
		c := newCluster(seed, 0, 1+int(seed%50))
		c.listing = true
		handled, discarded := 0, 0
		b := open(t, buffer.Params[event.Notification]{
			Key: keyOf, Merge: processor.Merge,
			Discard: func(n event.Notification, _ buffer.Reason) {
				if n.Flags&event.Initial != 0 {
					discarded++
				}
			},
		})
		v := view{}
		dst := make([]event.Notification, 1)
		pop := func() {
			require.Equal(t, 1, b.Pop(dst))
			require.NoError(t, v.apply(dst[0]), "seed %d", seed)
			if n := dst[0]; n.Flags&event.Initial != 0 {
				require.Equal(t, event.Add, n.Kind, "seed %d", seed)
				handled++
			}
		}
		for round := range 60 {
			c.listing = round < 40
			b.Push(c.changes(c.rng.IntN(20)))
			for pops := c.rng.IntN(1 + b.Len()/3); pops > 0; pops-- {
				pop()
			}
			require.LessOrEqual(t, handled+discarded, c.flagged, "seed %d", seed)
		}
		for b.Len() > 0 {
			pop()
		}
		require.Equal(t, c.flagged, handled+discarded, "seed %d: popped %d, discarded %d", seed, handled, discarded)
		require.NoError(t, v.compare(c), "seed %d", seed)
	}
}

// TestTheKeyIsThatOfTheNewest merges and sees which of two equal names the buffer
// keeps: the older one would keep alive what it is part of.
func TestTheKeyIsThatOfTheNewest(t *testing.T) {
	b := open(t, buffer.Params[event.Notification]{Key: keyOf, Merge: processor.Merge})
	for _, n := range []event.Notification{updates(1)[0], updates(1)[0]} {
		b.Push([]event.Notification{n})
		require.Same(t, unsafe.StringData(n.New.GetName()), unsafe.StringData(b.waiting.next.key.Name))
	}
}

// TestConverges lets producers push changes of their own clusters while the
// consumer follows, and balances the books when all have come to rest.
func TestConverges(t *testing.T) {
	seeds, batches := 40, 200
	if testing.Short() {
		seeds, batches = 6, 60
	}
	for seed := range uint64(seeds) {
		var mu sync.Mutex
		discarded := 0
		b := open(t, buffer.Params[event.Notification]{
			Key: keyOf, Merge: processor.Merge,
			Discard: func(event.Notification, buffer.Reason) {
				mu.Lock()
				defer mu.Unlock()
				discarded++
			},
		})
		clusters := make([]*cluster, 4)
		var producers, consumer sync.WaitGroup
		for p := range clusters {
			c := newCluster(seed, p, []int{1, 20, 2000}[seed%3])
			clusters[p] = c
			producers.Go(func() {
				for range batches {
					b.Push(c.changes(1 + c.rng.IntN(1<<c.rng.IntN(8))))
					if c.rng.IntN(4) == 0 {
						runtime.Gosched()
					}
				}
			})
		}
		v := view{}
		popped := 0
		var wrong error
		consumer.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 99))
			for dst := make([]event.Notification, 1); b.Pop(dst) > 0; popped++ {
				if err := v.apply(dst[0]); wrong == nil {
					wrong = err
				}
				for range rng.IntN(1 << rng.IntN(10)) {
					rng.Uint32() // the handler is slower at times
				}
			}
		})
		producers.Wait()
		b.Close()
		consumer.Wait()
		require.NoError(t, wrong, "seed %d", seed)
		require.NoError(t, v.compare(clusters...), "seed %d", seed)
		pushed := 0
		for _, c := range clusters {
			pushed += c.occurred
		}
		require.Equal(t, pushed, popped+discarded, "seed %d", seed)
		checkStructure(t, b)
	}
}

// TestCloseAmidPushes closes at some point of the pushes of several producers.
func TestCloseAmidPushes(t *testing.T) {
	for seed := range uint64(30) {
		var mu sync.Mutex
		discarded := map[buffer.Reason]int{}
		b := open(t, buffer.Params[event.Notification]{
			Key: keyOf, Merge: processor.Merge,
			Discard: func(_ event.Notification, why buffer.Reason) {
				mu.Lock()
				defer mu.Unlock()
				discarded[why]++
			},
		})
		rng := rand.New(rand.NewPCG(seed, 1))
		closeAt := rng.IntN(40)
		pushed := 0
		var others sync.WaitGroup
		for p := range 3 {
			c := newCluster(seed, p, 50)
			others.Go(func() {
				for k := range 40 {
					if p == 0 && k == closeAt {
						others.Go(b.Close)
					}
					b.Push(c.changes(1 + c.rng.IntN(30)))
				}
				mu.Lock()
				defer mu.Unlock()
				pushed += c.occurred
			})
		}
		popped := 0
		for dst := make([]event.Notification, 3); b.Pop(dst) > 0; popped++ {
		}
		others.Wait()
		lost := 0
		for _, n := range discarded {
			lost += n
		}
		require.Equal(t, pushed, popped+lost, "seed %d: popped %d, discarded %v", seed, popped, discarded)
		require.Zero(t, b.Len(), "seed %d", seed)
	}
}
