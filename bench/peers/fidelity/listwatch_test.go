package fidelity

import (
	"context"
	"errors"
	"net/http"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"informerlab/core/source"
)

// object is the type of all objects in histories. It is one of ours and one of
// Kubernetes' at the same time, so both sides get the very same pointers.
type object = metav1.PartialObjectMetadata

// objectList is a list that keeps its items' identity: they are pointers.
type objectList struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []*object
}

// DeepCopyObject returns a list with the same items, which nobody changes.
func (l *objectList) DeepCopyObject() runtime.Object {
	twin := *l
	twin.Items = append([]*object(nil), l.Items...)
	return &twin
}

// listWatch shows a Source to client-go. The server timeout of a watch, which
// client-go draws at random, is not passed on.
type listWatch struct {
	source  source.Source
	classic bool // declare that the streaming initial list is not supported
}

var (
	_ cache.ListerWatcher            = (*listWatch)(nil)
	_ cache.ListerWatcherWithContext = (*listWatch)(nil)
)

// IsWatchListSemanticsUnSupported tells client-go whether it may ask for a
// streaming initial list.
func (l *listWatch) IsWatchListSemanticsUnSupported() bool { return l.classic }

// List is ListWithContext without a context.
func (l *listWatch) List(o metav1.ListOptions) (runtime.Object, error) {
	return l.ListWithContext(context.Background(), o)
}

// Watch is WatchWithContext without a context.
func (l *listWatch) Watch(o metav1.ListOptions) (watch.Interface, error) {
	return l.WatchWithContext(context.Background(), o)
}

// ListWithContext returns one page.
func (l *listWatch) ListWithContext(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
	page, err := l.source.List(ctx, source.ListOptions{
		ResourceVersion: o.ResourceVersion,
		Match:           source.Match(o.ResourceVersionMatch),
		Limit:           o.Limit,
		Continue:        o.Continue,
	})
	if err != nil {
		return nil, apiError(err)
	}
	list := &objectList{}
	list.ResourceVersion, list.Continue = page.ResourceVersion, page.Continue
	for _, item := range page.Items {
		list.Items = append(list.Items, item.(*object))
	}
	return list, nil
}

// WatchWithContext opens a stream.
func (l *listWatch) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	stream, err := l.source.Watch(ctx, source.WatchOptions{
		ResourceVersion:   o.ResourceVersion,
		Match:             source.Match(o.ResourceVersionMatch),
		AllowBookmarks:    o.AllowWatchBookmarks,
		SendInitialEvents: o.SendInitialEvents != nil && *o.SendInitialEvents,
	})
	if err != nil {
		return nil, apiError(err)
	}
	w := &watcher{stream: stream, results: make(chan watch.Event), stopped: make(chan struct{})}
	go w.run()
	return w, nil
}

// watcher turns the batches of a stream into client-go's channel.
type watcher struct {
	stream  source.Watch
	results chan watch.Event
	stopped chan struct{}
	once    sync.Once
}

// ResultChan returns the channel of events; it is closed when the stream ends.
func (w *watcher) ResultChan() <-chan watch.Event { return w.results }

// Stop ends the stream.
func (w *watcher) Stop() {
	w.once.Do(func() {
		close(w.stopped)
		w.stream.Stop()
	})
}

func (w *watcher) run() {
	defer close(w.results)
	var events [64]source.Event
	for {
		n := w.stream.Next(events[:])
		if n == 0 {
			return
		}
		for _, e := range events[:n] {
			select {
			case w.results <- watchEvent(e):
			case <-w.stopped:
				return
			}
		}
	}
}

func watchEvent(e source.Event) watch.Event {
	switch e.Type {
	case source.Failed:
		return watch.Event{Type: watch.Error, Object: status(e.Err)}
	case source.Bookmark:
		mark := &object{}
		mark.ResourceVersion = e.Object.GetResourceVersion()
		if e.InitialEventsEnd {
			mark.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
		}
		return watch.Event{Type: watch.Bookmark, Object: mark}
	}
	return watch.Event{Type: watch.EventType(e.Type.String()), Object: e.Object.(*object)}
}

// status is an error as the last message of a stream.
func status(err error) *metav1.Status {
	var api apierrors.APIStatus
	if errors.As(apiError(err), &api) {
		s := api.Status()
		return &s
	}
	return &metav1.Status{Status: metav1.StatusFailure, Message: err.Error()}
}

// apiError is an error as client-go's HTTP client would have made it of the
// server's answer. Transport failures stay what they are.
func apiError(err error) error {
	var refused *source.Error
	if !errors.As(err, &refused) {
		return err
	}
	seconds := int(refused.RetryAfter.Seconds())
	switch refused.Reason {
	case source.Expired:
		return apierrors.NewResourceExpired(refused.Message)
	case source.TooLargeVersion:
		tooLarge := apierrors.NewTimeoutError(refused.Message, seconds)
		tooLarge.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: metav1.CauseTypeResourceVersionTooLarge}}
		return tooLarge
	case source.TooManyRequests:
		return apierrors.NewTooManyRequests(refused.Message, seconds)
	case source.Internal:
		return apierrors.NewInternalError(errors.New(refused.Message))
	case source.Invalid:
		return apierrors.NewInvalid(schema.GroupKind{}, "", nil)
	case source.ServiceUnavailable:
		return apierrors.NewServiceUnavailable(refused.Message)
	}
	return apierrors.NewGenericServerResponse(http.StatusInternalServerError, "", schema.GroupResource{}, "",
		refused.Message, seconds, true)
}

// reasonOf names the reason of an error on either side, for comparison.
func reasonOf(err error) string {
	var refused *source.Error
	if errors.As(err, &refused) {
		return string(refused.Reason)
	}
	if apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge) {
		return string(source.TooLargeVersion)
	}
	if reason := apierrors.ReasonForError(err); reason != metav1.StatusReasonUnknown {
		return string(reason)
	}
	return "transport"
}
