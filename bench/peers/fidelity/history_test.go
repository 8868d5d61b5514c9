package fidelity

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"informerlab/core/source"
)

// Op is what one step of a history does.
type Op uint8

// The steps. Each is applied to both sides and then left to settle.
const (
	Change        Op = iota // apply Edits to the server, back to back
	Tick                    // let Count ticks pass
	EndStreams              // end all watch streams; by Reason, or normally without one
	Outage                  // end all streams, apply Edits, and Compact if Count is 1; answer again a tick later
	FailLists               // refuse the next Count lists by Reason
	FailWatches             // refuse the next Count watches by Reason
	CutStreams              // cut the next Count streams after After events; by Reason, or normally
	Lag                     // cached reads are After versions old from now on
	HoldBookmarks           // hold bookmarks back (Count even) or release them
	Compact                 // forget the past: older versions are expired from now on
	SendBookmark            // send a bookmark on all streams
	Duplicate               // send the next Count events twice; apply Edits
	Swap                    // send each of the next Count events after the one that follows; apply Edits
	AddHandler              // add a handler with the resync period Resync
	RemoveHandler           // remove a handler
	ShutHandler             // remove a handler and wait for its last call
	Stall                   // a handler blocks in its next call
	Resume                  // a stalled handler goes on
	PanicOnce               // a handler panics in its next call
	RaceRemove              // apply Edits and remove a handler at once
	RaceAdd                 // apply Edits and add a handler at once
	numOps
)

// String returns the name of the op.
func (o Op) String() string {
	names := [numOps]string{
		"change", "tick", "end streams", "outage", "fail lists", "fail watches", "cut streams", "lag",
		"hold bookmarks", "compact", "bookmark", "duplicate", "swap", "add handler", "remove handler",
		"shut handler", "stall", "resume", "panic once",
		"race remove", "race add",
	}
	if int(o) < len(names) {
		return names[o]
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

// An Edit changes one object on the server: it is created if it is not there,
// else updated or, if Delete is set, deleted. Recreate deletes and creates.
type Edit struct {
	Key              int
	Delete, Recreate bool
}

// A Step is one step of a history. Which fields count depends on Op. Handler is
// taken modulo the number of handlers there are, so any step may be left out.
type Step struct {
	Op      Op
	Count   int
	After   int
	Handler int
	Edits   []Edit
	Reason  source.Reason
	Resync  time.Duration // -1 = the informer's default
}

// String returns the step in one line.
func (s Step) String() string {
	var b strings.Builder
	b.WriteString(s.Op.String())
	switch s.Op {
	case Tick, Outage, Duplicate, Swap, HoldBookmarks:
		fmt.Fprintf(&b, " count=%d", s.Count)
	case FailLists, FailWatches:
		fmt.Fprintf(&b, " count=%d reason=%s", s.Count, s.Reason)
	case CutStreams:
		fmt.Fprintf(&b, " count=%d after=%d reason=%s", s.Count, s.After, s.Reason)
	case Lag:
		fmt.Fprintf(&b, " after=%d", s.After)
	case EndStreams:
		fmt.Fprintf(&b, " reason=%s", s.Reason)
	case AddHandler, RaceAdd:
		fmt.Fprintf(&b, " resync=%s", s.Resync)
	case RemoveHandler, ShutHandler, Stall, Resume, PanicOnce, RaceRemove:
		fmt.Fprintf(&b, " handler=%d", s.Handler)
	}
	for _, e := range s.Edits {
		verb := "set"
		if e.Recreate {
			verb = "recreate"
		} else if e.Delete {
			verb = "delete"
		}
		fmt.Fprintf(&b, " %s:%d", verb, e.Key)
	}
	return b.String()
}

// End is how a history ends.
type End uint8

// The ends.
const (
	Quiet      End = iota // stop when everything has been handled
	WithEdits             // apply Edits and stop at once
	WhileStall            // stop while a handler is stalled with a backlog
)

// Rewrite is what the informer's transform does.
type Rewrite uint8

// The transforms.
const (
	NoRewrite Rewrite = iota
	Mark              // appends a mark to the resource version
	Blank             // blanks the resource version, so that every update looks like a resync
)

// A History is one run of an informer, from its construction to its end.
type History struct {
	Seed     uint64
	Objects  int           // on the server before the start
	Classic  bool          // no streaming initial list
	Resync   time.Duration // the informer's resync period
	Rewrite  Rewrite
	Handlers []time.Duration // resync periods of the handlers added before the start; -1 = default
	Steps    []Step
	End      End
	Last     []Edit // the edits of WithEdits and WhileStall
}

// String returns the history as it is printed when it fails.
func (h *History) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed=%d objects=%d classic=%t resync=%s rewrite=%d handlers=%v end=%d %v\n",
		h.Seed, h.Objects, h.Classic, h.Resync, h.Rewrite, h.Handlers, h.End, h.Last)
	for i, s := range h.Steps {
		fmt.Fprintf(&b, "  %2d %s\n", i, s)
	}
	return b.String()
}

// checkPeriods are resync periods that never put a check on a tick: their odd
// milliseconds add up to a multiple of a tick only after years.
var checkPeriods = []time.Duration{
	0, 0, 130*time.Second + 7*time.Millisecond, 310*time.Second + 13*time.Millisecond,
}

// handlerPeriods are what handlers ask for: never, the default, the informer's
// own, less and more than that, and less than the minimum only before a start
// that would otherwise check each second.
var handlerPeriods = []time.Duration{
	-1, -1, 0, 70*time.Second + 3*time.Millisecond, 130*time.Second + 7*time.Millisecond,
	200*time.Second + 11*time.Millisecond, 700*time.Second + 17*time.Millisecond,
}

// RandomHistory returns the history of a seed.
func RandomHistory(seed uint64) *History {
	r := rand.New(rand.NewPCG(seed, 0x5eed))
	h := &History{
		Seed:    seed,
		Objects: r.IntN(12),
		Classic: r.IntN(2) == 0,
		Resync:  checkPeriods[r.IntN(len(checkPeriods))],
		End:     End(r.IntN(3)),
	}
	if r.IntN(6) == 0 {
		h.Rewrite = Rewrite(1 + r.IntN(2))
	}
	for range 1 + r.IntN(3) {
		h.Handlers = append(h.Handlers, handlerPeriods[r.IntN(len(handlerPeriods))])
	}
	for range 4 + r.IntN(24) {
		h.Steps = append(h.Steps, randomStep(r))
	}
	h.Last = randomEdits(r, 30)
	return h
}

// weights says how often each step occurs.
var weights = [numOps]int{
	Change: 30, Tick: 12, EndStreams: 8, Outage: 8, FailLists: 3, FailWatches: 4, Compact: 4,
	CutStreams: 3, Lag: 2, HoldBookmarks: 2, SendBookmark: 3, Duplicate: 2, Swap: 2,
	AddHandler: 7, RemoveHandler: 4, ShutHandler: 2, Stall: 5,
	Resume: 4, PanicOnce: 1, RaceRemove: 1, RaceAdd: 2,
}

func randomStep(r *rand.Rand) Step {
	total := 0
	for _, w := range weights {
		total += w
	}
	pick, op := r.IntN(total), Op(0)
	for ; pick >= weights[op]; op++ {
		pick -= weights[op]
	}
	s := Step{
		Op:      op,
		Count:   1 + r.IntN(3),
		After:   r.IntN(5),
		Handler: r.IntN(8),
		Resync:  handlerPeriods[r.IntN(len(handlerPeriods))],
	}
	switch op {
	case Change, Duplicate, Swap, PanicOnce:
		s.Edits = randomEdits(r, 1+r.IntN(12))
	case Outage:
		s.Edits = randomEdits(r, r.IntN(10))
	case RaceRemove, RaceAdd:
		s.Edits = randomEdits(r, 10+r.IntN(30))
	case EndStreams, CutStreams:
		s.Reason = pickReason(r, "", "", source.Expired, source.Internal, source.TooManyRequests)
	case FailLists:
		s.Reason = pickReason(r, source.Expired, source.TooLargeVersion, source.Internal, source.TooManyRequests)
	case FailWatches:
		s.Reason = pickReason(r, source.Expired, source.TooLargeVersion, source.Internal,
			source.TooManyRequests, source.Invalid, source.ServiceUnavailable)
	}
	return s
}

func pickReason(r *rand.Rand, reasons ...source.Reason) source.Reason {
	return reasons[r.IntN(len(reasons))]
}

// keys is the number of keys of a history: few, so that edits meet.
const keys = 12

func randomEdits(r *rand.Rand, n int) []Edit {
	edits := make([]Edit, n)
	for i := range edits {
		edits[i] = Edit{Key: r.IntN(keys), Delete: r.IntN(4) == 0, Recreate: r.IntN(12) == 0}
	}
	return edits
}
