package reflector

import (
	"context"
	"errors"
	"time"

	"informerlab/core/source"
)

const (
	// shortWatch is the life of a stream below which the next one is delayed.
	shortWatch = time.Second
	// meterBurst requests may be made at once, and one per meterInterval from then on.
	meterBurst    = 10
	meterInterval = time.Second
)

// A meter limits the number of requests in every span of time to meterBurst
// plus one per meterInterval, whatever the reasons for them are. One goroutine
// uses it.
type meter struct{ last time.Time }

// next takes note of a request and returns how long it has to wait; 0 or less
// = not at all.
func (m *meter) next(now time.Time) time.Duration {
	m.last = m.last.Add(meterInterval)
	if least := now.Add(-(meterBurst - 1) * meterInterval); m.last.Before(least) {
		m.last = least
	}
	return m.last.Sub(now)
}

// admit waits until a request may be made. The error is that of ctx.
func (r *Reflector) admit(ctx context.Context) error {
	if !r.o.Faithful {
		sleep(ctx, r.meter.next(time.Now()))
	}
	return ctx.Err()
}

// wait lets the backoff pass, or the hint that err carries if that is longer,
// or ctx end.
func (r *Reflector) wait(ctx context.Context, err error) {
	delay := r.pacer.next(time.Now(), r.o.Rand())
	var refusal *source.Error
	if errors.As(err, &refusal) {
		delay = max(delay, refusal.RetryAfter)
	}
	sleep(ctx, delay)
}

// pace delays the stream that replaces s if s was a short one, the more the
// longer the row of short ones is (kubernetes/kubernetes#140890).
func (r *Reflector) pace(ctx context.Context, s *stream) {
	now := time.Now()
	switch {
	case r.o.Faithful:
	case now.Sub(s.opened) >= shortWatch:
		r.reopening.start(now)
	default:
		sleep(ctx, r.reopening.next(now, r.o.Rand()))
	}
}

// sleep returns after d, or when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
