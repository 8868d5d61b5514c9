package clientgo

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"informerlab/core/source"
	"informerlab/loadgen"
)

// load builds the only load of a workload.
func load(t *testing.T, label string) *loadgen.Load {
	t.Helper()
	w, err := loadgen.ParseWorkload(label)
	require.NoError(t, err)
	loads, err := w.Loads()
	require.NoError(t, err)
	require.Len(t, loads, 1)
	return loads[0]
}

// listed returns the twins and the version that a list request is answered with.
func listed(t *testing.T, l *listWatch) ([]*object, string) {
	t.Helper()
	page, err := l.List(metav1.ListOptions{})
	require.NoError(t, err)
	return page.(*list).Items, page.(*list).ResourceVersion
}

// watched returns the stream after the version.
func watched(t *testing.T, l *listWatch, version string) <-chan watch.Event {
	t.Helper()
	w, err := l.Watch(metav1.ListOptions{ResourceVersion: version})
	require.NoError(t, err)
	return w.ResultChan()
}

// read checks that a stream holds these events, up to where the version expires,
// and returns those that are left for other streams.
func read(t *testing.T, stream <-chan watch.Event, events []loadgen.Event) []loadgen.Event {
	t.Helper()
	for i, want := range events {
		got := <-stream
		if want.Type == source.Failed {
			err := apierrors.FromObject(got.Object)
			require.True(t, apierrors.IsResourceExpired(err), "%v", err)
			_, more := <-stream
			require.False(t, more)
			return events[i+1:]
		}
		require.Equal(t, watch.EventType(want.Type.String()), got.Type)
		require.Equal(t, want.Object.ID(), got.Object.(*object).mark.ID())
	}
	return nil
}

// Where the version expires the watch ends as a server would end it, the next
// list tells what there is then, and its watch goes on with what follows.
func TestExpiredVersionLeadsToTheNextList(t *testing.T) {
	for _, options := range []string{"rate=100000", "rate=100000,objects=fresh", "rate=0", "rate=0,objects=fresh"} {
		t.Run(options, func(t *testing.T) {
			load := load(t, "relist:keys=20,relists=2,events=300,seconds=0,"+options)
			var events []loadgen.Event
			for _, e := range load.Events() {
				events = append(events, e)
			}
			l := newListWatch(newConversion(load))
			defer l.stop()
			l.release(time.Now())
			for i, want := range load.Lists {
				twins, version := listed(t, l)
				assert.Equal(t, want.Version, version)
				require.Len(t, twins, len(want.Objects))
				for at, twin := range twins {
					assert.Equal(t, want.Objects[at].Mark, twin.mark)
					assert.Equal(t, want.Objects[at].GetName(), twin.Name)
				}
				stream := watched(t, l, version)
				_, err := l.Watch(metav1.ListOptions{ResourceVersion: version})
				require.Error(t, err, "it is watched already")
				events = read(t, stream, events)
				assert.Equal(t, i == len(load.Lists)-1, events == nil)
			}
			_, err := l.List(metav1.ListOptions{})
			assert.Error(t, err, "there is no list after the last one")
		})
	}
}

// first returns the twin of the first event in two runs over one conversion.
func first(t *testing.T, c *conversion) (twins [2]*object) {
	t.Helper()
	for i := range twins {
		l := newListWatch(c)
		l.release(time.Now())
		_, version := listed(t, l)
		twins[i] = (<-watched(t, l, version)).Object.(*object)
		l.stop()
	}
	return twins
}

// Twins are shared exactly where the load's objects are, and as large as these.
func TestTwinsAreMadeWhenObjectsAre(t *testing.T) {
	built := newConversion(load(t, "saturate:events=100,size=1000"))
	twins := first(t, built)
	assert.Same(t, twins[0], twins[1])
	object := built.load.Event(0).Object
	assert.Equal(t, object.Payload(), twins[0].payload)
	assert.Same(t, &object.Payload()[0], &twins[0].payload[0], "the bytes are there once")

	fresh := newConversion(load(t, "saturate:events=100,size=1000,objects=fresh"))
	twins = first(t, fresh)
	assert.NotSame(t, twins[0], twins[1])
	assert.Equal(t, twins[0].mark, twins[1].mark)
	require.Len(t, twins[0].payload, 1000)
	assert.NotSame(t, &twins[0].payload[0], &twins[1].payload[0])
}

// A reader that has gone leaves no goroutine behind, however much it did not read.
func TestStopEndsForwardingOfWhatNobodyReads(t *testing.T) {
	l := newListWatch(newConversion(load(t, "saturate:events=5000,objects=fresh")))
	l.release(time.Now())
	require.Eventually(t, func() bool { return len(l.watches[0]) == freshRoom }, time.Minute, time.Millisecond)
	l.stop()
}
