package fidelity

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"informerlab/core/event"
	"informerlab/core/source"
)

// quietClientGo makes client-go fit to run in a bubble: panics of handlers are
// recovered, and errors and panics are not logged, because the loggers keep
// the time of the last error in a global variable, which the fake clocks of
// successive bubbles would set back. Call it once, before everything else.
func quietClientGo() {
	runtime.ReallyCrash = false
	runtime.ErrorHandlers = nil
	runtime.PanicHandlers = nil
	klog.SetLogger(klog.Logger{})
}

// A pipeline is an informer of either side.
type pipeline interface {
	// addHandler registers a handler; a negative resync means the default.
	addHandler(r *recorder, resync time.Duration) (registration, error)
	run(ctx context.Context)
	hasSynced() bool
	lastVersion() string
	cached() map[event.Key]string // resource versions
	takeErrors() []string         // told to the watch-error handler since the last take
}

// A registration is a handler that was added.
type registration interface {
	hasSynced() bool
	remove()
	shut() // removes and waits for the last call
}

// A maker builds one side's pipeline for a history.
type maker func(s source.Source, h *History) (pipeline, error)

// errorLog collects what a watch-error handler hears.
type errorLog struct {
	mu      sync.Mutex
	reasons []string
}

func (l *errorLog) add(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reasons = append(l.reasons, reasonOf(err))
}

func (l *errorLog) takeErrors() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	reasons := l.reasons
	l.reasons = nil
	return reasons
}

// theirs is the real client-go.
type theirs struct {
	errorLog
	informer cache.SharedIndexInformer
}

var _ maker = newTheirs

func newTheirs(s source.Source, h *History) (pipeline, error) {
	t := &theirs{informer: cache.NewSharedIndexInformer(
		&listWatch{source: s, classic: h.Classic}, &object{}, h.Resync,
		cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc},
	)}
	if rewrite := h.Rewrite.apply; h.Rewrite != NoRewrite {
		transform := func(o any) (any, error) { return rewrite(o.(*object)), nil }
		if err := t.informer.SetTransform(transform); err != nil {
			return nil, err
		}
	}
	return t, t.informer.SetWatchErrorHandler(func(_ *cache.Reflector, err error) { t.add(err) })
}

func (t *theirs) addHandler(r *recorder, resync time.Duration) (registration, error) {
	o := cache.HandlerOptions{}
	if resync >= 0 {
		o.ResyncPeriod = &resync
	}
	handle, err := t.informer.AddEventHandlerWithOptions(theirHandler{r}, o)
	return &theirRegistration{t.informer, handle}, err
}

func (t *theirs) run(ctx context.Context) { t.informer.RunWithContext(ctx) }
func (t *theirs) hasSynced() bool         { return t.informer.HasSynced() }
func (t *theirs) lastVersion() string     { return t.informer.LastSyncResourceVersion() }

func (t *theirs) cached() map[event.Key]string {
	versions := map[event.Key]string{}
	for _, o := range t.informer.GetStore().List() {
		versions[event.KeyOf(o.(*object))] = o.(*object).ResourceVersion
	}
	return versions
}

type theirRegistration struct {
	informer cache.SharedIndexInformer
	handle   cache.ResourceEventHandlerRegistration
}

func (r *theirRegistration) hasSynced() bool { return r.handle.HasSynced() }

func (r *theirRegistration) remove() {
	if err := r.informer.RemoveEventHandler(r.handle); err != nil {
		panic(err)
	}
}

func (r *theirRegistration) shut() {
	if err := cache.ShutDownEventHandler(r.informer, r.handle); err != nil {
		panic(err)
	}
}

// mark is what the transform Mark appends.
const mark = "-marked"

// apply returns a transformed copy. client-go transforms the objects of a
// streaming initial list twice, so doing it again must change nothing.
func (w Rewrite) apply(o *object) *object {
	twin := *o
	switch {
	case w == Blank:
		twin.ResourceVersion = ""
	case w == Mark && (len(twin.ResourceVersion) < len(mark) ||
		twin.ResourceVersion[len(twin.ResourceVersion)-len(mark):] != mark):
		twin.ResourceVersion += mark
	}
	return &twin
}
