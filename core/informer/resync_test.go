package informer_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"informerlab/core/informer"
)

func TestResync(t *testing.T) {
	tell(t, []story{
		{"resync items reach the listeners that are due", resyncReachesTheDue},
		{"a period rounds up to a multiple of the check period", resyncRounds},
		{"a short period is raised to a second", resyncMinimum},
		{"a handler may lower the check period before the start", resyncLowered},
		{"a handler cannot lower the check period after the start", resyncTooLate},
		{"an informer without resync never does", resyncNever},
		{"without resync a relist tells unchanged objects to all", relistWithoutResync},
		{"with resync a relist tells unchanged objects to those who are due", relistWithResync},
		{"a real change in a relist reaches everybody", relistWithChange},
		{"a resync tells what the cache holds at its turn", resyncIsCurrent},
		{"a handler that is behind keeps the rounds it was due in", resyncBacklog},
		{"handlers come and go during resync rounds", resyncChurn},
		{"the loop does not wait between items", noWaitBetweenItems},
	})
}

// every returns options that ask for a resync period.
func every(d time.Duration) informer.HandlerOptions { return informer.HandlerOptions{Resync: &d} }

// pass lets time go by, and everything that happens then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// An older write-up doubted that sync notifications reach anybody, because the
// list of syncing listeners seemed never to be started.
func resyncReachesTheDue(s *stage) {
	s.open(informer.Options{Resync: 10 * time.Second})
	usual := s.cast(informer.HandlerOptions{})
	never := s.cast(every(0))
	s.put("a", "b")
	s.start()
	usual.take()
	never.take()
	for range 3 {
		pass(9 * time.Second)
		assert.Empty(s, usual.take())
		pass(time.Second)
		assert.Equal(s, []string{"update n/a 2>2", "update n/b 3>3"}, usual.takeSorted())
	}
	assert.Empty(s, never.take())
	assert.EqualValues(s, 2, never.account().Routed, "what it is not due for is not routed")
	assert.EqualValues(s, 8, usual.account().Routed)
}

// resyncsAt returns the seconds at which the actor got a sync notification.
func (s *stage) resyncsAt(a *actor, seconds int) (at []int) {
	a.take()
	for i := 1; i <= seconds; i++ {
		pass(time.Second)
		if len(a.take()) > 0 {
			at = append(at, i)
		}
	}
	return at
}

func resyncRounds(s *stage) {
	s.open(informer.Options{Resync: 10 * time.Second})
	a := s.cast(every(15 * time.Second))
	s.put("a")
	s.start()
	assert.Equal(s, 15*time.Second, a.reg.Resync())
	assert.Equal(s, []int{20, 40, 60}, s.resyncsAt(a, 65), "checks come every 10 s only")
}

func resyncMinimum(s *stage) {
	s.open(informer.Options{Resync: time.Second})
	a := s.cast(every(time.Millisecond))
	s.put("a")
	s.start()
	assert.Equal(s, time.Second, a.reg.Resync())
	assert.Equal(s, []int{1, 2, 3}, s.resyncsAt(a, 3))
}

func resyncLowered(s *stage) {
	s.open(informer.Options{Resync: time.Minute})
	usual := s.cast(informer.HandlerOptions{})
	a := s.cast(every(20 * time.Second))
	s.put("a")
	s.start()
	assert.Equal(s, time.Minute, usual.reg.Resync())
	assert.Equal(s, []int{20, 40, 60}, s.resyncsAt(a, 70))
	assert.Len(s, usual.take(), 2, "the initial add, and once in 70 s")
}

func resyncTooLate(s *stage) {
	s.open(informer.Options{Resync: 30 * time.Second})
	s.put("a")
	s.start()
	a := s.cast(every(5 * time.Second))
	assert.Equal(s, 30*time.Second, a.reg.Resync())
	assert.Equal(s, []int{30, 60}, s.resyncsAt(a, 65))
}

func resyncNever(s *stage) {
	a := s.cast(every(5 * time.Second))
	s.put("a")
	s.start()
	late := s.cast(every(5 * time.Second))
	assert.Zero(s, a.reg.Resync())
	assert.Empty(s, s.resyncsAt(a, 60))
	assert.Len(s, late.take(), 1)
}

func relistWithoutResync(s *stage) {
	one, two := s.cast(informer.HandlerOptions{}), s.cast(every(0))
	s.put("a")
	s.start()
	for range 2 {
		one.take()
		two.take()
		s.relist()
		pass(time.Minute)
		assert.Equal(s, []string{"update n/a 2>2"}, one.take())
		assert.Equal(s, []string{"update n/a 2>2"}, two.take(), "nobody ever looked who is due")
	}
}

func relistWithResync(s *stage) {
	s.open(informer.Options{Resync: time.Minute})
	usual, never := s.cast(informer.HandlerOptions{}), s.cast(every(0))
	s.put("a")
	s.start()
	usual.take()
	never.take()
	same := []string{"update n/a 2>2"}
	s.relist()
	pass(10 * time.Second)
	assert.Equal(s, same, usual.take())
	assert.Equal(s, same, never.take(), "before the first check: everybody")

	pass(time.Minute) // the relist has started the timer again
	assert.Equal(s, same, usual.take(), "the resync")
	assert.Empty(s, never.take())
	late := s.cast(every(0))
	late.take()
	s.relist()
	pass(10 * time.Second)
	assert.Equal(s, same, usual.take(), "due until the next check")
	assert.Empty(s, never.take())
	assert.Equal(s, same, late.take(), "it has met no check yet")
}

func relistWithChange(s *stage) {
	s.open(informer.Options{Resync: 10 * time.Second})
	never := s.cast(every(0))
	s.put("a", "b")
	s.start()
	pass(time.Minute)
	never.take()
	s.server.HoldBookmarks(true) // keeps the relist from ending
	s.relist()
	synctest.Wait()
	s.put("a")
	pass(10 * time.Second)
	s.server.HoldBookmarks(false)
	pass(10 * time.Second)
	assert.Equal(s, []string{"update n/a 2>4"}, never.take(), "and not the unchanged one")
	s.converged()
}

func resyncIsCurrent(s *stage) {
	s.open(informer.Options{Resync: 10 * time.Second})
	a := s.cast(informer.HandlerOptions{})
	s.put("a")
	s.start()
	for range 30 {
		s.put("a")
		pass(time.Second)
	}
	assert.Len(s, a.take(), 1+30+3, "its checks of versions are the test")
	s.converged()
}

func resyncBacklog(s *stage) {
	s.open(informer.Options{Resync: 10 * time.Second})
	gate := make(chan struct{})
	usual := s.cast(informer.HandlerOptions{}) // so that there are rounds in which the others are not due
	half := s.cast(every(20*time.Second), blocked(gate))
	never := s.cast(every(0), blocked(gate))
	s.put("a")
	s.start()
	for i := range 4 {
		pass(10 * time.Second)
		if i == 1 {
			s.put("a") // between the second round and the third
		}
	}
	synctest.Wait()
	assert.EqualValues(s, 1+4+1, usual.account().Routed)
	assert.EqualValues(s, 1+2+1, half.account().Routed)
	assert.EqualValues(s, 1+0+1, never.account().Routed)
	close(gate)
	assert.Equal(s, []string{"add n/a ->2 initial", "update n/a 2>2", "update n/a 2>3", "update n/a 3>3"}, half.take())
	assert.Equal(s, []string{"add n/a ->2 initial", "update n/a 2>3"}, never.take())
}

func resyncChurn(s *stage) {
	s.open(informer.Options{Resync: time.Second})
	s.cast(informer.HandlerOptions{})
	s.put("a", "b", "c")
	s.start()
	s.load(300, func(i int) {
		pass(time.Duration(i%11) * 50 * time.Millisecond)
		switch {
		case i%9 == 0:
			s.cast(every(time.Duration(i%4) * time.Second))
		case i%9 == 5:
			leaving := s.actors[i%len(s.actors)]
			leaving.left = true
			s.informer.RemoveHandler(leaving.reg)
		}
	})
	s.converged()
}

// Another write-up has the process loop run once a second: that is its pause
// after a panic, not its pace.
func noWaitBetweenItems(s *stage) {
	a := s.cast(informer.HandlerOptions{})
	s.start()
	begun := time.Now()
	for i := range 50 {
		s.put(fmt.Sprint("o", i))
		assert.Len(s, a.take(), 1)
	}
	assert.Zero(s, time.Since(begun))
}
