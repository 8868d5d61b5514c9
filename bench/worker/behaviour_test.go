package worker_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/worker"
	"informerlab/core/event"
	"informerlab/core/processor"
	"informerlab/loadgen"
)

// Every contestant passes the checks of every way in which handlers and sources
// behave, as far as it makes sense for it.
func TestBehaviours(t *testing.T) {
	for _, spec := range []string{
		"reference", "ring", "chunked", "spsc", "coalescing", "null", "direct",
		"bounded:drop-oldest,cap=64", "bounded:drop-newest,cap=64", "bounded:block,cap=16",
	} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel() // runs mostly wait: for backoffs, pauses after panics, their load
			c := ours(t, spec)
			for _, label := range []string{
				"steady:rate=20000,events=2000,keys=50,listeners=3,slow=1,cost=20us,costs=pareto",
				"steady:rate=20000,events=2000,keys=50,cost=10us,work=spin",
				"steady:rate=20000,events=2000,keys=50,listeners=2,stalled=1,stall=20ms",
				"steady:rate=20000,events=2000,keys=50,visitors=200,stay=10ms,churn=10",
				"steady:rate=20000,events=2000,keys=50,visitors=100,grow=10,shrink=10",
				"steady:rate=20000,events=2000,keys=50,workers=4,cost=10us,churn=20",
				"steady:rate=20000,events=2000,keys=50,panics=0.05",
				"steady:rate=20000,events=2000,keys=50,objects=fresh,size=100,sigma=0.5,churn=20",
				"saturate:listeners=2,events=3000,keys=50,relists=1,gap=20,churn=20",
				"saturate:listeners=2,events=3000,keys=50,relists=1,objects=fresh",
				"burst:seconds=0.1,keys=50", "cluster", "hotkey:seconds=0.1,cost=0s",
				"replay:speed=max,objects=fresh,trace=../../loadgen/testdata/small.ndjson",
			} {
				w, err := loadgen.ParseWorkload(label)
				require.NoError(t, err)
				if worker.Fits(c.Traits, w) != nil {
					continue
				}
				if label == "cluster" && spec != "reference" {
					continue // it takes its time, and is nothing new to the others
				}
				result, err := prepared(t, c, label).Run()
				require.NoError(t, err, label)
				assert.NotZero(t, result.Store)
				assert.Positive(t, result.GeneratorNS)
				assert.Equal(t, w.Workers > 0, result.Reconciles > 0, label)
			}
		})
	}
}

// A handler that stops for a time is timed like the others.
func TestStallForATime(t *testing.T) {
	label := "steady:rate=2000,events=400,keys=20,listeners=1,stalled=1,stall=100ms"
	result, err := prepared(t, ours(t, "ring"), label).Run()
	require.NoError(t, err)
	assert.Nil(t, result.Stall)
	assert.EqualValues(t, 401, result.Latency.Count)
	assert.GreaterOrEqual(t, result.Latency.Max, int64(99*time.Millisecond))
}

func TestResyncsAreSeen(t *testing.T) {
	label := "steady:rate=500,seconds=2.5,keys=20,resync=1s"
	result, err := prepared(t, ours(t, "ring"), label).Run()
	require.NoError(t, err)
	assert.Greater(t, result.Calls, 20+1251, "all events and what is told again")
	_, err = prepared(t, altered(ours(t, "ring"), func(p worker.Pipeline) worker.Pipeline { return unsynced{p} }),
		label).Run()
	assert.ErrorContains(t, err, "no resync in")
}

// altered returns a contestant whose pipelines are wrapped.
func altered(c worker.Contestant, wrap func(worker.Pipeline) worker.Pipeline) worker.Contestant {
	build := c.New
	c.New = func(ctx context.Context, load *loadgen.Load) (worker.Pipeline, error) {
		p, err := build(ctx, load)
		return wrap(p), err
	}
	return c
}

// unsynced never resyncs.
type unsynced struct{ worker.Pipeline }

func (u unsynced) AddHandler(r *loadgen.Recorder, _ time.Duration) error {
	return u.Pipeline.AddHandler(r, 0)
}

// refusing takes one handler and no more.
type refusing struct {
	worker.Pipeline
	handlers int
}

func (p *refusing) AddHandler(r *loadgen.Recorder, resync time.Duration) error {
	if p.handlers++; p.handlers > 1 {
		return errors.New("full")
	}
	return p.Pipeline.AddHandler(r, resync)
}

func TestRefusedHandlerIsAnError(t *testing.T) {
	_, err := prepared(t, altered(ours(t, "ring"), func(p worker.Pipeline) worker.Pipeline {
		return &refusing{Pipeline: p}
	}), "saturate:listeners=3,events=10").Run()
	assert.ErrorContains(t, err, "objects: add handler: full")
}

// outdated has a cache that looks older than it is to those who look up a key.
type outdated struct{ worker.Pipeline }

func (outdated) Get(event.Key) (m loadgen.Mark, held bool) { return m, false }

// miscounting forgets a call in the account of the handlers that came late.
type miscounting struct{ worker.Pipeline }

func (m miscounting) Accounts() []processor.Stats {
	accounts := m.Pipeline.Accounts()
	for i := range accounts[1:] {
		accounts[1+i].Handled--
		accounts[1+i].Routed--
	}
	return accounts
}

// deaf tells handlers that come late nothing.
type deaf struct {
	worker.Pipeline
	handlers int
	stranger func() *loadgen.Recorder // who hears instead of them
}

func (d *deaf) AddHandler(r *loadgen.Recorder, resync time.Duration) error {
	if d.handlers++; d.handlers > 1 {
		r = d.stranger()
	}
	return d.Pipeline.AddHandler(r, resync)
}

func TestBehavioursAreChecked(t *testing.T) {
	ring := ours(t, "ring")
	for want, c := range map[string]struct {
		label string
		wrap  func(worker.Pipeline) worker.Pipeline
	}{
		"worker: controller: saw object 0 of ": {"steady:events=400,keys=20,workers=2",
			func(p worker.Pipeline) worker.Pipeline { return outdated{p} }},
		"visitor 1: worker: account": {"steady:events=2000,keys=20,visitors=100",
			func(p worker.Pipeline) worker.Pipeline { return miscounting{p} }},
	} {
		_, err := prepared(t, altered(ring, c.wrap), c.label).Run()
		assert.ErrorContains(t, err, want, c.label)
	}
	w, err := loadgen.ParseWorkload("steady:events=2000,keys=20,visitors=100")
	require.NoError(t, err)
	loads, err := w.Loads()
	require.NoError(t, err)
	expect := loads[0].Expect()
	stranger := func() *loadgen.Recorder { return w.NewVisitor(loadgen.Handling{Expect: expect}) }
	synctest.Test(t, func(t *testing.T) { // it waits for what never comes
		_, err = prepared(t, altered(ring, func(p worker.Pipeline) worker.Pipeline {
			return &deaf{Pipeline: p, stranger: stranger}
		}), w.String()).Run()
		assert.ErrorContains(t, err, "had not been told of all events")
	})
}
