package reflector_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"informerlab/core/event"
	"informerlab/core/reflector"
	"informerlab/core/source"
)

// TestRandomFaults: after any sequence of faults, once the server is well
// again, the store equals it. A failure prints its seed and its schedule.
func TestRandomFaults(t *testing.T) {
	testRandomFaults(t, false)
}

// TestRandomRestores: the same if the server is replaced by one whose versions
// are far lower, again and again.
func TestRandomRestores(t *testing.T) {
	testRandomFaults(t, true)
}

func testRandomFaults(t *testing.T, restores bool) {
	for seed := range uint64(200) {
		var schedule []string
		r := rand.New(rand.NewPCG(seed, 0))
		so := source.ServerOptions{
			Streaming:     []source.Streaming{source.StreamingServed, source.StreamingInvalid}[r.IntN(2)],
			Uncached:      r.IntN(2) == 0,
			BookmarkEvery: r.IntN(4),
		}
		o := reflector.Options{
			ClassicList:           r.IntN(2) == 0,
			PageSize:              int64(r.IntN(3) * 2),
			Resync:                time.Duration(r.IntN(2)) * 7 * time.Second,
			MaxInternalErrorRetry: time.Duration(r.IntN(2)) * time.Minute,
			BookmarkTimeout:       time.Duration(r.IntN(3)-1) * 3 * time.Second,
			Faithful:              r.IntN(4) == 0 && !restores,
			// Its own generator: it runs beside the test's.
			Rand: rand.New(rand.NewPCG(seed, 1)).Float64,
		}
		tell(t, so, func(s *story) {
			started := r.IntN(20)
			if restores {
				s.restore(so, 9)
			}
			for step := range 60 {
				if step == started {
					s.run(o)
				}
				at, act := time.Since(s.start), s.change
				switch {
				case restores && step%10 == 9:
					act = func(*rand.Rand) string { return s.restore(so, 8-step/10) }
				case r.IntN(3) == 0:
					act = s.server.Misbehave
				}
				schedule = append(schedule, fmt.Sprintf("%v %s", at, act(r)))
				if r.IntN(2) == 0 {
					synctest.Wait()
				}
				if r.IntN(3) == 0 {
					time.Sleep(time.Duration(r.Int64N(int64(3 * time.Second))))
				}
			}
			s.server.Heal()
			s.pass(5 * time.Minute)
			if restores {
				s.pass(20 * time.Minute) // of an idle server it is noticed late
			}
			if !assert.Equal(t, versions(s.server.Objects()), s.store.versions(), "seed %d", seed) {
				for _, line := range schedule {
					t.Log(line)
				}
			}
		})
		if t.Failed() {
			return
		}
	}
}

// change makes one random change at the server.
func (s *story) change(r *rand.Rand) string {
	name := string(rune('a' + r.IntN(8)))
	if r.IntN(3) == 0 {
		if _, err := s.server.Delete(event.Key{Name: name}); err == nil {
			return "delete " + name
		}
	}
	if _, err := s.server.Update(&source.Item{Name: name}); err == nil {
		return "update " + name
	}
	_, err := s.server.Create(&source.Item{Name: name})
	assert.NoError(s.t, err)
	return "create " + name
}

// restore replaces the server by one with few objects, at a version that it does
// not reach with another generation's.
func (s *story) restore(so source.ServerOptions, generation int) string {
	s.server = source.NewServer(so)
	for i := range generation {
		version := fmt.Sprint(1000*generation + i)
		_, err := s.server.Create(&source.Item{Name: string(rune('a' + i)), ResourceVersion: version})
		assert.NoError(s.t, err)
	}
	if s.source == nil {
		s.source = &restored{}
	}
	s.source.(*restored).use(s.server)
	return fmt.Sprintf("restore generation %d", generation)
}
