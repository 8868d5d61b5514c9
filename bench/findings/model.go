package findings

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"informerlab/core/source"
	"informerlab/loadgen/recorded"
	"informerlab/loadgen/trace"
)

// A stream is what a recording has of one resource.
type stream struct {
	resource string
	times    []time.Duration // of its events, the initial list left out
	objects  int             // the most that there were at once
}

// recordedStreams returns the streams of the trace that comes with the lab, the
// largest first.
func recordedStreams() ([]stream, error) {
	r, err := trace.NewReader(recorded.Open(), recorded.Name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return readStreams(r)
}

func readStreams(r *trace.Reader) ([]stream, error) {
	streams := map[string]*stream{}
	alive := map[string]int{}
	var rec trace.Record
	err := r.Next(&rec)
	for ; err == nil; err = r.Next(&rec) {
		name := string(rec.Resource)
		s := streams[name]
		if s == nil {
			s = &stream{resource: name}
			streams[name] = s
		}
		switch rec.Type {
		case source.Bookmark:
			continue
		case source.Added:
			alive[name]++
			s.objects = max(s.objects, alive[name])
		case source.Deleted:
			alive[name]--
		}
		if !rec.Initial {
			s.times = append(s.times, time.Duration(rec.T))
		}
	}
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	var all []stream
	for _, name := range slices.Sorted(maps.Keys(streams)) {
		all = append(all, *streams[name])
	}
	slices.SortStableFunc(all, func(a, b stream) int { return len(b.times) - len(a.times) })
	return all, nil
}

// faster returns the stream of a cluster that is so many times as busy.
func (s stream) faster(times int) stream {
	fast := stream{resource: s.resource, objects: s.objects * times}
	for _, t := range s.times {
		fast.times = append(fast.times, t/time.Duration(times))
	}
	return fast
}

// A handler is one that takes a constant time for a call, and stops once, for
// one call, at the worst moment of a stream: where most events follow in that
// time.
type handler struct {
	call time.Duration
	stop time.Duration // 0 = it never stops
}

// worst returns the number of the event in whose call the handler stops, or -1.
func (h handler) worst(times []time.Duration) int {
	worst, most, end := -1, 0, 0
	for i, t := range times {
		if h.stop == 0 {
			break
		}
		for end < len(times) && times[end] <= t+h.stop {
			end++
		}
		if end-i > most {
			worst, most = i, end-i
		}
	}
	return worst
}

// ring plays the events to the handler and calls visit for each time in which
// nothing comes or goes, with what then waits in the ring of its listener. Of
// what has come and is not done, one is in the handler's hands and one in the
// pump's, as in client-go; what they take for themselves is nothing.
func (h handler) ring(times []time.Duration, visit func(from, to time.Duration, waiting int)) {
	stopAt := h.worst(times)
	ends := make([]time.Duration, len(times))
	free := time.Duration(0)
	for i, t := range times {
		took := h.call
		if i == stopAt {
			took = h.stop
		}
		free = max(free, t) + took
		ends[i] = free
	}
	var now time.Duration
	for came, done := 0, 0; done < len(times); {
		next := ends[done]
		comes := came < len(times) && times[came] < next
		if comes {
			next = times[came]
		}
		if next > now {
			visit(now, next, max(0, came-done-2))
			now = next
		}
		if comes {
			came++
		} else {
			done++
		}
	}
}

// peak returns the most that waits in the ring at once.
func (h handler) peak(times []time.Duration) (most int) {
	h.ring(times, func(_, _ time.Duration, waiting int) { most = max(most, waiting) })
	return most
}

// slotBytes is what a slot of client-go's ring takes: an interface value.
const slotBytes = 16

// grown returns the sizes that a ring had before each of its doublings on the way
// from its initial size to what holds a backlog, and the size that it then has.
// A ring without slots grows to 16, as in k8s.io/utils/buffer.
func grown(initial, backlog int) (doubled []int, slots int) {
	slots = initial
	for slots < backlog {
		doubled = append(doubled, slots)
		slots = cmp.Or(2*slots, 16)
	}
	return doubled, slots
}
