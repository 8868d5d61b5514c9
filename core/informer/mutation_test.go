package informer_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"informerlab/core/event"
	"informerlab/core/informer"
	"informerlab/core/source"
)

func TestMutationDetector(t *testing.T) {
	tell(t, []story{
		{"a changed object is caught", mutationCaught},
		{"a changed object is caught at the end", mutationCaughtAtTheEnd},
		{"updates, deletes, relists and resyncs are no mutation", noFalseAlarm},
		{"old objects are forgotten", mutationForgotten},
	})
}

// A lookout collects what a detector finds. Its mutex also keeps the vandal and
// the detector apart: changing a cached object is a data race, which is half of
// what is wrong with it, but not the half that is tested here.
type lookout struct {
	mu    sync.Mutex
	found []string
}

// paint changes a cached object.
func (l *lookout) paint(o event.Object, value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o.(*source.Item).Value = value
}

func (l *lookout) detector() *informer.MutationDetector {
	return &informer.MutationDetector{
		Clone: func(o event.Object) event.Object {
			l.mu.Lock()
			defer l.mu.Unlock()
			clone := *o.(*source.Item)
			return &clone
		},
		Equal: func(a, b event.Object) bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return *a.(*source.Item) == *b.(*source.Item)
		},
		OnMutation: func(original, now event.Object) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.found = append(l.found, original.(*source.Item).Value+">"+now.(*source.Item).Value)
		},
	}
}

func (l *lookout) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := l.found
	l.found = nil
	return found
}

func (s *stage) cached(name string) *source.Item {
	o, _ := s.informer.Indexer().Get(event.Key{Namespace: "n", Name: name})
	return o.(*source.Item)
}

func mutationCaught(s *stage) {
	var l lookout
	s.open(informer.Options{Mutation: l.detector()})
	s.put("a", "b")
	s.start()
	pass(3 * time.Second)
	assert.Empty(s, l.take())
	// Half a second off: the detector looks every full second.
	pass(time.Second / 2)
	l.paint(s.cached("a"), "vandalised")
	pass(time.Second)
	assert.Equal(s, []string{">vandalised"}, l.take())
	l.paint(s.cached("a"), "") // or each further comparison finds it
	pass(5 * time.Second)
	assert.Empty(s, l.take())
}

func mutationCaughtAtTheEnd(s *stage) {
	var l lookout
	s.open(informer.Options{Mutation: l.detector()})
	s.put("a")
	s.start()
	pass(time.Second / 2)
	l.paint(s.cached("a"), "vandalised")
	s.stop()
	assert.Equal(s, []string{">vandalised"}, l.take())
}

func noFalseAlarm(s *stage) {
	var l lookout
	s.open(informer.Options{Mutation: l.detector(), Resync: 5 * time.Second})
	s.cast(informer.HandlerOptions{})
	s.put("a", "b", "c")
	s.start()
	s.load(100, func(i int) {
		if i%10 == 0 {
			s.relist()
		}
		pass(time.Second)
	})
	pass(time.Minute) // the last relist
	s.converged()
	s.stop()
	assert.Empty(s, l.take())
}

func mutationForgotten(s *stage) {
	var l lookout
	d := l.detector()
	d.Retain = time.Minute
	s.open(informer.Options{Mutation: d})
	s.put("a")
	s.start()
	// The object moves to the older generation when that is a minute old, and
	// out of it a minute later.
	pass(time.Minute + time.Second/2)
	item := s.cached("a")
	l.paint(item, "vandalised")
	pass(time.Second)
	assert.NotEmpty(s, l.take(), "for a minute at least")
	l.paint(item, "")
	pass(2 * time.Minute)
	l.paint(item, "vandalised")
	pass(10 * time.Second)
	assert.Empty(s, l.take())
}
