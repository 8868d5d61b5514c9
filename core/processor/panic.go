package processor

import "time"

// A PanicPolicy says what happens when a handler panics. The zero policy lets
// the process die, which is client-go's default too (runtime.ReallyCrash).
type PanicPolicy struct {
	// Recover logs the panic and keeps the process alive. The notification
	// whose call panicked is not delivered again.
	Recover bool
	// Stop ends delivery to that handler for good; its backlog grows on.
	Stop bool
	// Pause is how long nothing is delivered to that handler.
	Pause time.Duration
	// Hold starts the pause not at the panic but when the next notification
	// has been taken from the buffer.
	Hold bool
}

// The policies of the generations of client-go, with their recovery on.
var (
	// StopDelivery is that up to about 1.9: one panic ended delivery.
	StopDelivery = PanicPolicy{Recover: true, Stop: true}
	// RestartAfterMinute is that of 1.10 to 1.17 (kubernetes#58394).
	RestartAfterMinute = PanicPolicy{Recover: true, Pause: time.Minute}
	// SkipAndHold is that of today: the next notification is taken and held
	// for a second (kubernetes#87393 and later).
	SkipAndHold = PanicPolicy{Recover: true, Pause: time.Second, Hold: true}
)

// afterPanic carries the policy out.
func (l *Listener) afterPanic() {
	switch policy := l.p.o.Panic; {
	case policy.Stop:
		<-l.closing
		l.abandon.Store(true) // what piled up cannot be handled any more
	case policy.Hold:
		l.holdNext = policy.Pause
	default:
		l.pause(policy.Pause)
	}
}

// pause waits, but not beyond the moment at which the listener is to abandon.
func (l *Listener) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.closing:
		if l.p.o.OnStop == Drain {
			<-timer.C
		}
	}
}
