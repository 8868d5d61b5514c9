package informer_test

import (
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/assert"

	"informerlab/core/event"
	"informerlab/core/informer"
	"informerlab/core/source"
)

func TestMemory(t *testing.T) {
	tell(t, []story{
		{"an idle pipeline keeps no state but the cached one", keepsNoOldState},
		{"a handler that is gone keeps nothing", keepsNothingForTheGone},
	})
}

// pointers returns weak pointers to the cached states.
func (s *stage) pointers() (all []weak.Pointer[source.Item]) {
	for _, o := range s.informer.Indexer().List() {
		all = append(all, weak.Make(o.(*source.Item)))
	}
	return all
}

// collected reports how many of the objects are gone, once nothing moves. The
// server has to forget them too.
func (s *stage) collected(pointers []weak.Pointer[source.Item]) (n int) {
	s.server.Compact()
	for range 3 {
		runtime.GC()
	}
	for _, p := range pointers {
		if p.Value() == nil {
			n++
		}
	}
	return n
}

func keepsNoOldState(s *stage) {
	a := s.cast(informer.HandlerOptions{})
	s.put("a", "b", "c", "d")
	s.start()
	old := s.pointers()
	s.put("a", "b")
	a.take()
	s.put("c")
	s.remove("d")
	a.take()
	assert.Equal(s, 4, s.collected(old))
	s.converged()
	assert.Equal(s, 0, s.collected(s.pointers()))
}

func keepsNothingForTheGone(s *stage) {
	gate := make(chan struct{})
	stuck := s.cast(informer.HandlerOptions{}, blocked(gate))
	stuck.left = true
	s.put("a")
	s.start()
	for range 50 {
		s.put("a")
	}
	stuck.take()
	old := s.pointers()
	s.put("a", "b")
	stuck.take()
	assert.Zero(s, s.collected(old), "a backlog pins what it is about")
	s.informer.RemoveHandler(stuck.reg)
	close(gate)
	stuck.take()
	s.put("b") // the fan-out forgets the handler with the next publication
	stuck.take()
	assert.Equal(s, 1, s.collected(old))
	_, ok := s.informer.Indexer().Get(event.Key{Namespace: "n", Name: "a"})
	assert.True(s, ok)
}
