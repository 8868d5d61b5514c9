package fidelity

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/source"
	"informerlab/loadgen"
	"informerlab/loadgen/recorded"
)

// kube shows a load's objects as Kubernetes objects, so that both sides can
// read the same source.
type kube struct{ source.Source }

// RefusesWatchList returns true, as a load does.
func (kube) RefusesWatchList() bool { return true }

// List returns the load's list with its objects converted.
func (k kube) List(ctx context.Context, o source.ListOptions) (*source.List, error) {
	list, err := k.Source.List(ctx, o)
	if err != nil {
		return nil, err
	}
	for i, item := range list.Items {
		list.Items[i] = kubeObject(item)
	}
	return list, nil
}

// Watch returns the load's stream with its objects converted.
func (k kube) Watch(ctx context.Context, o source.WatchOptions) (source.Watch, error) {
	o.Timeout = 0
	w, err := k.Source.Watch(ctx, o)
	if err != nil {
		return nil, err
	}
	return kubeStream{w}, nil
}

type kubeStream struct{ source.Watch }

// Next returns the stream's events with their objects converted.
func (k kubeStream) Next(dst []source.Event) int {
	n := k.Watch.Next(dst)
	for i, e := range dst[:n] {
		if e.Type != source.Bookmark {
			dst[i].Object = kubeObject(e.Object)
		}
	}
	return n
}

func kubeObject(o event.Object) *object {
	twin := &object{}
	twin.Namespace, twin.Name, twin.ResourceVersion = o.GetNamespace(), o.GetName(), o.GetResourceVersion()
	return twin
}

// playLoad plays a load as fast as possible on both sides, two handlers each,
// and returns what their handlers were called with. It must run in a bubble.
func playLoad(t *testing.T, load *loadgen.Load, sides [2]maker) *Recording {
	h := &History{Classic: true}
	recording := &Recording{}
	takes := [2]Take{{When: load.Resource}, {When: load.Resource, Handler: 1}}
	for side, newPipeline := range sides {
		feed := loadgen.NewSource(load)
		p, err := newPipeline(kube{feed}, h)
		require.NoError(t, err)
		recorders := [2]*recorder{{}, {}}
		for _, rec := range recorders {
			_, err := p.addHandler(rec, -1)
			require.NoError(t, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); p.run(ctx) }()
		feed.Release(time.Now())
		synctest.Wait()
		for i, rec := range recorders {
			takes[i].Calls[side] = rec.take()
		}
		cancel()
		<-done
	}
	recording.Takes = takes[:]
	return recording
}

// Over the trace that was recorded from a real API server, too, every handler
// of ours is called as client-go would call it.
func TestRecordedTraceAgainstClientGo(t *testing.T) {
	trace := loadgen.Replay{
		Open: func() (io.ReadCloser, error) { return io.NopCloser(recorded.Open()), nil },
		Name: recorded.Name,
	}
	loads, err := trace.Loads()
	require.NoError(t, err)
	calls := 0
	for _, load := range loads {
		t.Run(load.Resource, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				recording := playLoad(t, load, [2]maker{newOurs(nil), newTheirs})
				require.NoError(t, recording.Judge())
				require.Len(t, recording.Takes[0].Calls[0], load.Expect().Calls)
				calls += recording.Calls() / 2
			})
		})
	}
	t.Logf("%d calls on each side", calls)
	require.Positive(t, calls)
}
