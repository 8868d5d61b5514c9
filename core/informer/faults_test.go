package informer_test

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"informerlab/core/informer"
	"informerlab/core/source"
)

// long is more than any wait of a reflector: its backoff ends below a minute,
// and a hint or a delayed answer adds some.
const long = 10 * time.Minute

// faults are orders to the server, each of which an informer must survive.
var faults = []struct {
	name  string
	order func(s *source.Server)
}{
	{"streams closed", (*source.Server).Disconnect},
	{"streams ended: expired", ends(refusal(source.Expired))},
	{"streams ended: too large version", ends(refusal(source.TooLargeVersion))},
	{"streams ended: internal error", ends(refusal(source.Internal))},
	{"streams ended: too many requests", ends(&source.Error{
		Reason: source.TooManyRequests, RetryAfter: 90 * time.Second,
	})},
	{"streams ended: unexpected end", ends(io.ErrUnexpectedEOF)},
	{"versions compacted", func(s *source.Server) {
		s.Compact()
		s.Disconnect()
	}},
	{"versions compacted during an outage", func(s *source.Server) {
		s.NextWatches(1, source.Fault{Delay: time.Minute})
		s.Disconnect()
		time.AfterFunc(time.Second, s.Compact)
	}},
	{"watches refused: connection refused", watches(3, source.Fault{Err: syscall.ECONNREFUSED})},
	{"watches refused: too many requests", watches(3, source.Fault{Err: refusal(source.TooManyRequests)})},
	{"watches refused: internal error", watches(3, source.Fault{Err: refusal(source.Internal)})},
	{"watches refused: expired", watches(3, source.Fault{Err: refusal(source.Expired)})},
	{"watches refused: invalid", watches(3, source.Fault{Err: refusal(source.Invalid)})},
	{"watches delayed", watches(2, source.Fault{Delay: time.Minute})},
	{"watches hanging until healed", watches(1, source.Fault{Hang: true})},
	{"streams cut at once", watches(3, source.Fault{Cut: true})},
	{"streams cut after an event", watches(3, source.Fault{Cut: true, CutAfter: 1})},
	{"streams cut with an error", watches(3, source.Fault{
		Cut: true, CutAfter: 2, CutErr: refusal(source.Internal),
	})},
	{"lists refused: internal error", lists(source.Fault{Err: refusal(source.Internal)})},
	{"lists refused: expired", lists(source.Fault{Err: refusal(source.Expired)})},
	{"lists refused: too large version", lists(source.Fault{Err: refusal(source.TooLargeVersion)})},
	{"lists refused: too many requests", lists(source.Fault{Err: refusal(source.TooManyRequests)})},
	{"lists refused: connection refused", lists(source.Fault{Err: syscall.ECONNREFUSED})},
	{"lists delayed", lists(source.Fault{Delay: time.Minute})},
	{"the cache of the server lags", func(s *source.Server) {
		s.SetLag(3)
		s.EndStreams(refusal(source.Expired))
	}},
	{"bookmarks held", func(s *source.Server) {
		s.HoldBookmarks(true)
		s.EndStreams(refusal(source.Expired))
	}},
	{"bookmarks sent", (*source.Server).SendBookmarks},
	{"events duplicated", func(s *source.Server) { s.DuplicateNext(5) }},
	{"events of different keys swapped", func(s *source.Server) { s.SwapNext(5) }},
}

func refusal(why source.Reason) error { return &source.Error{Reason: why, Message: "ordered"} }

func ends(err error) func(*source.Server) {
	return func(s *source.Server) { s.EndStreams(err) }
}

func watches(n int, f source.Fault) func(*source.Server) {
	return func(s *source.Server) {
		s.NextWatches(n, f)
		s.Disconnect()
	}
}

// lists makes the fault meet the next plain lists, and refuses a streaming one
// so that there is a plain one.
func lists(f source.Fault) func(*source.Server) {
	return func(s *source.Server) {
		s.NextWatches(2, source.Fault{Err: refusal(source.Invalid)})
		s.NextLists(3, f)
		s.Disconnect()
	}
}

// After each fault, met in the middle of changes, the cache equals the server
// and every handler's view equals the cache.
func TestFaults(t *testing.T) {
	var stories []story
	for _, f := range faults {
		stories = append(stories, story{f.name, func(s *stage) {
			s.open(informer.Options{Resync: 45 * time.Second})
			s.cast(informer.HandlerOptions{})
			s.cast(every(0))
			s.put("a", "b", "c")
			s.start()
			f.order(s.server)
			s.put("a", "d")
			s.remove("b")
			s.cast(informer.HandlerOptions{})
			pass(5 * time.Second)
			s.put("b", "c")
			s.remove("a")
			pass(time.Minute)
			s.put("a")
			s.server.Heal()
			pass(long)
			s.converged()
			s.put("e")
			s.converged()
		}})
	}
	tell(t, stories)
}

// A fault at the very beginning, when there is nothing to fall back to.
func TestFaultsAtTheStart(t *testing.T) {
	var stories []story
	for _, f := range faults {
		stories = append(stories, story{f.name, func(s *stage) {
			s.put("a", "b")
			f.order(s.server)
			s.cast(informer.HandlerOptions{})
			s.start()
			s.put("a", "c")
			s.remove("b")
			pass(long)
			s.server.Heal()
			pass(long)
			s.converged()
		}})
	}
	tell(t, stories)
}

var schedules = flag.Int("schedules", 200, "number of random fault schedules")

// Seeded schedules of changes, faults, joins and removals, in all worlds in
// turn. The seed and what was done come with a failure.
func TestRandomFaults(t *testing.T) {
	for seed := range uint64(*schedules) {
		w := worlds[seed%uint64(len(worlds))]
		t.Run(fmt.Sprintf("seed=%d/%s", seed, w.name), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, w)
				defer s.stop()
				history := s.misbehave(seed)
				t.Cleanup(func() {
					if t.Failed() {
						t.Logf("seed %d:\n%s", seed, strings.Join(history, "\n"))
					}
				})
				s.server.Heal()
				pass(long)
				s.converged()
				s.put("after")
				s.converged()
				s.close()
			})
		})
	}
}

// streaming are the servers to which a reflector can get. One that starts a
// streaming initial list and never ends it keeps it waiting, as it does with
// client-go (kubernetes/kubernetes#129408).
var streaming = []source.Streaming{source.StreamingServed, source.StreamingInvalid, source.StreamingRefused}

// misbehave plays one schedule and returns what it did.
func (s *stage) misbehave(seed uint64) (history []string) {
	r := rand.New(rand.NewPCG(seed, 2))
	began := time.Now()
	do := func(format string, args ...any) {
		history = append(history, fmt.Sprintf("%8s  ", time.Since(began))+fmt.Sprintf(format, args...))
	}
	s.server = source.NewServer(source.ServerOptions{
		Streaming:     streaming[r.IntN(len(streaming))],
		Uncached:      r.IntN(4) == 0,
		BookmarkEvery: r.IntN(10),
	})
	s.open(informer.Options{
		Resync:   time.Duration(r.IntN(3)) * 30 * time.Second,
		PageSize: int64(r.IntN(3)) * 2,
	})
	s.cast(informer.HandlerOptions{})
	s.cast(every(0))
	names := []string{"a", "b", "c", "d", "e", "f"}
	for range r.IntN(6) {
		s.put(names[r.IntN(len(names))])
	}
	if r.IntN(3) == 0 {
		do("%s", s.server.Misbehave(r))
	}
	s.start()
	for range 40 {
		name := names[r.IntN(len(names))]
		switch op := r.IntN(20); {
		case op < 8:
			do("put %s", name)
			s.put(name)
		case op < 10:
			if o := s.server.Objects(); len(o) > 0 {
				gone := o[r.IntN(len(o))].GetName()
				do("remove %s", gone)
				s.remove(gone)
			}
		case op < 14:
			do("%s", s.server.Misbehave(r))
		case op < 15:
			do("join")
			s.cast(every(time.Duration(r.IntN(3)) * 30 * time.Second))
		case op < 16:
			leaving := s.actors[r.IntN(len(s.actors))]
			do("leave")
			leaving.left = true
			s.informer.RemoveHandler(leaving.reg)
		case op < 19:
			d := time.Duration(r.Int64N(int64(5 * time.Second)))
			do("wait %s", d)
			time.Sleep(d)
		default:
			synctest.Wait()
		}
	}
	require.NotEmpty(s, history)
	return history
}
