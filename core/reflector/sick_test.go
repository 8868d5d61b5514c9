package reflector_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/reflector"
	"informerlab/core/source"
)

// An answer is what a sick server does with a request.
type answer struct {
	err     error // refuse; errAnswersNothing = a nil answer
	pages   int   // of a list, one item each; 0 = one page
	pageErr error // of pages after the first
	sticky  bool  // the second page leads to itself
	// A stream sends its events, the bookmark of a streaming list among them if
	// it is finished, lives on for a time, and ends with an error event if
	// failed is set. Versions rise, or are random if it is unordered.
	events    int
	finished  bool
	life      time.Duration
	failed    bool
	failure   error
	unordered bool
}

var errAnswersNothing = errors.New("nothing")

var sickErrors = []error{
	errAnswersNothing, errors.New("broken"), io.EOF, io.ErrUnexpectedEOF, syscall.ECONNREFUSED, syscall.ECONNRESET,
	context.DeadlineExceeded, context.Canceled,
	&source.Error{Reason: source.TooManyRequests, RetryAfter: time.Millisecond},
	refusal(source.Expired), refusal(source.TooLargeVersion), refusal(source.TooManyRequests),
	refusal(source.Internal), refusal(source.Invalid), refusal(source.ServiceUnavailable),
	refusal(source.Timeout), refusal(source.ServerTimeout), refusal("Forbidden"),
}

func pick[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

func randomAnswer(r *rand.Rand, list bool) answer {
	const day = 24 * time.Hour
	switch {
	case r.IntN(3) == 0:
		return answer{err: pick(r, sickErrors...)}
	case list:
		return answer{pages: r.IntN(4), pageErr: pick(r, nil, pick(r, sickErrors...)), sticky: r.IntN(4) == 0}
	}
	return answer{
		events:   pick(r, 0, 0, 1, 3, 40),
		finished: r.IntN(3) == 0,
		life: pick(r, 0, 0, time.Millisecond, 300*time.Millisecond, time.Second-1, time.Second, 1500*time.Millisecond,
			40*time.Second, day),
		failed:    r.IntN(3) == 0,
		failure:   pick(r, nil, pick(r, sickErrors...)),
		unordered: r.IntN(4) == 0,
	}
}

// A sick source answers each request in one of few ways, and notes its time.
type sick struct {
	mu             sync.Mutex
	r              *rand.Rand
	lists, watches []answer
	version        int
	requests       []time.Time // pages after the first left out
	most           int         // requests that are answered; 0 = all, later ones hang
}

// request notes a request and returns the number of the answer to it.
func (s *sick) request(ctx context.Context, answers int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, time.Now())
	if s.most > 0 && len(s.requests) >= s.most {
		<-ctx.Done()
	}
	return s.r.IntN(answers)
}

// item returns an object at the next version, or at a random one.
func (s *sick) item(unordered bool) event.Object {
	s.version++
	version := s.version
	if unordered {
		version = 1 + s.r.IntN(1_000_000)
	}
	return item(fmt.Sprint("o", s.version%5), strconv.Itoa(version))
}

func (s *sick) List(ctx context.Context, o source.ListOptions) (*source.List, error) {
	number, page := 0, 1
	if o.Continue == "" {
		number = s.request(ctx, len(s.lists))
	} else if _, err := fmt.Sscanf(o.Continue, "%d/%d", &number, &page); err != nil {
		return nil, err
	}
	a := s.lists[number]
	err := a.err
	if page > 1 {
		err = a.pageErr
	}
	if err != nil {
		return nil, said(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := &source.List{ResourceVersion: strconv.Itoa(s.version + 1), Items: []event.Object{s.item(false)}}
	if page < a.pages {
		next := page + 1
		if a.sticky {
			next = 2
		}
		list.Continue = fmt.Sprintf("%d/%d", number, next)
	}
	return list, nil
}

// said returns what a source returns in place of an error.
func said(err error) error {
	if err == errAnswersNothing {
		return nil
	}
	return err
}

func (s *sick) Watch(ctx context.Context, o source.WatchOptions) (source.Watch, error) {
	a := s.watches[s.request(ctx, len(s.watches))]
	if a.err != nil {
		return nil, said(a.err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &sickStream{life: time.NewTimer(a.life), stopped: make(chan struct{})}
	for range a.events {
		w.events = append(w.events, source.Event{Type: source.Modified, Object: s.item(a.unordered)})
	}
	if a.finished && o.SendInitialEvents {
		w.events = append(w.events, source.Event{
			Type: source.Bookmark, Object: source.Version(strconv.Itoa(s.version)), InitialEventsEnd: true,
		})
	}
	if a.failed {
		w.last = []source.Event{{Type: source.Failed, Err: a.failure}}
	}
	context.AfterFunc(ctx, w.Stop)
	return w, nil
}

type sickStream struct {
	events, last []source.Event
	life         *time.Timer
	stopped      chan struct{}
	once         sync.Once
}

func (w *sickStream) Stop() { w.once.Do(func() { close(w.stopped) }) }

func (w *sickStream) Next(dst []source.Event) int {
	if len(w.events) == 0 {
		select {
		case <-w.life.C:
			w.life.Reset(0)
		case <-w.stopped:
			return 0
		}
		w.events, w.last = w.last, nil
	}
	n := copy(dst, w.events)
	w.events = w.events[n:]
	return n
}

// crowded returns the first span of time with more requests than are allowed in
// one: 10, and one per second.
func crowded(requests []time.Time) string {
	// With request i at t(i) there may be no i < j with
	// j - i + 1 > 10 + t(j) - t(i): compare i - t(i), which must not grow by 10.
	least, from := 0.0, 0
	for j, at := range requests {
		since := at.Sub(requests[0]).Seconds()
		x := float64(j) - since
		if x < least {
			least, from = x, j
		}
		if x-least > 9+1e-6 {
			return fmt.Sprintf("%d requests in %v", j-from+1, at.Sub(requests[from]))
		}
	}
	return ""
}

// TestSickServers: whatever a server does, it gets at most 10 requests at once
// and one per second from then on, in every span of time
// (kubernetes/kubernetes#140890, jupyterhub/kubespawner#920).
func TestSickServers(t *testing.T) {
	total := 0
	seeds := uint64(200)
	if testing.Short() {
		seeds = 50
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 0))
		src := &sick{r: rand.New(rand.NewPCG(seed, 1))}
		for range 1 + r.IntN(3) {
			src.watches = append(src.watches, randomAnswer(r, false))
		}
		for range 1 + r.IntN(2) {
			src.lists = append(src.lists, randomAnswer(r, true))
		}
		jitter := pick(r, func() float64 { return 0 }, rand.New(rand.NewPCG(seed, 2)).Float64)
		o := reflector.Options{
			ClassicList: r.IntN(2) == 0, Rand: jitter,
			MaxInternalErrorRetry: pick(r, 0, time.Hour),
			Resync:                pick(r, 0, 3*time.Second),
			BookmarkTimeout:       pick(r, 0, 0, -1, time.Millisecond),
		}
		tell(t, source.ServerOptions{}, func(s *story) {
			s.source = src
			for _, method := range []string{"Add", "Replace", "Resync"} {
				if r.IntN(6) == 0 {
					s.store.fail(method, errors.New("full"))
				}
			}
			s.run(o)
			s.pass(20 * time.Minute)
		})
		total += len(src.requests)
		if found := crowded(src.requests); found != "" {
			t.Fatalf("seed %d: %s: lists %+v, watches %+v, options %+v", seed, found, src.lists, src.watches, o)
		}
	}
	t.Logf("%d requests", total)
}

// TestFaithfulHammers: client-go asks these servers again at once, without end,
// so the check above can fail.
func TestFaithfulHammers(t *testing.T) {
	for name, test := range map[string]struct {
		watch answer
		o     reflector.Options
	}{
		"streaming list without bookmark": {answer{events: 1}, reflector.Options{}},
		"stream with an event":            {answer{events: 1}, classic},
		"internal errors": {
			answer{failed: true, failure: refusal(source.Internal)},
			reflector.Options{ClassicList: true, MaxInternalErrorRetry: time.Hour}},
		"streaming list refused as expired": {answer{err: refusal(source.Expired)}, reflector.Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, faithful := range []bool{true, false} {
				src := &sick{
					r: rand.New(rand.NewPCG(1, 1)), most: 1000,
					lists: []answer{{}}, watches: []answer{test.watch},
				}
				tell(t, source.ServerOptions{}, func(s *story) {
					s.source = src
					test.o.Faithful = faithful
					s.run(test.o)
					s.pass(time.Minute)
				})
				if faithful {
					require.Len(t, src.requests, 1000)
					assert.Equal(t, src.requests[0], src.requests[999])
					assert.NotEmpty(t, crowded(src.requests))
				} else {
					assert.Less(t, len(src.requests), 30)
				}
			}
		})
	}
}

// TestManyPagesAreOneRequest: a large list is not slowed down.
func TestManyPagesAreOneRequest(t *testing.T) {
	tell(t, source.ServerOptions{Uncached: true}, func(s *story) {
		for i := range 300 {
			s.put(fmt.Sprintf("%03d", i))
		}
		s.run(reflector.Options{ClassicList: true, PageSize: 1})
		synctest.Wait()
		requests := s.requests()
		assert.Len(t, requests, 301)
		assert.Equal(t, `0s watch "301"`, requests[300])
	})
}
