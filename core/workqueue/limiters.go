package workqueue

import (
	"fmt"
	"math"
	"sync"
	"time"
)

// A Limiter says how long an item has to wait before it is tried again. It must
// be safe for concurrent use.
type Limiter[T comparable] interface {
	// When counts one more requeue of the item and returns its delay.
	When(item T) time.Duration
	// Forget drops what is known of the item, because it succeeded or was
	// given up.
	Forget(item T)
	// NumRequeues returns how often When was called for the item since it
	// was last forgotten; 0 for a limiter that does not count by item.
	NumRequeues(item T) int
}

// DefaultControllerLimiter is what a controller wants if it has no opinion: the
// longer of an exponential delay per item, 5 ms to 1000 s, and a bucket for all
// items together of 10 per second with bursts of 100. The numbers are
// client-go's.
func DefaultControllerLimiter[T comparable]() Limiter[T] {
	return NewMaxOf(
		NewExponential[T](5*time.Millisecond, 1000*time.Second),
		NewBucket[T](10, 100),
	)
}

// DefaultItemLimiter is the part of a controller's limiter that looks at single
// items, with client-go's numbers: an exponential delay, 1 ms to 1000 s.
func DefaultItemLimiter[T comparable]() Limiter[T] {
	return NewExponential[T](time.Millisecond, 1000*time.Second)
}

// requeues counts by item. Embedded, it gives a limiter Forget and NumRequeues.
type requeues[T comparable] struct {
	mu     sync.Mutex
	counts map[T]int
}

// next counts one more requeue and returns how many there were before.
func (r *requeues[T]) next(item T) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = map[T]int{}
	}
	n := r.counts[item]
	r.counts[item] = n + 1
	return n
}

// Forget drops the count of the item.
func (r *requeues[T]) Forget(item T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.counts, item)
}

// NumRequeues returns the count of the item.
func (r *requeues[T]) NumRequeues(item T) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[item]
}

// Exponential doubles the delay of an item with each requeue.
type Exponential[T comparable] struct {
	requeues[T]
	base, most time.Duration
}

// NewExponential returns a limiter whose delays for one item are base, 2·base,
// 4·base and so on, and never more than most. It panics if either is negative.
func NewExponential[T comparable](base, most time.Duration) *Exponential[T] {
	if base < 0 || most < 0 {
		panic(fmt.Sprintf("workqueue: exponential limiter: negative delay: base %v, most %v", base, most))
	}
	return &Exponential[T]{base: base, most: most}
}

// When returns base·2ⁿ for the n-th requeue, counted from 0, or the most.
func (e *Exponential[T]) When(item T) time.Duration {
	n := e.next(item)
	if e.base > e.most>>n { // exactly if base·2ⁿ > most, without the overflow
		return e.most
	}
	return e.base << n
}

// FastSlow gives an item a few short delays and then long ones.
type FastSlow[T comparable] struct {
	requeues[T]
	fast, slow time.Duration
	attempts   int
}

// NewFastSlow returns a limiter that answers fast to the first attempts requeues
// of an item and slow to all later ones.
func NewFastSlow[T comparable](fast, slow time.Duration, attempts int) *FastSlow[T] {
	return &FastSlow[T]{fast: fast, slow: slow, attempts: attempts}
}

// When returns the fast or the slow delay.
func (f *FastSlow[T]) When(item T) time.Duration {
	if f.next(item) < f.attempts {
		return f.fast
	}
	return f.slow
}

// Bucket is a token bucket for all items together. Each requeue takes a token,
// if need be one that the bucket will only get later: the delay is the time
// until then. So any number of items may queue for tokens, and nobody is refused.
type Bucket[T comparable] struct {
	rate  float64 // tokens per second
	burst float64

	mu     sync.Mutex
	tokens float64   // at the time of last; negative: taken in advance
	last   time.Time // zero before the first requeue
}

// NewBucket returns a full bucket that gets perSecond tokens per second and
// holds at most burst. An infinite perSecond means no delays. It panics unless
// perSecond is positive and burst at least 1, as no token would ever come.
func NewBucket[T comparable](perSecond float64, burst int) *Bucket[T] {
	if !(perSecond > 0) || burst < 1 {
		const format = "workqueue: bucket limiter: %v tokens per second, burst %d: expected positive numbers"
		panic(fmt.Sprintf(format, perSecond, burst))
	}
	return &Bucket[T]{rate: perSecond, burst: float64(burst), tokens: float64(burst)}
}

// When takes a token and returns how long it is until that token comes.
func (b *Bucket[T]) When(T) time.Duration {
	if math.IsInf(b.rate, 1) {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if !b.last.IsZero() {
		b.tokens = min(b.burst, b.tokens+now.Sub(b.last).Seconds()*b.rate)
	}
	b.last = now
	b.tokens--
	if b.tokens >= 0 {
		return 0
	}
	wait := -b.tokens / b.rate * float64(time.Second)
	if wait >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(wait)
}

// Forget does nothing: a token that was taken is gone.
func (b *Bucket[T]) Forget(T) {}

// NumRequeues returns 0, as a bucket does not count by item.
func (b *Bucket[T]) NumRequeues(T) int { return 0 }

// MaxOf answers with the longest delay of several limiters.
type MaxOf[T comparable] struct {
	limiters []Limiter[T]
}

// NewMaxOf combines limiters. All of them are asked each time, so a token is
// spent even where another delay is longer; items that were held back that way
// can later arrive together, in a larger burst than the bucket alone allows.
func NewMaxOf[T comparable](limiters ...Limiter[T]) *MaxOf[T] {
	return &MaxOf[T]{limiters: limiters}
}

// When returns the longest delay, 0 if there are no limiters.
func (m *MaxOf[T]) When(item T) time.Duration {
	var longest time.Duration
	for _, l := range m.limiters {
		longest = max(longest, l.When(item))
	}
	return longest
}

// Forget makes all limiters forget the item.
func (m *MaxOf[T]) Forget(item T) {
	for _, l := range m.limiters {
		l.Forget(item)
	}
}

// NumRequeues returns the highest count of the limiters.
func (m *MaxOf[T]) NumRequeues(item T) int {
	highest := 0
	for _, l := range m.limiters {
		highest = max(highest, l.NumRequeues(item))
	}
	return highest
}

// MaxWait answers as another limiter does, up to a longest delay.
type MaxWait[T comparable] struct {
	Limiter[T]
	most time.Duration
}

// NewMaxWait cuts the delays of a limiter to at most most.
func NewMaxWait[T comparable](limiter Limiter[T], most time.Duration) *MaxWait[T] {
	return &MaxWait[T]{Limiter: limiter, most: most}
}

// When returns the delay of the limiter beneath, or the most.
func (m *MaxWait[T]) When(item T) time.Duration { return min(m.most, m.Limiter.When(item)) }
