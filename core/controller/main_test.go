package controller

import (
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"informerlab/core/event"
	"informerlab/core/indexer"
	"informerlab/core/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type thing struct{ name, version string }

func (o *thing) GetNamespace() string       { return "n" }
func (o *thing) GetName() string            { return o.name }
func (o *thing) GetResourceVersion() string { return o.version }

// obj returns a thing from "name@version".
func obj(s string) *thing {
	name, version, _ := strings.Cut(s, "@")
	return &thing{name, version}
}

func objs(ss ...string) (objects []event.Object) {
	for _, s := range ss {
		objects = append(objects, obj(s))
	}
	return objects
}

func delta(t queue.DeltaType, s string) queue.Delta { return queue.Delta{Type: t, Object: obj(s)} }

func replaced(version string, ss ...string) queue.Delta {
	return queue.Delta{Type: queue.ReplacedAll, List: &queue.List{Items: objs(ss...), ResourceVersion: version}}
}

// A bench is an Applier whose publications are kept.
type bench struct {
	*Applier
	cache *indexer.Indexer
	mu    sync.Mutex // for the race detector: the bubble's clock orders the two sides, but it cannot know
	told  []string   // notifications since the last take
	sizes []int      // of the published batches
	// onPublish runs when a batch is published, before it is kept.
	onPublish func(batch []event.Notification)
}

func newBench() *bench {
	b := &bench{cache: indexer.New(nil)}
	publish := func(batch []event.Notification) {
		if b.onPublish != nil {
			b.onPublish(batch)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.sizes = append(b.sizes, len(batch))
		for _, n := range batch {
			s := n.String()
			if n.Round != 0 {
				s += " sync"
			}
			b.told = append(b.told, s)
		}
	}
	b.Applier = NewApplier(b.cache, func(change func(func([]event.Notification))) { change(publish) })
	return b
}

// take returns what was told since the last take.
func (b *bench) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	told := b.told
	b.told, b.sizes = nil, nil
	return told
}
