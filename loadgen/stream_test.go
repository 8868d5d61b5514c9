package loadgen

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// started returns a channel that yields t.
func started(t time.Time) <-chan time.Time {
	c := make(chan time.Time, 1)
	c <- t
	return c
}

// positions returns where the events lie in the load, by the ID of their objects,
// which rise in a load whose keys have not gone through all their states.
func positions(l *Load, events []Event) []int {
	var at []int
	for _, e := range events {
		at = append(at, int(e.Object.ID())-len(l.Lists[0].Objects)-1)
	}
	return at
}

func TestStreamHandsOutEventsWhenTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := mustLoad(t, drawn{Keys: 10, Events: 9, Rate: 100})
		start := time.Now().Add(time.Hour)
		s := NewStream(load, started(start))
		dst := make([]Event, 4)
		for i := range 10 {
			require.Equal(t, 1, s.Next(dst))
			assert.Equal(t, []int{i}, positions(load, dst[:1]))
			assert.Equal(t, time.Duration(i)*10*time.Millisecond, time.Since(start))
		}
		assert.Zero(t, s.Next(dst))
		assert.Zero(t, s.Next(dst))
		assert.EqualValues(t, 10, s.Pace().Lateness.TotalCount())
		assert.Less(t, s.Pace().Lateness.Max(), int64(time.Microsecond))
	})
}

func TestStreamReleasesAllDueEventsInOneBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := mustLoad(t, drawn{Keys: 10, Events: 99, Rate: 1000})
		start := time.Now()
		s := NewStream(load, started(start))
		dst := make([]Event, 10)
		time.Sleep(25*time.Millisecond + time.Microsecond)
		require.Equal(t, 10, s.Next(dst))
		assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, positions(load, dst))
		require.Equal(t, 10, s.Next(dst))
		require.Equal(t, 6, s.Next(dst), "positions 20 to 25 are due, 26 is not")
		assert.Equal(t, []int{20, 21, 22, 23, 24, 25}, positions(load, dst[:6]))
		require.Equal(t, 1, s.Next(dst))
		assert.Equal(t, 26*time.Millisecond, time.Since(start))
		assert.EqualValues(t, 27, s.Pace().Lateness.TotalCount())
		assert.Less(t, s.Pace().Lateness.Max(), int64(time.Microsecond), "the reader was late, not the generator")
		gaps := s.Pace().GapError
		assert.EqualValues(t, 26, gaps.TotalCount())
		assert.InEpsilon(t, 1e6, gaps.ValueAtPercentile(50), 0.01, "what is due in steps of 1 ms came at once")
	})
}

func TestStreamOfAClosedLoopHandsOutAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := mustLoad(t, drawn{Keys: 10, Events: 99})
		start := make(chan time.Time)
		s := NewStream(load, start)
		begun := time.Now()
		go func() {
			time.Sleep(time.Second)
			start <- time.Now().Add(time.Second)
		}()
		dst := make([]Event, 64)
		assert.Equal(t, 64, s.Next(dst))
		assert.Equal(t, 2*time.Second, time.Since(begun), "waits for the start, also one in the future")
		assert.Equal(t, 36, s.Next(dst))
		assert.Equal(t, End.Name, dst[35].Object.GetName())
		assert.Zero(t, s.Next(dst))
		assert.Equal(t, 2*time.Second, time.Since(begun))
		assert.Nil(t, s.Pace().Lateness)
	})
}

func TestStreamStartsNowWhenItsStartIsClosed(t *testing.T) {
	start := make(chan time.Time)
	close(start)
	s := NewStream(mustLoad(t, drawn{Keys: 1, Events: 5}), start)
	assert.Equal(t, 6, s.Next(make([]Event, 10)))
}

func TestStopReleasesAStreamThatWaits(t *testing.T) {
	for name, tc := range map[string]struct {
		load  drawn
		start <-chan time.Time
		taken int
	}{
		"for its start": {load: drawn{Keys: 1, Events: 1}},
		"for a start to come": {
			load:  drawn{Keys: 1, Events: 1},
			start: started(time.Now().Add(time.Hour)),
		},
		"for the event's time": {
			load:  drawn{Keys: 1, Events: 1, Rate: 0.001},
			start: started(time.Now()),
			taken: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewStream(mustLoad(t, tc.load), tc.start)
			dst := make([]Event, 4)
			for range tc.taken {
				require.Equal(t, 1, s.Next(dst))
			}
			ended := make(chan int)
			go func() { ended <- s.Next(dst) }()
			s.Stop()
			s.Stop()
			assert.Zero(t, <-ended)
			assert.Zero(t, s.Next(dst))
		})
	}
}

// On the real clock only the promise that holds on a busy machine is checked:
// no event comes before its time, and each comes once.
func TestStreamOnTheRealClock(t *testing.T) {
	load := mustLoad(t, drawn{Keys: 10, Events: 99, Rate: 2000})
	start := time.Now().Add(time.Millisecond)
	s := NewStream(load, started(start))
	dst := make([]Event, 8)
	var at []int
	for {
		n := s.Next(dst)
		if n == 0 {
			break
		}
		at = append(at, positions(load, dst[:n])...)
		require.GreaterOrEqual(t, time.Since(start), load.Due[len(at)-1])
	}
	for i := range at {
		require.Equal(t, i, at[i])
	}
	require.Len(t, at, load.Len())
	late := s.Pace().Lateness
	t.Logf("lateness in ns: p50 %d, p99 %d", late.ValueAtPercentile(50), late.ValueAtPercentile(99))
}

func TestStreamAllocatesNothing(t *testing.T) {
	dst := make([]Event, 16)
	closed := NewStream(mustLoad(t, drawn{Keys: 10, Events: 10_000}), started(time.Now()))
	past := started(time.Now().Add(-time.Hour))
	open := NewStream(mustLoad(t, drawn{Keys: 10, Events: 10_000, Rate: 1e6}), past)
	assert.Zero(t, testing.AllocsPerRun(100, func() { closed.Next(dst) }))
	assert.Zero(t, testing.AllocsPerRun(100, func() { open.Next(dst) }))
}
