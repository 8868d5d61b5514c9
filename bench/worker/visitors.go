package worker

import (
	"errors"
	"fmt"
	"time"

	"informerlab/loadgen"
)

// visitors are the handlers that come to every pipeline while events flow, and go
// again if the workload says so.
type visitors struct {
	spare  [][]*loadgen.Recorder // made before the clock starts, by load; those that come in time for an open one
	all    []*visitor            // written by the goroutine that begin starts; read after end
	failed error                 // likewise
	stop   chan struct{}
	done   chan struct{} // nil = none come
}

// A visitor is one handler of one pipeline.
type visitor struct {
	load, number int // of the pipeline, and of the handler there
	recorder     *loadgen.Recorder
	leaves       time.Time // zero = it stays to the end
	gone         bool
}

// make makes the recorders of as many visitors as come during the span of an open
// load, so that making them is not measured.
func (v *visitors) make(r *run) {
	v.spare = make([][]*loadgen.Recorder, len(r.loads))
	for range int(r.span.Seconds() * r.workload.Visitors) {
		for load := range r.loads {
			v.spare[load] = append(v.spare[load], r.workload.NewVisitor(r.handling(load)))
		}
	}
}

// recorder returns one for the next visitor of a load.
func (v *visitors) recorder(r *run, load int) *loadgen.Recorder {
	if n := len(v.spare[load]); n > 0 {
		last := v.spare[load][n-1]
		v.spare[load] = v.spare[load][:n-1]
		return last
	}
	return r.workload.NewVisitor(r.handling(load))
}

// begin lets visitors come, evenly after the start, until end is called.
func (v *visitors) begin(r *run, start time.Time) {
	if r.workload.Visitors == 0 {
		return
	}
	v.stop, v.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(v.done)
		v.failed = v.come(r, start)
	}()
}

// end ends the coming and going, and waits for it.
func (v *visitors) end() error {
	if v.done == nil {
		return nil
	}
	close(v.stop)
	<-v.done
	return v.failed
}

func (v *visitors) come(r *run, start time.Time) error {
	between := time.Duration(float64(time.Second) / r.workload.Visitors)
	next := start.Add(between)
	for leaving := 0; ; {
		at := next
		goes := leaving < len(v.all) && !v.all[leaving].leaves.IsZero() && v.all[leaving].leaves.Before(next)
		if goes {
			at = v.all[leaving].leaves
		}
		timer := time.NewTimer(time.Until(at))
		select {
		case <-timer.C:
		case <-v.stop:
			timer.Stop()
			return nil
		}
		if goes {
			if err := v.all[leaving].leave(r); err != nil {
				return err
			}
			leaving++
			continue
		}
		if err := v.visit(r, at); err != nil {
			return err
		}
		next = next.Add(between)
	}
}

// visit adds one visitor to each pipeline.
func (v *visitors) visit(r *run, now time.Time) error {
	for load, p := range r.pipelines {
		guest := &visitor{load: load, recorder: v.recorder(r, load)}
		guest.number = len(r.recorders[load]) + len(v.all)/len(r.pipelines)
		if r.workload.Stay > 0 {
			guest.leaves = now.Add(r.workload.Stay)
		}
		if err := p.AddHandler(guest.recorder, r.workload.Resync); err != nil {
			return fmt.Errorf("%s: visitor: %w", r.loads[load].Resource, err)
		}
		v.all = append(v.all, guest)
	}
	return nil
}

func (v *visitor) leave(r *run) error {
	v.gone = true
	return r.pipelines[v.load].RemoveHandler(v.number)
}

// await waits until the visitors that stay know all.
func (v *visitors) await(r *run) error {
	for _, guest := range v.all {
		if guest.gone {
			continue
		}
		select {
		case <-guest.recorder.Done():
		case <-r.deadline:
			return r.late(guest.load, guest.number, "all events")
		}
	}
	return nil
}

// check checks what visitors were told, and their accounts.
func (v *visitors) check(r *run) error {
	var errs []error
	for _, guest := range v.all {
		err := guest.recorder.CheckCalls()
		if !guest.gone {
			err = guest.recorder.Check()
		}
		if accounts := r.pipelines[guest.load].Accounts(); accounts != nil {
			err = errors.Join(err, checkSentence(accounts[guest.number], guest.recorder.Calls()))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: visitor %d: %w", r.loads[guest.load].Resource, guest.number, err))
		}
	}
	return errors.Join(errs...)
}
