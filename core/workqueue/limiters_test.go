package workqueue

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

const ms = time.Millisecond

// answers returns the next n delays for an item.
func answers(l Limiter[string], item string, n int) []time.Duration {
	delays := make([]time.Duration, n)
	for i := range delays {
		delays[i] = l.When(item)
	}
	return delays
}

func TestLimitersByItem(t *testing.T) {
	for name, test := range map[string]struct {
		limiter Limiter[string]
		want    []time.Duration
	}{
		"exponential": {
			NewExponential[string](ms, time.Second),
			[]time.Duration{ms, 2 * ms, 4 * ms, 8 * ms, 16 * ms, 32 * ms, 64 * ms, 128 * ms, 256 * ms,
				512 * ms, time.Second, time.Second},
		},
		"exponential, cut between powers": {
			NewExponential[string](ms, 7*ms), []time.Duration{ms, 2 * ms, 4 * ms, 7 * ms, 7 * ms},
		},
		"exponential, met exactly": {
			NewExponential[string](ms, 4*ms), []time.Duration{ms, 2 * ms, 4 * ms, 4 * ms},
		},
		"exponential, base above most": {
			NewExponential[string](9*ms, 4*ms), []time.Duration{4 * ms, 4 * ms},
		},
		"exponential, no delay": {NewExponential[string](0, time.Second), []time.Duration{0, 0, 0}},
		"fast, then slow": {
			NewFastSlow[string](5*ms, 10*time.Second, 3),
			[]time.Duration{5 * ms, 5 * ms, 5 * ms, 10 * time.Second, 10 * time.Second},
		},
		"the longest of several": {
			NewMaxOf(NewFastSlow[string](5*ms, 3*time.Second, 3), NewExponential[string](ms, time.Second)),
			[]time.Duration{5 * ms, 5 * ms, 5 * ms, 3 * time.Second, 3 * time.Second},
		},
		"longest of none": {NewMaxOf[string](), []time.Duration{0}},
		"at most": {
			NewMaxWait(NewExponential[string](ms, time.Hour), 5*ms),
			[]time.Duration{ms, 2 * ms, 4 * ms, 5 * ms, 5 * ms},
		},
		"items": {DefaultItemLimiter[string](), []time.Duration{ms, 2 * ms, 4 * ms}},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				n := len(test.want)
				assert.Equal(t, test.want, answers(test.limiter, "a", n))
				assert.Equal(t, test.want, answers(test.limiter, "b", n), "each item has its count")
				if name != "longest of none" {
					assert.Equal(t, n, test.limiter.NumRequeues("a"))
				}
				test.limiter.Forget("a")
				test.limiter.Forget("b")
				test.limiter.Forget("never seen")
				assert.Zero(t, test.limiter.NumRequeues("a"))
			}
		})
	}
}

func TestExponentialNeverOverflows(t *testing.T) {
	l := NewExponential[string](1, math.MaxInt64)
	for n := range 200 {
		want := time.Duration(math.MaxInt64)
		if n < 63 {
			want = 1 << n
		}
		assert.Equal(t, want, l.When("a"), "requeue %d", n)
	}
}

func TestBucketMakesQueuersWaitForTheirToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBucket[string](10, 3)
		assert.Equal(t, []time.Duration{0, 0, 0, 100 * ms, 200 * ms, 300 * ms}, answers(b, "a", 6))
		time.Sleep(250 * ms) // two tokens and a half, all of them taken already
		assert.Equal(t, []time.Duration{150 * ms, 250 * ms}, answers(b, "b", 2))
		time.Sleep(time.Hour) // no more than three are kept
		assert.Equal(t, []time.Duration{0, 0, 0, 100 * ms}, answers(b, "a", 4))
		b.Forget("a")
		assert.Zero(t, b.NumRequeues("a"))
		assert.Equal(t, 200*ms, b.When("a"), "forgetting gives no token back")
	})
}

func TestBucketAtItsEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := NewBucket[string](math.Inf(1), 1)
		assert.Equal(t, []time.Duration{0, 0, 0}, answers(free, "a", 3))
		crawl := NewBucket[string](1e-300, 1)
		assert.Equal(t, []time.Duration{0, math.MaxInt64}, answers(crawl, "a", 2))
	})
}

func TestDefaultControllerLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := DefaultControllerLimiter[int]()
		for i := range 100 { // the burst: only the delay per item counts
			assert.Equal(t, 5*ms, l.When(i))
		}
		assert.Equal(t, 100*ms, l.When(100), "the bucket is empty")
		assert.Equal(t, 200*ms, l.When(101))
		time.Sleep(time.Hour)
		for range 30 {
			l.When(7)
		}
		assert.Equal(t, 1000*time.Second, l.When(7))
	})
}

func TestSettingsThatCannotWorkPanic(t *testing.T) {
	for want, construct := range map[string]func(){
		"workqueue: exponential limiter: negative delay: base -1ns, most 1s": func() {
			NewExponential[int](-1, time.Second)
		},
		"workqueue: bucket limiter: 0 tokens per second, burst 1: expected positive numbers": func() {
			NewBucket[int](0, 1)
		},
		"workqueue: bucket limiter: NaN tokens per second, burst 1: expected positive numbers": func() {
			NewBucket[int](math.NaN(), 1)
		},
		"workqueue: bucket limiter: 1 tokens per second, burst 0: expected positive numbers": func() {
			NewBucket[int](1, 0)
		},
	} {
		assert.PanicsWithValue(t, want, construct)
	}
}

func TestRateLimitingAsksTheLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewRateLimiting(NewExponential[string](ms, time.Second), Options{})
		defer q.ShutDown()
		for _, want := range []time.Duration{ms, 2 * ms, 4 * ms} {
			start := time.Now()
			q.AddRateLimited("a")
			q.Done(get(t, q))
			assert.Equal(t, want, time.Since(start))
		}
		assert.Equal(t, 3, q.NumRequeues("a"))
		q.AddRateLimited("a")
		q.Forget("a")
		assert.Zero(t, q.NumRequeues("a"))
		assert.Equal(t, 1, q.Scheduled(), "forgetting takes nothing out of the queue")
	})
}
