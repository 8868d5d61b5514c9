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

// A family makes variants of a class: a sound one, or one with a fault.
type family func(fault) (v Variant, stop func())

// Broken buffers leave goroutines behind, so leaks are looked for here, not at
// the end of all tests.
func TestSoundTwinsKeepAllLaws(t *testing.T) {
	for name, f := range map[string]family{
		"fifo": twins, "lock-free": chains, "drop-newest": dropNewest, "drop-oldest": dropOldest,
		"block": block, "block-timeout": blockTimeout, "coalescing": folds, "null": sinks, "blocks": strands,
	} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			v, _ := f(sound)
			Run(t, v)
		})
	}
}

// brokenTwins says which law catches which fault.
var brokenTwins = []struct {
	family family
	fault  fault
	law    string
}{
	{twins, reordersAcrossWrap, "order"},
	{twins, losesWhenFilled, "histories"},
	{twins, publishesLate, "batch"},
	{twins, aliasesSlice, "slices"},
	{twins, scribblesDst, "slices"},
	{twins, miscountsLen, "length"},
	{twins, losesOneInThousand, "two doors"},
	{twins, doublesOnGrowth, "two doors"},
	{twins, overtakesOnCollision, "producers"},
	{twins, pushesOneByOne, "linearizable"},
	{twins, pushesOneByOne, "close amid a push"},
	{twins, wakesForOneOnly, "wake-up"},
	{twins, sleepsTooLate, "wake-up"},
	{twins, waitsForConsumer, "isolation"},
	{twins, locksWhileInHand, "re-entrancy"},
	{twins, discardsUnderLock, "re-entrancy"},
	{twins, spinsWhenIdle, "silence"},
	{twins, pollsWhenIdle, "silence"},
	{twins, sleepsThroughClose, "close releases"},
	{twins, dropsOnClose, "close drains"},
	{twins, takesAfterClose, "close ends intake"},
	{twins, saysOverflow, "close ends intake"},
	{twins, losesAfterClose, "close ends intake"},
	{twins, deliversAfterEnd, "end"},
	{twins, leaksGoroutine, "no leak"},
	{twins, keepsReference, "collectability"},
	{twins, keepsStorage, "footprint"},
	{twins, saysFewBytes, "gauges"},
	{twins, forgetsPeak, "gauges"},
	{twins, countsBusyWakeUps, "gauges"},

	{chains, parksBlindly, "wake-up"},
	{chains, showsEarly, "linearizable"},
	{chains, losesAtClose, "two doors"},
	{chains, losesAtClose, "close amid a push"},
	{chains, linksBackward, "producers"},

	{dropOldest, dropsWrongOne, "policy"},
	{dropNewest, dropsWholePush, "policy"},
	{dropOldest, holdsOneMore, "bound"},
	{block, holdsOneLess, "bound"},
	{dropNewest, forgetsToCount, "accounting"},
	{dropOldest, hooksAfterwards, "loss before successor"},
	{block, staysFull, "blocking"},
	{blockTimeout, timesEveryPush, "blocking"},
	{block, deafToClose, "close releases"},
	{block, refusesAsDropped, "close amid a push"},
	{dropOldest, losesNewestFirst, "loss order"},
	{dropNewest, losesNewestFirst, "loss order"},
	{blockTimeout, losesNewestFirst, "loss order"},
	{dropNewest, losesAmidPush, "loss order"},
	{dropNewest, keepsLastOfPush, "loss order"},
	{dropOldest, hidesBehindHook, "length asked"},
	{blockTimeout, ignoresTimeout, "timeout"},
	{blockTimeout, countsTimeAnew, "timeout"},
	{dropOldest, keepsDropped, "collectability"},

	{folds, neverMerges, "bound by keys"},
	{folds, leavesGraves, "bound by keys"},
	{folds, mergesInHand, "in hand"},
	{folds, jumpsAhead, "position"},
	{folds, discardsPending, "merge table"},
	{folds, keepsCancelled, "cancel"},
	{folds, ignoresNamespace, "keys"},
	{folds, joinsKey, "keys"},
	{folds, losesDeletes, "convergence"},
	{folds, keepsAbsorbed, "collectability"},
	{folds, mergesUncounted, "gauges"},
	{folds, supersedesAsLost, "accounting"},

	{sinks, popsSomething, "nothing held"},
	{sinks, endsTooEarly, "nothing held"},
	{sinks, dropsInSilence, "nothing held"},
	{sinks, dropsAsOverflow, "two doors"},
}

func TestBrokenBuffersAreCaught(t *testing.T) {
	caught := map[string]bool{}
	for _, c := range brokenTwins {
		caught[c.law] = true
		mustCatch(t, c.family, c.fault, c.law, 500*time.Millisecond)
	}
	for _, l := range Laws() {
		assert.True(t, caught[l.Name], "nothing shows that the law %q can fail", l.Name)
	}
}

// mustCatch checks that the law finds the fault. Only faults for which patience is
// short may be found by getting stuck.
func mustCatch(t *testing.T, f family, broken fault, law string, patience time.Duration) {
	t.Run(string(broken)+"/"+law, func(t *testing.T) {
		l, err := Find(law)
		require.NoError(t, err)
		v, stop := f(broken)
		defer stop()
		v.Patience = patience
		const tries = 20 // some faults need two threads to meet
		for err = nil; err == nil && v.Seed < tries; v.Seed++ {
			err = l.Check(t, v)
		}
		require.Error(t, err)
		t.Log(v.Seed, err)
		assert.ErrorContains(t, err, string(broken)+": "+law+": ")
		if patience > time.Second {
			assert.NotErrorIs(t, err, errStuck)
		}
	})
}

func TestFindUnknownLaw(t *testing.T) {
	_, err := Find("no such law")
	require.ErrorContains(t, err, `no law is named "no such law"`)
}

// TestShrinkFindsTheReason checks that a failing history is told in its
// shortest form: this fault needs just the push that fills the ring of 16.
func TestShrinkFindsTheReason(t *testing.T) {
	v, _ := twins(losesWhenFilled)
	s := subjectOf(t, v, v.Ints, uintItems)
	rng := rand.New(rand.NewPCG(7, 7))
	var err error
	for tries := 0; err == nil && tries < 100; tries++ {
		err = s.explain(randomHistory(rng, v.Traits), subject[uint64].play)
	}
	require.ErrorContains(t, err, "shortest that fails: ")
	_, told, _ := strings.Cut(err.Error(), "shortest that fails: ")
	told, _, _ = strings.Cut(told, ":")
	assert.LessOrEqual(t, strings.Count(told, ";"), 1, "at most two operations: %s", told)
	t.Log(err)
}

func TestShrinkKeepsWhatIsNeeded(t *testing.T) {
	needs := func(h history) bool { // a push of 3 or more somewhere before a close
		for k, o := range h.steps {
			if o.verb == closing {
				for _, earlier := range h.steps[:k] {
					if earlier.verb == push && earlier.n >= 3 {
						return true
					}
				}
			}
		}
		return false
	}
	h := history{steps: []operation{
		{verb: pop, n: 4}, {verb: push, n: 1025}, {verb: length}, {verb: push, n: 2},
		{verb: closing}, {verb: pop, n: 3},
	}}
	assert.Equal(t, "push 3; close", shrink(h, needs).String())
}

func TestHistoriesAreTold(t *testing.T) {
	several := history{limit: 2, steps: []operation{
		{verb: push, n: 3, actor: 1, beside: true}, {verb: pop, n: 2},
		{verb: length, actor: driver}, {verb: closing, actor: closer},
	}}
	assert.Equal(t, "with capacity 2: 1: push 3 | pop 2; 6: len; 5: close", several.String())
	keyed := history{limit: 3, keyed: true, steps: []operation{{verb: push, n: 5, salt: 0x19}}}
	assert.Equal(t, "with 3 keys: push 5 (add 1, update 2, delete 0, mark 1)", keyed.String())
}

// TestDecodeReachesEverything decodes all bytes in all places.
func TestDecodeReachesEverything(t *testing.T) {
	lossy := buffer.Traits{Loss: buffer.DropsNew, Bound: buffer.ByCapacity}
	seen := map[operation]bool{}
	limited := map[int]bool{}
	for several := range 2 {
		for b := range 256 {
			h, _ := decodeHistory([]byte{byte(several), byte(b), 0}, lossy)
			seen[h.steps[0]] = true
			h, _ = decodeHistory([]byte{byte(b)}, lossy)
			limited[h.limit] = true
		}
	}
	for _, n := range edges {
		assert.True(t, seen[operation{verb: push, n: n}], "push %d", n)
		assert.True(t, n == 0 || seen[operation{verb: pop, n: n}], "pop %d", n)
	}
	for _, limit := range limits(lossy) {
		assert.True(t, limited[limit], "limit %d", limit)
	}
	for actor := 1; actor <= numProducers; actor++ {
		assert.True(t, seen[operation{verb: push, n: 1, actor: actor, beside: true}], "producer %d", actor)
	}
	assert.True(t, seen[operation{verb: closing, n: 1, actor: closer}])
	assert.True(t, seen[operation{verb: length, n: 1, actor: driver}])
	h, several := decodeHistory([]byte{3, 1, 2, 3}, buffer.Traits{Loss: buffer.Coalesces})
	assert.True(t, several)
	assert.Equal(t, tiny[0], h.limit)
	assert.True(t, h.keyed)
	assert.Len(t, h.steps, 1, "half an operation is none")
}

// TestFuzzedBytesCatchBrokenBuffers shows that what bytes can say is enough, for
// one goroutine and for several.
func TestFuzzedBytesCatchBrokenBuffers(t *testing.T) {
	for _, c := range []struct {
		family  family
		fault   fault
		several byte
	}{
		{twins, losesWhenFilled, 0}, {twins, sleepsThroughClose, 1},
		{chains, linksBackward, 0}, {chains, showsEarly, 1},
		{dropOldest, dropsWrongOne, 0}, {dropNewest, holdsOneMore, 1}, {block, staysFull, 1}, {block, deafToClose, 1},
		{blockTimeout, staysFull, 1}, {folds, jumpsAhead, 0}, {folds, discardsPending, 1}, {sinks, popsSomething, 0},
	} {
		v, stop := c.family(c.fault)
		v.Patience = 200 * time.Millisecond
		s := subjectOf(t, v, v.Ints, uintItems)
		rng := rand.New(rand.NewPCG(3, uint64(c.several)))
		var err error
		for tries := 0; err == nil && tries < 1000; tries++ {
			bytes := make([]byte, 1+rng.IntN(60))
			for k := range bytes {
				bytes[k] = byte(rng.Uint32())
			}
			bytes[0] = bytes[0]&^1 | c.several
			err = s.decode(bytes)
		}
		stop()
		assert.Error(t, err, c.fault)
		t.Log(c.fault, "->", err)
	}
}

// TestMergesHaveAllOutcomes pins the table that coalescing buffers are given.
func TestMergesHaveAllOutcomes(t *testing.T) {
	for _, c := range []struct {
		pending, next event.Kind
		outcome       buffer.Outcome
		merged        event.Kind
	}{
		{event.Add, event.Update, buffer.Merged, event.Add},
		{event.Add, event.Delete, buffer.Cancel, 0},
		{event.Update, event.Update, buffer.Merged, event.Update},
		{event.Update, event.Delete, buffer.Merged, event.Delete},
		{event.Delete, event.Add, buffer.Merged, event.Update},
		{event.Delete, event.Delete, buffer.Merged, event.Delete},
		{event.Update, 0, buffer.Keep, 0},
		{0, event.Delete, buffer.Keep, 0},
	} {
		id, outcome := merged(change{5, c.pending, 1, 2}.id(), change{5, c.next, 3, 3}.id())
		assert.Equal(t, c.outcome, outcome, "%v and %v", c.pending, c.next)
		if outcome == buffer.Merged {
			got, isChange := changeOf(id)
			assert.True(t, isChange)
			assert.Equal(t, change{5, c.merged, 1, 3}, got)
		}
	}
	_, outcome := merged(7, 7)
	assert.Equal(t, buffer.Keep, outcome, "plain items are never merged")
}
