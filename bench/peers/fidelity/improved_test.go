package fidelity

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"informerlab/core/event"
	"informerlab/core/source"
)

// With its improvements on, our informer does not decide as client-go does. But
// after any history, once the server is well again, its cache and what each
// handler was called with have reached the server's state.
func TestImprovedConverges(t *testing.T) {
	for i := range *histories / 4 {
		h := RandomHistory(*firstSeed + i)
		synctest.Test(t, func(t *testing.T) {
			require.NoError(t, converge(h, newImproved(nil)), "%s", h)
		})
		if t.Failed() {
			return
		}
	}
}

// The improvements are switched off in the comparison with client-go for a
// reason: with them on it finds differences.
func TestImprovementsAreDifferences(t *testing.T) {
	for i := range uint64(200) {
		if verdict(t, RandomHistory(1+i), [2]maker{newImproved(nil), newTheirs}) != nil {
			return
		}
	}
	t.Error("200 histories show no difference")
}

// An informer that misses deletions of one object is caught.
func TestConvergenceCanFail(t *testing.T) {
	deaf := func(s source.Source, h *History) (pipeline, error) { return newImproved(nil)(mute{s}, h) }
	caught := 0
	for i := range min(*histories, 200) {
		synctest.Test(t, func(*testing.T) {
			if converge(RandomHistory(*firstSeed+i), deaf) != nil {
				caught++
			}
		})
	}
	require.Positive(t, caught)
}

// converge plays a history, both sides alike, and returns what differs from the
// server at its end.
func converge(h *History, side maker) error {
	r, err := newRig(h, [2]maker{side, side})
	if err != nil {
		return err
	}
	errs := []error{r.steps()}
	for _, a := range r.arms {
		a.gate.setOpen(true)
	}
	r.each((*source.Server).Heal)
	for _, handler := range r.handlers {
		if handler.stalled {
			r.resume(handler)
		}
	}
	for range 20 { // rounds of a reflector that lists in pages, waits and watches
		r.tick()
	}
	for i, a := range r.arms {
		want := map[event.Key]string{}
		for _, o := range a.server.Objects() {
			want[event.KeyOf(o)] = h.Rewrite.apply(o.(*object)).ResourceVersion
		}
		if got := a.pipeline.cached(); !maps.Equal(want, got) {
			errs = append(errs, fmt.Errorf("cache of side %d: expected %v, found %v", i, want, got))
		}
		for _, handler := range r.handlers {
			if got := r.view(handler, i); !handler.removed && !maps.Equal(want, got) {
				errs = append(errs, fmt.Errorf("handler %d of side %d: expected %v, found %v",
					handler.number, i, want, got))
			}
		}
		a.cancel()
		<-a.done
	}
	return errors.Join(errs...)
}

// view returns the versions of the objects that exist for a handler, by what it
// was called with on one side.
func (r *rig) view(h *handler, side int) map[event.Key]string {
	view := map[event.Key]string{}
	for _, take := range r.recording.Takes {
		if take.Handler != h.number {
			continue
		}
		for _, c := range take.Calls[side] {
			if c.Kind == event.Delete {
				delete(view, c.Key)
			} else {
				view[c.Key] = c.New
			}
		}
	}
	return view
}
