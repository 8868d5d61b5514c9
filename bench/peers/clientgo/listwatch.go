package clientgo

import (
	"context"
	"errors"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"informerlab/core/source"
	"informerlab/loadgen"
)

// An object is the Kubernetes twin of a load's object.
type object struct {
	metav1.PartialObjectMetadata
	mark    loadgen.Mark
	payload []byte // kept alive for as long as the twin is, as what a decoder filled in would be
}

// become makes a new object the twin of one of a load.
func (o *object) become(of *loadgen.Object) {
	o.Namespace, o.Name, o.ResourceVersion = of.GetNamespace(), of.GetName(), of.GetResourceVersion()
	o.mark, o.payload = of.Mark, of.Payload()
}

// DeepCopyObject returns a copy that shares nothing but what never changes.
func (o *object) DeepCopyObject() runtime.Object {
	return &object{PartialObjectMetadata: *o.PartialObjectMetadata.DeepCopy(), mark: o.mark, payload: o.payload}
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
	objects []object    // by ID, from 1 at index 0: laid out as the load lays out its own; none of a fresh load
	lists   [][]*object // of the load, in their order
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
	c := newConversion(load)
	if len(k.latest) == keptConversions {
		k.latest = k.latest[1:]
	}
	k.latest = append(k.latest, c)
	return c
}

func newConversion(load *loadgen.Load) *conversion {
	c := &conversion{load: load}
	if !load.Fresh() {
		c.objects = make([]object, load.NumObjects())
		for o := range load.Objects() {
			c.objects[o.ID()-1].become(o)
		}
	}
	for _, l := range load.Lists {
		twins := make([]*object, 0, len(l.Objects))
		for _, o := range l.Objects {
			twins = append(twins, c.twin(o))
		}
		c.lists = append(c.lists, twins)
	}
	return c
}

// twin returns the twin of an object. Of a fresh load it is a new one.
func (c *conversion) twin(o *loadgen.Object) *object {
	if !c.load.Fresh() {
		return &c.objects[o.ID()-1]
	}
	twin := new(object)
	twin.become(o)
	return twin
}

func (c *conversion) event(e loadgen.Event) watch.Event {
	if e.Type == source.Failed {
		status := apierrors.NewResourceExpired("the version is too old: a load says so").Status()
		return watch.Event{Type: watch.Error, Object: &status}
	}
	return watch.Event{Type: watch.EventType(e.Type.String()), Object: c.twin(e.Object)}
}

// A listWatch is what the informer lists and watches: each of the load's lists in
// turn, and after each the events up to where its version expires, in a channel
// that is closed there. Each list can be watched once, which is all that an
// informer does that nothing else goes wrong for.
type listWatch struct {
	conversion *conversion
	start      chan time.Time // takes one for each part of the load
	released   chan struct{}  // closed by the first release
	once       sync.Once
	stream     *loadgen.Stream
	watches    []chan watch.Event // by list
	mu         sync.Mutex
	opened     int // watches so far, and so the list that is served; guarded by mu
	stopped    chan struct{}
	forwarding sync.WaitGroup
}

var (
	_ cache.ListerWatcher            = (*listWatch)(nil)
	_ cache.ListerWatcherWithContext = (*listWatch)(nil)
	_ watch.Interface                = stream(nil)
)

func newListWatch(c *conversion) *listWatch {
	start := make(chan time.Time, c.load.Parts())
	l := &listWatch{
		conversion: c,
		start:      start,
		released:   make(chan struct{}),
		stream:     loadgen.NewStream(c.load, start),
		stopped:    make(chan struct{}),
	}
	for _, room := range rooms(c.load) {
		l.watches = append(l.watches, make(chan watch.Event, room))
	}
	if !l.forwards() {
		at := 0
		for _, e := range c.load.Events() {
			l.watches[at] <- c.event(e)
			at = l.ended(at, e)
		}
	}
	return l
}

// freshRoom is how many objects of a fresh load may be there before the informer
// takes them: as many as our own source hands out at a time, so that no side
// holds more memory for what it has not read.
const freshRoom = 1024

// rooms returns the size of the channel of each watch: that of all its events but
// a prefill, so that the forwarding goroutine never waits for the informer, or
// of a fresh load freshRoom.
func rooms(load *loadgen.Load) []int {
	rooms := make([]int, len(load.Lists))
	if load.Fresh() {
		for i := range rooms {
			rooms[i] = freshRoom
		}
		return rooms
	}
	at := 0
	for i, e := range load.Events() {
		if i >= load.Prefill {
			rooms[at]++
		}
		if e.Type == source.Failed {
			at++
		}
	}
	return rooms
}

// ended closes the channel of a watch after its last event, and returns which
// watch the next event is for.
func (l *listWatch) ended(at int, e loadgen.Event) int {
	if e.Type != source.Failed {
		return at
	}
	close(l.watches[at])
	return at + 1
}

// forwards reports whether the events come into the channels only when they are due.
func (l *listWatch) forwards() bool {
	load := l.conversion.load
	return load.Open() || load.Fresh() || load.Prefill > 0
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

// forward puts events into the channels when they are due.
func (l *listWatch) forward() {
	var due [256]loadgen.Event
	at := 0
	for {
		n := l.stream.Next(due[:])
		if n == 0 {
			return
		}
		for _, e := range due[:n] {
			select {
			case l.watches[at] <- l.conversion.event(e):
				at = l.ended(at, e)
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

// List returns the load's list that has not been watched yet.
func (l *listWatch) List(metav1.ListOptions) (runtime.Object, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened == len(l.watches) {
		return nil, errors.New("clientgo: a load has no further list")
	}
	page := &list{Items: l.conversion.lists[l.opened]}
	page.ResourceVersion = l.conversion.load.Lists[l.opened].Version
	return page, nil
}

// ListWithContext is List: it does not wait.
func (l *listWatch) ListWithContext(_ context.Context, o metav1.ListOptions) (runtime.Object, error) {
	return l.List(o)
}

// Watch is WatchWithContext without a context.
func (l *listWatch) Watch(o metav1.ListOptions) (watch.Interface, error) {
	return l.WatchWithContext(context.Background(), o)
}

// WatchWithContext waits for the release and returns the stream after the list.
func (l *listWatch) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	select {
	case <-l.released:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opened == len(l.watches) || o.ResourceVersion != l.conversion.load.Lists[l.opened].Version {
		return nil, errors.New("clientgo: a list of a load cannot be watched again")
	}
	l.opened++
	return stream(l.watches[l.opened-1]), nil
}

// A stream is one watch of a listWatch. It ends with the informer, or where its
// version expires.
type stream chan watch.Event

// ResultChan returns the channel of events.
func (s stream) ResultChan() <-chan watch.Event { return s }

// Stop does nothing: who reads no further leaves nothing behind.
func (s stream) Stop() {}
