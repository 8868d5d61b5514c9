package worker

import (
	"errors"
	"fmt"

	"informerlab/core/buffer"
	"informerlab/core/processor"
)

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
				err = rec.Check()
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
	return errors.Join(errs...)
}

// checkAccount holds one handler's account against what is known without it: how
// many notifications there were and how many calls came.
func (r *run) checkAccount(s processor.Stats, notifications, calls int) error {
	if err := s.Check(); err != nil {
		return err
	}
	in, made := s.Replayed+s.Routed, s.Handled+s.Panicked+s.Healed
	switch loss := r.contestant.Traits.Loss; {
	case in != uint64(notifications):
		return fmt.Errorf("worker: account: %d notifications came in: expected %d: %+v", in, notifications, s)
	case made != uint64(calls):
		return fmt.Errorf("worker: account: %d calls: the handler had %d: %+v", made, calls, s)
	case loss == buffer.Lossless && s.Lost() > 0:
		return fmt.Errorf("worker: account: %d notifications were discarded by a lossless buffer: %+v", s.Lost(), s)
	case loss == buffer.DropsEvery && s.Discarded[buffer.Closed] != in:
		return fmt.Errorf("worker: account: not all notifications were discarded: %+v", s)
	}
	return nil
}
