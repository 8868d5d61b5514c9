package processor

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
)

// TestTurnsComeInOrder: the lock is handed over in the order of arrival, and who
// comes last does not get it although it was free for a moment.
func TestTurnsComeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l turnLock
		var order []int
		l.enter()
		require.False(t, l.tryEnter())
		for k := range 5 {
			go func() {
				l.enter()
				order = append(order, k)
				time.Sleep(time.Second) // waiting is idle: the clock goes on
				l.leave()
			}()
			synctest.Wait()
		}
		l.leave()
		require.False(t, l.tryEnter(), "it has been handed over")
		time.Sleep(time.Minute)
		require.True(t, l.tryEnter(), "it is free in the end")
		assert.Equal(t, []int{0, 1, 2, 3, 4}, order)
		l.leave()
	})
}

// TestTurnsExclude counts under the lock, where the race detector watches too.
func TestTurnsExclude(t *testing.T) {
	var l turnLock
	var wg sync.WaitGroup
	n, tried := 0, 0
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				l.enter()
				n++
				l.leave()
				if l.tryEnter() {
					tried++
					l.leave()
				}
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 16_000, n)
	assert.True(t, l.tryEnter(), "it is free in the end")
}

// TestJoinsAreBounded lets 100 goroutines join all the time while two publishers
// contend for the lock. Under one hold the server runs at most joinsPerHold joins,
// and each join has run after a number of holds that only those who came before it
// explain. Each join takes some simulated time, so that all who want the lock are in
// line before it ends: otherwise a publisher that the scheduler holds up wants nothing.
func TestJoinsAreBounded(t *testing.T) { synctest.Test(t, joinsAreBounded) }

func joinsAreBounded(t *testing.T) {
	const workers, joins, publishers = 100, 100, 2
	var p publishLock
	var publishing, joining sync.WaitGroup
	quit := make(chan struct{})
	holds, served, most := 0, 0, 0 // guarded by p: holds by publishers; joins since the last hold, and the most
	entered := func() {
		p.enter()
		most, served = max(most, served), 0
	}
	for range publishers {
		publishing.Go(func() {
			for running := true; running; {
				select {
				case <-quit:
					running = false
				default:
				}
				entered()
				holds++
				p.leave()
			}
		})
	}
	waited := make([]int, workers) // guarded by p: the most holds that a join of each waited for
	for w := range workers {
		joining.Go(func() {
			for range joins {
				done := make(chan struct{})
				entered() // so that it is known when the join is queued
				before := holds
				p.join(&pendingJoin{run: func() {
					if !calledBy("serve") {
						t.Error("the caller ran a join although the lock was taken")
					}
					time.Sleep(time.Millisecond)
					served++
					waited[w] = max(waited[w], holds-before)
					close(done)
				}})
				p.leave()
				<-done
			}
		})
	}
	joining.Wait()
	close(quit)
	publishing.Wait()
	p.close()
	assert.LessOrEqual(t, most, joinsPerHold)
	assert.LessOrEqual(t, slices.Max(waited), publishers*(workers/joinsPerHold+2))
	t.Logf("at most %d joins under one hold, at most %d holds waited for", most, slices.Max(waited))
}

// calledBy reports whether a function of that name is on the stack.
func calledBy(name string) bool {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, "."+name) {
			return true
		}
		if !more {
			return false
		}
	}
}

// TestACallerRunsOnlyItsOwnJoin: a join that finds the lock taken comes back at
// once, one that finds it free has run when it comes back, and none runs the others.
func TestACallerRunsOnlyItsOwnJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p publishLock
		var ran []int
		queued := func(k int) *pendingJoin { return &pendingJoin{run: func() { ran = append(ran, k) }} }
		p.join(queued(0))
		require.Equal(t, []int{0}, ran)

		p.enter()
		cancelled := queued(2)
		p.join(queued(1))
		p.join(cancelled)
		p.join(queued(3))
		synctest.Wait()
		require.Equal(t, []int{0}, ran, "they wait")
		p.cancel(cancelled)
		p.cancel(cancelled)
		p.leave()
		synctest.Wait()
		require.Equal(t, []int{0, 1, 3}, ran)

		p.enter()
		p.join(queued(4))
		go p.close()
		synctest.Wait()
		p.join(queued(5))
		p.leave()
		synctest.Wait()
		require.Equal(t, []int{0, 1, 3}, ran, "none after close")
	})
}

// TestARemovedHandlerNeverJoins removes a handler whose join waits behind a
// publisher. It has finished at once, and never subscribes.
func TestARemovedHandlerNeverJoins(t *testing.T) {
	eachFanout(t, Options{}, func(t *testing.T, p *Processor) {
		p.Start(t.Context())
		goOn := make(chan struct{})
		go p.Do(func(func([]event.Notification)) { <-goOn })
		synctest.Wait()
		removed, kept := join(t, p, &book{}, ListenerOptions{}), join(t, p, &book{}, ListenerOptions{})
		p.Remove(removed)
		<-removed.Finished()
		close(goOn)
		synctest.Wait()
		assert.Nil(t, removed.subscription())
		assert.NotNil(t, kept.subscription())
	})
}

// TestARoundBeginsBeforeTheNextChange asks for a round while somebody publishes.
func TestARoundBeginsBeforeTheNextChange(t *testing.T) {
	eachFanout(t, Options{CheckPeriod: time.Second}, func(t *testing.T, p *Processor) {
		due, never := &book{}, &book{}
		join(t, p, due, ListenerOptions{Resync: time.Second})
		join(t, p, never, ListenerOptions{})
		p.Start(t.Context())
		time.Sleep(time.Second)
		goOn := make(chan struct{})
		go p.Do(func(func([]event.Notification)) { <-goOn })
		synctest.Wait()
		require.True(t, p.ShouldResync())
		close(goOn)
		publish(p, synced(1))
		assert.Equal(t, []string{"update 1"}, due.take())
		assert.Empty(t, never.take())
	})
}

// TestTwoRoundsWhileSomebodyPublishes: nobody who is due in either misses its resync.
func TestTwoRoundsWhileSomebodyPublishes(t *testing.T) {
	eachFanout(t, Options{CheckPeriod: time.Second}, func(t *testing.T, p *Processor) {
		two, three := &book{}, &book{}
		join(t, p, two, ListenerOptions{Resync: 2 * time.Second})
		join(t, p, three, ListenerOptions{Resync: 3 * time.Second})
		p.Start(t.Context())
		time.Sleep(time.Second)
		goOn := make(chan struct{})
		go p.Do(func(func([]event.Notification)) { <-goOn })
		time.Sleep(time.Second)
		require.True(t, p.ShouldResync(), "two is due")
		time.Sleep(time.Second)
		require.True(t, p.ShouldResync(), "three is due")
		close(goOn)
		publish(p, synced(1))
		publish(p, synced(1))
		assert.NotEmpty(t, two.take())
		assert.NotEmpty(t, three.take())
	})
}
