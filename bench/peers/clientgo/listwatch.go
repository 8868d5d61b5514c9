package clientgo

import (
	"context"
	"errors"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"informerlab/loadgen"
)

// An object is the Kubernetes twin of a load's object.
type object struct {
	metav1.PartialObjectMetadata
	id uint64
}

// DeepCopyObject returns a copy that shares nothing.
func (o *object) DeepCopyObject() runtime.Object {
	return &object{PartialObjectMetadata: *o.PartialObjectMetadata.DeepCopy(), id: o.id}
}

// A list holds pointers, so that client-go takes the objects themselves.
type list struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []*object
}

// DeepCopyObject returns a copy of the list whose items are the same.
func (l *list) DeepCopyObject() runtime.Object {
	twin := *l
	twin.Items = append([]*object(nil), l.Items...)
	return &twin
}

// A conversion is a load in Kubernetes' types. It is never changed.
type conversion struct {
	load    *loadgen.Load
	objects []object // by ID, from 1 at index 0: laid out as the load lays out its own
}

// conversions keeps the conversions of the loads of one workload. Several runs
// share the objects, as they share those of the load in our own pipeline.
type conversions struct {
	mu     sync.Mutex
	latest []*conversion
}

// keptConversions is enough for the recorded trace, one load per resource.
const keptConversions = 64

func (k *conversions) of(load *loadgen.Load) *conversion {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.latest {
		if c.load == load {
			return c
		}
	}
	c := &conversion{load: load, objects: make([]object, load.NumObjects())}
	for o := range load.Objects() {
		twin := &c.objects[o.ID-1]
		twin.Namespace, twin.Name, twin.ResourceVersion = o.GetNamespace(), o.GetName(), o.GetResourceVersion()
		twin.id = o.ID
	}
	if len(k.latest) == keptConversions {
		k.latest = k.latest[1:]
	}
	k.latest = append(k.latest, c)
	return c
}

func (c *conversion) event(e loadgen.Event) watch.Event {
	return watch.Event{Type: watch.EventType(e.Type.String()), Object: &c.objects[e.Object.ID-1]}
}

// A listWatch is what the informer lists and watches. There is one stream; it
// can be watched once, which is all that an informer does that nothing goes
// wrong for.
type listWatch struct {
	conversion *conversion
	start      chan time.Time // takes one for each part of the load
	released   chan struct{}  // closed by the first release
	once       sync.Once
	stream     *loadgen.Stream
	events     chan watch.Event // room for all but the prefill, so that nobody waits for the informer
	stopped    chan struct{}
	forwarding sync.WaitGroup
}

var (
	_ cache.ListerWatcher            = (*listWatch)(nil)
	_ cache.ListerWatcherWithContext = (*listWatch)(nil)
	_ watch.Interface                = (*stream)(nil)
)

func newListWatch(c *conversion) *listWatch {
	start := make(chan time.Time, c.load.Parts())
	l := &listWatch{
		conversion: c,
		start:      start,
		released:   make(chan struct{}),
		stream:     loadgen.NewStream(c.load, start),
		events:     make(chan watch.Event, c.load.Len()-c.load.Prefill),
		stopped:    make(chan struct{}),
	}
	if !l.forwards() {
		for _, e := range c.load.Events() {
			l.events <- c.event(e)
		}
	}
	return l
}

// forwards reports whether the events come into the channel only when they are due.
func (l *listWatch) forwards() bool {
	return l.conversion.load.Due != nil || l.conversion.load.Prefill > 0
}

// release lets the next part of the load flow. Calls beyond its parts do nothing.
func (l *listWatch) release(start time.Time) {
	select {
	case l.start <- start:
	default:
	}
	l.once.Do(func() {
		close(l.released)
		if l.forwards() {
			l.forwarding.Go(l.forward)
		}
	})
}

// forward puts events into the channel when they are due.
func (l *listWatch) forward() {
	var due [256]loadgen.Event
	for {
		n := l.stream.Next(due[:])
		if n == 0 {
			return
		}
		for _, e := range due[:n] {
			select {
			case l.events <- l.conversion.event(e):
			case <-l.stopped:
				return
			}
		}
	}
}

func (l *listWatch) stop() {
	close(l.stopped)
	l.stream.Stop()
	l.forwarding.Wait()
}

// IsWatchListSemanticsUnSupported makes client-go list in the classic way.
func (l *listWatch) IsWatchListSemanticsUnSupported() bool { return true }

// List returns the initial objects.
func (l *listWatch) List(metav1.ListOptions) (runtime.Object, error) {
	page := &list{Items: make([]*object, 0, len(l.conversion.load.Initial))}
	page.ResourceVersion = l.conversion.load.InitialVersion
	for _, o := range l.conversion.load.Initial {
		page.Items = append(page.Items, &l.conversion.objects[o.ID-1])
	}
	return page, nil
}

// ListWithContext returns the initial objects.
func (l *listWatch) ListWithContext(_ context.Context, o metav1.ListOptions) (runtime.Object, error) {
	return l.List(o)
}

// Watch is WatchWithContext without a context.
func (l *listWatch) Watch(o metav1.ListOptions) (watch.Interface, error) {
	return l.WatchWithContext(context.Background(), o)
}

// WatchWithContext waits for the release and returns the stream.
func (l *listWatch) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	if o.ResourceVersion != l.conversion.load.InitialVersion {
		return nil, errors.New("clientgo: a load cannot be watched again")
	}
	select {
	case <-l.released:
		return (*stream)(l), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A stream is the watch of a listWatch. It ends only with the informer.
type stream listWatch

// ResultChan returns the channel of events.
func (s *stream) ResultChan() <-chan watch.Event { return s.events }

// Stop does nothing: only the informer's end stops its watch.
func (s *stream) Stop() {}
