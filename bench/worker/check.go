package worker

import (
	"errors"
	"fmt"
	"hash/fnv"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
	"informerlab/loadgen"
)

// checkCache compares a cache with the final state of its load, and adds what it
// holds to the result's hash.
func (r *run) checkCache(load int, p Pipeline, result *Result) error {
	return r.expects[load].CheckCache(func(yield func(event.Key, uint64)) {
		p.Each(func(key event.Key, m loadgen.Mark, version string) {
			// A sum does not depend on the order, which a cache does not have.
			h := fnv.New64a()
			_, _ = fmt.Fprintf(h, "%s %s %s", r.loads[load].Resource, key, version)
			result.Store += h.Sum64()
			yield(key, m.ID())
		})
	})
}

// check compares every handler's calls with what the load makes of them, and
// with its account. The pipelines have stopped, so a call after the last one
// shows too.
func (r *run) check() error {
	var errs []error
	for i, recorders := range r.recorders {
		accounts := r.pipelines[i].Accounts()
		for listener, rec := range recorders {
			var err error
			if r.contestant.Traits.Loss != buffer.DropsEvery {
				err = errors.Join(rec.Check(), r.checkResync(rec))
			}
			switch {
			case accounts != nil:
				err = errors.Join(err, r.checkAccount(accounts[listener], r.expects[i].Calls, rec.Calls()))
			case r.contestant.Traits.Loss != buffer.Lossless:
				err = errors.Join(err, errors.New("worker: a contestant that is not lossless keeps no account"))
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: handler %d: %w", r.loads[i].Resource, listener, err))
			}
		}
	}
	return errors.Join(append(errs, r.visitors.check(r))...)
}

// checkResync checks that a handler was told what it knew, if it wanted to be and
// had the time.
func (r *run) checkResync(rec *loadgen.Recorder) error {
	w := r.workload
	due := w.Resync > 0 && w.Relists == 0 && r.span > 2*w.Resync
	if due && r.contestant.Traits.Loss == buffer.Lossless && rec.Repeats() == 0 {
		return fmt.Errorf("worker: no resync in %v: expected one every %v", r.span, w.Resync)
	}
	return nil
}

// checkAccount holds one handler's account against what is known without it: how
// many notifications there were, unless resyncs add to them, and how many calls came.
func (r *run) checkAccount(s processor.Stats, notifications, calls int) error {
	if err := checkSentence(s, calls); err != nil {
		return err
	}
	in := s.Replayed + s.Routed
	switch loss := r.contestant.Traits.Loss; {
	case r.workload.Resync == 0 && in != uint64(notifications) || in < uint64(notifications):
		return fmt.Errorf("worker: account: %d notifications came in: expected %d: %+v", in, notifications, s)
	case loss == buffer.Lossless && s.Lost() > s.Discarded[buffer.Closed],
		loss == buffer.Lossless && r.workload.Resync == 0 && s.Lost() > 0:
		return fmt.Errorf("worker: account: %d notifications were discarded by a lossless buffer: %+v", s.Lost(), s)
	case loss == buffer.DropsEvery && s.Discarded[buffer.Closed] != in:
		return fmt.Errorf("worker: account: not all notifications were discarded: %+v", s)
	}
	return nil
}

// checkSentence checks that an account adds up, and that it has as many calls as
// its handler.
func checkSentence(s processor.Stats, calls int) error {
	if err := s.Check(); err != nil {
		return err
	}
	if made := s.Handled + s.Panicked + s.Healed; made != uint64(calls) {
		return fmt.Errorf("worker: account: %d calls: the handler had %d: %+v", made, calls, s)
	}
	return nil
}
