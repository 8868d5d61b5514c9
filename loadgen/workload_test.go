package loadgen

import (
	"cmp"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseWorkload(t *testing.T) {
	for label, want := range map[string]struct{ canonical, bench string }{
		"saturate":             {"saturate:listeners=1", "workload=saturate/listeners=1"},
		"saturate:listeners=8": {"saturate:listeners=8", "workload=saturate/listeners=8"},
		"saturate:keys=5,listeners=064": {
			"saturate:listeners=64,keys=5",
			"workload=saturate/listeners=64/keys=5",
		},
		"saturate:keys=1000":   {"saturate:listeners=1", "workload=saturate/listeners=1"},
		"saturate:events=auto": {"saturate:listeners=1", "workload=saturate/listeners=1"},
		"saturate:listeners=0,churn=10": {
			"saturate:listeners=0,churn=10",
			"workload=saturate/listeners=0/churn=10",
		},
		"steady": {
			"steady:rate=20000,listeners=1", "workload=steady/rate=20000/listeners=1",
		},
		"steady:rate=0.5,size=100,seed=9": {
			"steady:rate=0.5,listeners=1,size=100,seed=9",
			"workload=steady/rate=0.5/listeners=1/size=100/seed=9",
		},
		"stall":           {"stall:stalled=1", "workload=stall/stalled=1"},
		"stall:stalled=0": {"stall:stalled=0", "workload=stall/stalled=0"},
		"freeze":          {"freeze:stalled=1", "workload=freeze/stalled=1"},
		"freeze:prefill=5,rate=2,seconds=0.5": {
			"freeze:stalled=1,prefill=5,rate=2,seconds=0.5",
			"workload=freeze/stalled=1/prefill=5/rate=2/seconds=0.5",
		},
		"replay":           {"replay:speed=100", "workload=replay/speed=100"},
		"replay:speed=0":   {"replay:speed=max", "workload=replay/speed=max"},
		"replay:speed=max": {"replay:speed=max", "workload=replay/speed=max"},
		"replay:speed=1e2": {"replay:speed=100", "workload=replay/speed=100"},
		"replay:trace=/my dir/ä%b.ndjson": {
			"replay:speed=100,trace=/my dir/ä%b.ndjson",
			"workload=replay/speed=100/trace=_%b.ndjson",
		},
	} {
		w, err := ParseWorkload(label)
		require.NoError(t, err, label)
		assert.Equal(t, want.canonical, w.String(), label)
		assert.Equal(t, want.bench, w.BenchName(), label)
		again, err := ParseWorkload(w.String())
		require.NoError(t, err)
		assert.Equal(t, w, again)
		assert.True(t, w == again, "workloads are comparable")
	}
}

func TestParseWorkloadSaysWhatItExpects(t *testing.T) {
	for _, tc := range []struct{ label, want string }{
		{"", `unknown workload "": expected one of saturate, steady, stall, freeze, replay`},
		{"saturated", `unknown workload "saturated": expected one of saturate, steady, stall, freeze, replay`},
		{"Saturate", `unknown workload "Saturate"`},
		{" saturate", `unknown workload " saturate"`},
		{"saturate listeners=1", `unknown workload "saturate listeners=1"`},
		{
			"saturate:",
			`workload saturate: unknown option "": expected one of listeners, keys, events, churn`,
		},
		{"saturate:rate=5", `workload saturate: unknown option "rate": expected one of listeners, keys`},
		{
			"saturate:listeners",
			`workload saturate: option listeners has no value: expected a whole number from 0 to 4096`,
		},
		{"saturate:listeners=", `workload saturate: listeners=: expected a whole number from 0 to 4096`},
		{
			"saturate:listeners=-1",
			`workload saturate: listeners=-1: expected a whole number from 0 to 4096`,
		},
		{"saturate:listeners=4097", `listeners=4097: expected a whole number from 0 to 4096`},
		{"saturate:listeners=eight", `listeners=eight: expected a whole number`},
		{"saturate:listeners=1.5", `listeners=1.5: expected a whole number`},
		{"saturate:listeners=1e3", `listeners=1e3: expected a whole number`},
		{"saturate:keys=0", `keys=0: expected a whole number from 1 to 10000000`},
		{"saturate:keys=1,keys=2", `option keys is given twice: expected once`},
		{"saturate:keys=1,,", `unknown option ""`},
		{"saturate:events=-5", `events=-5: expected a whole number from 1 to 100000000, or auto`},
		{
			"saturate:events=99999999999999",
			`events=99999999999999: expected a whole number from 1 to 100000000, or auto`,
		},
		{"saturate:size=-1", `size=-1: expected a whole number from 0 to 1048576`},
		{"saturate:churn=101", `churn=101: expected a percentage from 0 to 100`},
		{"saturate:seed=-1", `seed=-1: expected a whole number from 0`},
		{"saturate:seed=x", `seed=x: expected a whole number from 0`},
		{"steady:rate=0", `workload steady: rate=0: expected a number above 0 and up to 10000000`},
		{"steady:rate=-5", `rate=-5: expected a number above 0`},
		{"steady:rate=NaN", `rate=NaN: expected a number above 0`},
		{"steady:rate=Inf", `rate=Inf: expected a number above 0`},
		{
			"steady:listeners=0",
			`workload steady: listeners=0: expected at least one, whose latency is measured`,
		},
		{"stall:stalled=2", `workload stall: stalled=2 of listeners=2: expected at least one that runs`},
		{"stall:listeners=0", `stalled=1 of listeners=0: expected at least one that runs`},
		{"freeze:stalled=2", `workload freeze: stalled=2 of listeners=2: expected at least one that runs`},
		{"freeze:seconds=0", `seconds=0: expected a number above 0 and up to 3600`},
		{"freeze:prefill=-1", `prefill=-1: expected a whole number from 0 to 100000000`},
		{
			"freeze:prefill=99000000,rate=1000000,seconds=2",
			`workload freeze: 101000000 events in all: expected at most 100000000`,
		},
		{
			"replay:speed=fast",
			`workload replay: speed=fast: expected a number above 0 and up to 1000000, or max`,
		},
		{"replay:speed=-1", `speed=-1: expected a number above 0 and up to 1000000, or max`},
		{"replay:keys=5", `unknown option "keys": expected one of speed, listeners, trace`},
		{"replay:trace=", `trace=: expected the path of a trace`},
	} {
		w, err := ParseWorkload(tc.label)
		require.ErrorContains(t, err, tc.want, "%q", tc.label)
		assert.True(t, strings.HasPrefix(err.Error(), "loadgen: "), err)
		assert.NotContains(t, err.Error(), "\n")
		assert.Zero(t, w)
	}
}

func TestWorkloadsAreComplete(t *testing.T) {
	var names []string
	for _, w := range Workloads() {
		names = append(names, w.Name)
		assert.NotEmpty(t, w.Summary)
		parsed, err := ParseWorkload(w.Name)
		require.NoError(t, err)
		assert.Equal(t, w, parsed)
		for _, o := range w.Options() {
			assert.NotEmpty(t, o.Expected)
			if o.Value != "" {
				_, err := ParseWorkload(w.Name + ":" + o.Name + "=" + o.Value)
				assert.NoError(t, err, "the default is a value")
			}
		}
	}
	assert.Equal(t, []string{"saturate", "steady", "stall", "freeze", "replay"}, names)
}

func TestWorkloadAsText(t *testing.T) {
	w, err := ParseWorkload("steady:rate=500")
	require.NoError(t, err)
	text, err := json.Marshal(map[string]Workload{"workload": w})
	require.NoError(t, err)
	assert.JSONEq(t, `{"workload":"steady:rate=500,listeners=1"}`, string(text))
	var back map[string]Workload
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, w, back["workload"])
	assert.ErrorContains(t, json.Unmarshal([]byte(`{"workload":"x"}`), &back), "unknown workload")
}

func TestWorkloadLoads(t *testing.T) {
	for label, loads := range map[string]int{
		"freeze:prefill=50,rate=50": 1,
		"saturate:events=100":       1, "steady:rate=100": 1, "stall:events=100,keys=5": 1, "replay:speed=max": 13,
		"saturate:events=1000,churn=100,size=10": 1, "replay:trace=testdata/small.ndjson": 2,
	} {
		w, err := ParseWorkload(label)
		require.NoError(t, err)
		built, err := w.Loads()
		require.NoError(t, err)
		assert.Len(t, built, loads)
		for _, load := range built {
			assert.Equal(t, w.Open(), load.Due != nil, label)
		}
		if w.Rate > 0 {
			assert.Equal(t, time.Duration(cmp.Or(w.Seconds, 2)*float64(time.Second)), built[0].Duration())
			assert.Equal(t, w.Prefill, built[0].Prefill)
			assert.Len(t, built[0].Due, built[0].Len()-w.Prefill)
		}
	}
}

func TestWorkloadLoadsFails(t *testing.T) {
	_, err := Workload{}.Loads()
	assert.ErrorContains(t, err, `workload "": expected one of the catalogue`)
	w, err := ParseWorkload("replay:trace=testdata/none")
	require.NoError(t, err)
	_, err = w.Loads()
	assert.ErrorContains(t, err, "loadgen: replay: open testdata/none:")
	bad := filepath.Join("testdata", "bad", "unknown-type.ndjson")
	w, err = ParseWorkload("replay:trace=" + bad)
	require.NoError(t, err)
	_, err = w.Loads()
	assert.ErrorContains(t, err, bad+":4: found type")
	assert.Empty(t, Workload{}.String())
	assert.Empty(t, Workload{}.Options())
}

func TestWorkloadEventCount(t *testing.T) {
	for label, want := range map[string]int{
		"saturate":              200_000,
		"saturate:listeners=0":  400_000,
		"saturate:listeners=8":  80_000,
		"saturate:listeners=64": 80_000,
		"saturate:events=7":     7,
		"steady":                40_000,
		"steady:rate=0.1":       1,
		"stall":                 1_000_000,
		"freeze":                4_300_000,
	} {
		w, err := ParseWorkload(label)
		require.NoError(t, err)
		assert.Equal(t, want, w.EventCount(), label)
	}
}

func TestWorkloadRecorders(t *testing.T) {
	w, err := ParseWorkload("stall:listeners=3,stalled=2,events=10,keys=2")
	require.NoError(t, err)
	loads, err := w.Loads()
	require.NoError(t, err)
	expect := loads[0].Expect()
	recorders := w.NewRecorders(expect, false)
	require.Len(t, recorders, 3)
	calls, _ := naiveCalls(loads[0])
	for _, call := range calls {
		call(recorders[2])
	}
	assert.NoError(t, recorders[2].Check())
	for _, r := range recorders[:2] {
		go func() {
			for _, call := range calls {
				call(r)
			}
		}()
		<-r.Stalled()
		r.Unstall()
		<-r.Done()
	}
}

func TestWorkloadTimesTheSameHandlersInItsControl(t *testing.T) {
	for label, want := range map[string]struct {
		stalls bool
		others int
	}{
		"saturate": {false, 0}, "steady:listeners=3": {false, 0}, "replay": {false, 0},
		"stall": {true, 1}, "stall:stalled=0": {true, 1}, "freeze:stalled=0": {true, 1},
		"freeze:listeners=5,stalled=3": {true, 3}, "stall:listeners=1,stalled=0": {true, 0},
	} {
		w, err := ParseWorkload(label)
		require.NoError(t, err)
		assert.Equal(t, want.stalls, w.Stalls(), label)
		assert.Equal(t, want.others, w.Others(), label)
	}
	w, err := ParseWorkload("freeze:prefill=3,rate=10,keys=2,listeners=3")
	require.NoError(t, err)
	loads, err := w.Loads()
	require.NoError(t, err)
	for i, r := range w.NewRecorders(loads[0].Expect(), true) {
		assert.Equal(t, i > 0, r.Latency() != nil, "the one that stops is not timed")
	}
}

func FuzzParseWorkload(f *testing.F) {
	for _, w := range Workloads() {
		f.Add(w.String())
		f.Add(w.Name)
		for _, o := range w.Options() {
			f.Add(w.Name + ":" + o.Name + "=" + o.Value)
		}
	}
	f.Add("stall:listeners=9,stalled=8,churn=3,seed=18446744073709551615")
	f.Fuzz(func(t *testing.T, label string) {
		w, err := ParseWorkload(label)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "loadgen: "))
			return
		}
		again, err := ParseWorkload(w.String())
		require.NoError(t, err, "%q prints as %q", label, w.String())
		require.Equal(t, w, again)
		require.NotContains(t, w.BenchName(), " ")
	})
}
