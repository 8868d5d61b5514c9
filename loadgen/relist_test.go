package loadgen

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/source"
)

// follower is an informer in which everything is done by the book and nothing
// fast: it lists, watches, and lists again when its version has expired.
type follower struct {
	t     testing.TB
	cache map[event.Key]event.Object
	h     handler
}

func (f *follower) replace(list *source.List, initial bool) {
	present := map[event.Key]bool{}
	for _, o := range list.Items {
		present[event.KeyOf(o)] = true
	}
	for key, o := range f.cache {
		if !present[key] {
			delete(f.cache, key)
			f.h.OnDelete(o, true)
		}
	}
	for _, o := range list.Items {
		old, held := f.cache[event.KeyOf(o)]
		f.cache[event.KeyOf(o)] = o
		if held {
			f.h.OnUpdate(old, o)
		} else {
			f.h.OnAdd(o, initial)
		}
	}
}

func (f *follower) follow(s *Source, done <-chan struct{}) {
	dst := make([]source.Event, 16)
	for lists := 0; ; lists++ {
		list, err := s.List(context.Background(), source.ListOptions{})
		require.NoError(f.t, err)
		f.replace(list, lists == 0)
		w := openWatch(f.t, s, list.ResourceVersion)
		for expired := false; !expired; {
			select {
			case <-done:
				w.Stop()
				return
			default:
			}
			n := w.Next(dst)
			for _, e := range dst[:n] {
				if e.Type == source.Failed {
					require.True(f.t, source.HasReason(e.Err, source.Expired))
					expired = true
					continue
				}
				require.False(f.t, expired, "an event after the version expired")
				f.apply(e)
			}
		}
	}
}

func (f *follower) apply(e source.Event) {
	key := event.KeyOf(e.Object)
	old, held := f.cache[key]
	require.Equal(f.t, e.Type != source.Added, held)
	switch e.Type {
	case source.Deleted:
		delete(f.cache, key)
		f.h.OnDelete(e.Object, false)
	case source.Modified:
		f.cache[key] = e.Object
		f.h.OnUpdate(old, e.Object)
	case source.Added:
		f.cache[key] = e.Object
		f.h.OnAdd(e.Object, false)
	}
}

func TestRelists(t *testing.T) {
	for _, d := range []drawn{
		{Keys: 20, Events: 600, Relists: 2},
		{Keys: 20, Events: 600, Relists: 2, Gap: 30},
		{Keys: 20, Events: 600, Relists: 5, Gap: 50, Churn: 40, Fresh: true},
		{Keys: 20, Events: 7000, Relists: 5, Gap: 100, Churn: 40},
	} {
		load := mustLoad(t, d)
		require.Len(t, load.Lists, 1+d.Relists)
		expect := load.Expect()
		assert.Equal(t, d.Churn == 0, expect.Ordered)
		o := RecorderOptions{Level: !expect.Ordered, Every: true}
		r := NewRecorder(expect, o)
		s := NewSource(load)
		s.Release(time.Now())
		f := follower{t: t, cache: map[event.Key]event.Object{}, h: r}
		f.follow(s, r.Done())
		require.NoError(t, r.Check(), "%+v", d)
		assert.NoError(t, expect.CheckCache(func(yield func(event.Key, uint64)) {
			for key, o := range f.cache {
				yield(key, o.(*Object).ID())
			}
		}))
	}
}
