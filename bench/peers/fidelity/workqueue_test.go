package fidelity

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
	clientgo "k8s.io/client-go/util/workqueue"

	"informerlab/core/workqueue"
)

// workPair is our rate-limited work queue and client-go's, inside a bubble.
type workPair struct {
	ours   *workqueue.RateLimiting[string]
	theirs clientgo.TypedRateLimitingInterface[string]
	inHand []string
	// delays counts the delayed adds. Each delay is a whole number of
	// milliseconds and so many nanoseconds, so that no two items are due at once.
	delays time.Duration
	drains [2]chan struct{}
	trace  []string
}

func newWorkPair(r *rand.Rand) *workPair {
	base, most := time.Duration(1+r.IntN(100))*time.Millisecond, time.Duration(1+r.IntN(100))*time.Second
	return &workPair{
		ours: workqueue.NewRateLimiting(workqueue.NewExponential[string](base, most), workqueue.Options{}),
		theirs: clientgo.NewTypedRateLimitingQueue(
			clientgo.NewTypedItemExponentialFailureRateLimiter[string](base, most)),
	}
}

func (p *workPair) note(format string, args ...any) {
	p.trace = append(p.trace, fmt.Sprintf(format, args...))
}

// step does one random thing to both queues and returns how they differ.
func (p *workPair) step(r *rand.Rand) error {
	item := fmt.Sprint("i", r.IntN(8))
	switch n := r.IntN(20); {
	case n < 5:
		p.note("add %s", item)
		p.ours.Add(item)
		p.theirs.Add(item)
	case n < 10:
		return p.get()
	case n < 14 && len(p.inHand) > 0:
		i := r.IntN(len(p.inHand))
		p.note("done %s", p.inHand[i])
		p.ours.Done(p.inHand[i])
		p.theirs.Done(p.inHand[i])
		p.inHand = slices.Delete(p.inHand, i, i+1)
	case n < 16:
		p.delays++
		delay := time.Duration(r.IntN(500)-100)*time.Millisecond + p.delays
		p.note("add %s after %s", item, delay)
		p.ours.AddAfter(item, delay)
		p.theirs.AddAfter(item, delay)
	case n < 17:
		// Apart from all others: what two items are due at is left open.
		time.Sleep(1013 * time.Microsecond)
		p.note("add %s rate limited", item)
		p.ours.AddRateLimited(item)
		p.theirs.AddRateLimited(item)
	case n < 18:
		p.note("forget %s", item)
		p.ours.Forget(item)
		p.theirs.Forget(item)
	default:
		pause := time.Duration(r.IntN(300)) * time.Millisecond
		p.note("wait %s", pause)
		time.Sleep(pause)
	}
	return p.compare()
}

// compare waits until both are idle and compares what can be seen.
func (p *workPair) compare() error {
	synctest.Wait()
	if a, b := p.ours.Len(), p.theirs.Len(); a != b {
		return fmt.Errorf("length: ours %d, client-go's %d", a, b)
	}
	if a, b := p.ours.ShuttingDown(), p.theirs.ShuttingDown(); a != b {
		return fmt.Errorf("shutting down: ours %t, client-go's %t", a, b)
	}
	for i := range 8 {
		item := fmt.Sprint("i", i)
		if a, b := p.ours.NumRequeues(item), p.theirs.NumRequeues(item); a != b {
			return fmt.Errorf("requeues of %s: ours %d, client-go's %d", item, a, b)
		}
	}
	for side, drain := range p.drains {
		if drain != nil && drained(drain) != drained(p.drains[1-side]) {
			return fmt.Errorf("drain ended: ours %t, client-go's %t", drained(p.drains[0]), drained(p.drains[1]))
		}
	}
	return nil
}

func drained(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// get takes an item from both, if there is one or both say that it is over.
func (p *workPair) get() error {
	if p.ours.Len() == 0 && !p.ours.ShuttingDown() {
		return nil
	}
	a, overA := p.ours.Get()
	b, overB := p.theirs.Get()
	p.note("get %s", a)
	if a != b || overA != overB {
		return fmt.Errorf("ours handed out %q (over: %t), client-go's %q (over: %t)", a, overA, b, overB)
	}
	if !overA {
		p.inHand = append(p.inHand, a)
	}
	return p.compare()
}

// shutDown ends both queues, with or without drain, and empties them.
func (p *workPair) shutDown(r *rand.Rand) error {
	if r.IntN(2) == 0 {
		p.note("shut down with drain")
		p.drains = [2]chan struct{}{make(chan struct{}), make(chan struct{})}
		go func() { defer close(p.drains[0]); p.ours.ShutDownWithDrain() }()
		go func() { defer close(p.drains[1]); p.theirs.ShutDownWithDrain() }()
	} else {
		p.note("shut down")
		p.ours.ShutDown()
		p.theirs.ShutDown()
	}
	if err := p.compare(); err != nil {
		return err
	}
	for n := 20; n > 0; n-- {
		if err := p.step(r); err != nil {
			return err
		}
	}
	for p.ours.Len() > 0 || len(p.inHand) > 0 {
		if err := p.get(); err != nil {
			return err
		}
		for _, item := range p.inHand {
			p.ours.Done(item)
			p.theirs.Done(item)
			if err := p.compare(); err != nil { // a drain that may end must see it now
				return err
			}
		}
		p.inHand = nil
	}
	p.theirs.ShutDown() // its delaying goroutine would outlive a drain
	return p.get()
}

// Our work queue hands out what client-go's does, at the same times.
func TestWorkQueueAgainstClientGo(t *testing.T) {
	for i := range *histories {
		seed := *firstSeed + i
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0x9))
			p := newWorkPair(r)
			var err error
			for n := 20 + r.IntN(60); n > 0 && err == nil; n-- {
				err = p.step(r)
			}
			if err == nil {
				err = p.shutDown(r)
			}
			p.ours.ShutDown()
			p.theirs.ShutDown()
			require.NoError(t, err, "seed %d, after %q", seed, p.trace)
		})
	}
}

// Our limiters allow what client-go's do.
func TestLimitersAgainstClientGo(t *testing.T) {
	type pair struct {
		ours   workqueue.Limiter[string]
		theirs clientgo.TypedRateLimiter[string]
	}
	makers := map[string]func(r *rand.Rand) pair{
		"default": func(*rand.Rand) pair {
			return pair{
				workqueue.DefaultControllerLimiter[string](),
				clientgo.DefaultTypedControllerRateLimiter[string](),
			}
		},
		"default per item": func(*rand.Rand) pair {
			return pair{workqueue.DefaultItemLimiter[string](), clientgo.DefaultTypedItemBasedRateLimiter[string]()}
		},
		"fast and slow": func(r *rand.Rand) pair {
			n := r.IntN(5)
			return pair{
				workqueue.NewFastSlow[string](time.Millisecond, time.Second, n),
				clientgo.NewTypedItemFastSlowRateLimiter[string](time.Millisecond, time.Second, n),
			}
		},
		"bucket, at most a second": func(r *rand.Rand) pair {
			perSecond, burst := 1+r.Float64()*20, 1+r.IntN(10)
			bucket := rate.NewLimiter(rate.Limit(perSecond), burst)
			return pair{
				workqueue.NewMaxWait(workqueue.NewBucket[string](perSecond, burst), time.Second),
				clientgo.NewTypedWithMaxWaitRateLimiter(
					&clientgo.TypedBucketRateLimiter[string]{Limiter: bucket}, time.Second),
			}
		},
	}
	for name, newPair := range makers {
		for i := range min(*histories/20, 200) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(*firstSeed+i, 0x11))
				p := newPair(r)
				for range 60 {
					item := fmt.Sprint("i", r.IntN(4))
					if r.IntN(10) == 0 {
						p.ours.Forget(item)
						p.theirs.Forget(item)
						continue
					}
					// The buckets round differently, by nanoseconds.
					require.InDelta(t, p.theirs.When(item), p.ours.When(item), float64(time.Microsecond),
						"%s, seed %d", name, *firstSeed+i)
					assert.Equal(t, p.theirs.NumRequeues(item), p.ours.NumRequeues(item), name)
					time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond)
				}
			})
		}
	}
}
