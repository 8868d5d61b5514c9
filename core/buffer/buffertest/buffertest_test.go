package buffertest

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/buffer"
	"informerlab/core/event"
)

// Broken buffers leave goroutines behind, so leaks are looked for here, not at
// the end of all tests.
func TestSoundTwinKeepsAllLaws(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	v, _ := brokenBy(sound)
	v.KeptBytes = 48 << 10
	Run(t, v)
}

func TestBrokenBuffersAreCaught(t *testing.T) {
	caught := map[string]bool{}
	for _, c := range []struct {
		fault fault
		law   string
	}{
		{reordersAcrossWrap, "order"},
		{losesWhenFilled, "histories"},
		{publishesLate, "batch"},
		{aliasesSlice, "slices"},
		{scribblesDst, "slices"},
		{miscountsLen, "length"},
		{losesOneInThousand, "two doors"},
		{doublesOnGrowth, "two doors"},
		{overtakesOnCollision, "producers"},
		{wakesForOneOnly, "wake-up"},
		{sleepsTooLate, "wake-up"},
		{waitsForConsumer, "isolation"},
		{locksWhileInHand, "re-entrancy"},
		{discardsUnderLock, "re-entrancy"},
		{spinsWhenIdle, "silence"},
		{pollsWhenIdle, "silence"},
		{sleepsThroughClose, "close releases"},
		{dropsOnClose, "close drains"},
		{takesAfterClose, "close ends intake"},
		{saysOverflow, "close ends intake"},
		{losesAfterClose, "close ends intake"},
		{deliversAfterEnd, "end"},
		{leaksGoroutine, "no leak"},
		{keepsReference, "collectability"},
		{keepsStorage, "footprint"},
	} {
		caught[c.law] = true
		t.Run(string(c.fault), func(t *testing.T) {
			l, err := Find(c.law)
			require.NoError(t, err)
			v, stop := brokenBy(c.fault)
			defer stop()
			v.Patience = 500 * time.Millisecond
			if c.fault == keepsStorage {
				v.KeptBytes = 48 << 10
			}
			start := time.Now()
			err = l.Check(t, v)
			require.Error(t, err)
			t.Log(err)
			assert.ErrorContains(t, err, string(c.fault)+": "+c.law+": ")
			assert.Less(t, time.Since(start), 20*time.Second)
		})
	}
	for _, l := range Laws() {
		assert.True(t, caught[l.Name], "nothing shows that the law %q can fail", l.Name)
	}
}

func TestFindUnknownLaw(t *testing.T) {
	_, err := Find("no such law")
	require.ErrorContains(t, err, `no law is named "no such law"`)
}

// TestShrinkFindsTheReason checks that a failing history is told in its
// shortest form: this fault needs just the push that fills the ring of 16.
func TestShrinkFindsTheReason(t *testing.T) {
	v, _ := brokenBy(losesWhenFilled)
	s := subjectOf(t, v, v.Ints, uintItems)
	rng := rand.New(rand.NewPCG(7, 7))
	h := history{{push, 9}, {pop, 1}, {verb: length}, {push, 129}, {pop, 128}, {push, 7}}
	for range 50 {
		h = append(h, randomHistory(rng)...)
	}
	err := s.explain(h)
	require.ErrorContains(t, err, "shortest that fails: ")
	_, told, _ := strings.Cut(err.Error(), "shortest that fails: ")
	told, _, _ = strings.Cut(told, ":")
	assert.LessOrEqual(t, strings.Count(told, ";"), 1, "at most two operations: %s", told)
	t.Log(err)
}

func TestShrinkKeepsWhatIsNeeded(t *testing.T) {
	needs := func(h history) bool { // a push of 3 or more somewhere before a close
		for k, o := range h {
			if o.verb == closing {
				for _, earlier := range h[:k] {
					if earlier.verb == push && earlier.n >= 3 {
						return true
					}
				}
			}
		}
		return false
	}
	h := history{{pop, 4}, {push, 1025}, {verb: length}, {push, 2}, {verb: closing}, {pop, 3}}
	assert.Equal(t, "push 3; close", shrink(h, needs).String())
}

func TestDecodeReachesEverything(t *testing.T) {
	var all []byte
	for b := range 256 {
		all = append(all, byte(b))
	}
	seen := map[operation]bool{}
	for _, o := range decodeHistory(all) {
		seen[o] = true
	}
	for _, n := range edges {
		assert.True(t, seen[operation{push, n}], "push %d", n)
		assert.True(t, n == 0 || seen[operation{pop, n}], "pop %d", n)
	}
	assert.Contains(t, history{{verb: closing}, {verb: length}}.String(), "close; len")
}

// A gate is a correct bounded buffer whose pushes wait for room. It shows that
// the suite lets declared blocking pass and holds it to its own law.
type gate[T any] struct {
	*twin[T]
	capacity int
	deaf     bool // does not release pushers on Close
}

func newGate[T any](deaf bool) func(buffer.Params[T]) buffer.Buffer[T] {
	return func(p buffer.Params[T]) buffer.Buffer[T] {
		return &gate[T]{newTwin(sound, nil, p), p.Capacity, deaf}
	}
}

func (g *gate[T]) Push(items []T) {
	for k, item := range items {
		g.mu.Lock()
		for g.count >= g.capacity && (!g.closed || g.deaf) {
			g.changed.Wait()
		}
		closed := g.closed
		if !closed {
			g.put([]T{item})
			g.changed.Broadcast()
		}
		g.mu.Unlock()
		if closed {
			g.params.Discarded(items[k:], buffer.Closed)
			return
		}
	}
}

func gated(deaf bool) Variant {
	return Variant{
		Name: "gate",
		Traits: buffer.Traits{
			Order: buffer.FIFO, Loss: buffer.Lossless, Bound: buffer.ByCapacity, Blocks: true,
			Producers: buffer.Many,
		},
		Ints: newGate[uint64](deaf), Notifications: newGate[event.Notification](deaf),
		Boxed:    newGate[any](deaf),
		Patience: 5 * time.Second,
	}
}

func TestBlockingBuffer(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	Run(t, gated(false))
}

func TestBlockingBufferMustReleasePushers(t *testing.T) {
	l, err := Find("close releases")
	require.NoError(t, err)
	require.ErrorContains(t, l.Check(t, gated(true)), "producers waiting")
}
