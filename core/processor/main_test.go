package processor

import (
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/buffer/buffertest"
	"informerlab/core/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type thing struct{ name, version string }

func (o *thing) GetNamespace() string       { return "n" }
func (o *thing) GetName() string            { return o.name }
func (o *thing) GetResourceVersion() string { return o.version }

func added(version int, flags event.Flags) event.Notification {
	return event.Notification{New: &thing{"o", strconv.Itoa(version)}, Kind: event.Add, Flags: flags}
}

func synced(version int) event.Notification {
	o := &thing{"o", strconv.Itoa(version)}
	return event.Notification{Old: o, New: o, Kind: event.Update, Round: 1}
}

// fanouts are those of this package.
var fanouts = []struct {
	name string
	make func() Fanout
}{
	{"reference", Reference},
	{"per-listener", PerListener(buffertest.NewPlain[event.Notification])},
}

// A book is a handler that notes the versions of its calls.
type book struct {
	during func(call string)
	mu     sync.Mutex
	calls  []string
}

func (b *book) OnAdd(o event.Object, initial bool) {
	call := "add " + o.GetResourceVersion()
	if initial {
		call += " initial"
	}
	b.note(call)
}
func (b *book) OnUpdate(_, o event.Object) { b.note("update " + o.GetResourceVersion()) }
func (b *book) OnDelete(o event.Object, unknown bool) {
	call := "delete " + o.GetResourceVersion()
	if unknown {
		call += " unknown"
	}
	b.note(call)
}

func (b *book) note(call string) {
	b.mu.Lock()
	b.calls = append(b.calls, call)
	b.mu.Unlock()
	if b.during != nil {
		b.during(call)
	}
}

// take returns the calls since the last take, once nothing moves.
func (b *book) take() []string {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := b.calls
	b.calls = nil
	return calls
}

// eachFanout runs a test in a bubble with a processor over each fan-out. The
// test need not stop it.
func eachFanout(t *testing.T, o Options, test func(t *testing.T, p *Processor)) {
	for _, f := range fanouts {
		t.Run(f.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o.Fanout, o.Logger = f.make, slog.New(slog.DiscardHandler)
				p := New(o)
				test(t, p)
				p.Stop()
			})
		})
	}
}

// join adds a handler.
func join(t *testing.T, p *Processor, h Handler, o ListenerOptions) *Listener {
	t.Helper()
	l, err := p.Add(h, o, nil)
	require.NoError(t, err)
	return l
}

func publish(p *Processor, items ...event.Notification) {
	p.Do(func(publish func([]event.Notification)) { publish(items) })
}

func stats(t *testing.T, l *Listener) Stats {
	t.Helper()
	synctest.Wait()
	s := l.Stats()
	assert.NoError(t, s.Check())
	return s
}
