package processor

import (
	"bytes"
	"context"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
)

// labelsOf returns the profiler labels of the goroutine whose stack contains
// the given function.
func labelsOf(t *testing.T, function string) string {
	t.Helper()
	var profile bytes.Buffer
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&profile, 1))
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(stack, function) {
			for line := range strings.SplitSeq(stack, "\n") {
				if labels, ok := strings.CutPrefix(line, "# labels: "); ok {
					return labels
				}
			}
			return "none"
		}
	}
	t.Fatalf("no goroutine is in %s", function)
	return ""
}

type each func(event.Object)

func (f each) OnAdd(obj event.Object, _ bool)    { f(obj) }
func (f each) OnUpdate(_, obj event.Object)      { f(obj) }
func (f each) OnDelete(obj event.Object, _ bool) { f(obj) }

func TestAddFromAHandlerKeepsTheStage(t *testing.T) {
	p := New(Options{})
	added1, hold := make(chan struct{}), make(chan struct{})
	_, err := p.Add(each(func(event.Object) {
		_, _ = p.Add(each(func(event.Object) {}), ListenerOptions{}, nil)
		close(added1)
		<-hold
	}), ListenerOptions{}, nil)
	require.NoError(t, err)
	p.Start(context.Background())
	publish(p, added(1, 0))
	<-added1
	assert.Contains(t, labelsOf(t, "TestAddFromAHandlerKeepsTheStage.func1"), `"stage":"listener"`)
	close(hold)
	p.Stop()
}

func TestAddKeepsTheCallersLabels(t *testing.T) {
	p := New(Options{})
	p.Start(context.Background())
	pprof.Do(context.Background(), pprof.Labels("who", "caller"), func(context.Context) {
		_, err := p.Add(each(func(event.Object) {}), ListenerOptions{}, nil)
		require.NoError(t, err)
		assert.Contains(t, labelsOf(t, "TestAddKeepsTheCallersLabels"), `"who":"caller"`)
	})
	p.Stop()
}

// One removed handler may stay until the next Add or publication.
func TestRemovedHandlersAreCollected(t *testing.T) {
	eachFanout(t, Options{}, func(t *testing.T, p *Processor) {
		p.Start(t.Context())
		var handlers []weak.Pointer[[1 << 16]byte]
		for range 20 {
			large := new([1 << 16]byte)
			handlers = append(handlers, weak.Make(large))
			l, err := p.Add(each(func(event.Object) { large[0]++ }), ListenerOptions{}, nil)
			require.NoError(t, err)
			p.ShutDown(l)
		}
		synctest.Wait()
		runtime.GC()
		runtime.GC()
		alive := 0
		for _, h := range handlers {
			if h.Value() != nil {
				alive++
			}
		}
		assert.LessOrEqual(t, alive, 1)
	})
}

func TestATrackerThatPanicsLetsGoOfItsLock(t *testing.T) {
	var tr tracker
	tr.done = make(chan struct{})
	for range 2 {
		assert.PanicsWithValue(t, "processor: more initial adds finished than started", tr.finish)
	}
}
