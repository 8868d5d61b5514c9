package loadgen

import (
	"cmp"
	"encoding/json"
	"path/filepath"
	"reflect"
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
		"saturate:keys=1000":                              {"saturate:listeners=1", "workload=saturate/listeners=1"},
		"saturate:events=auto":                            {"saturate:listeners=1", "workload=saturate/listeners=1"},
		"saturate:churn=-0,panics=0.0,costs=fixed,stay=0": {"saturate:listeners=1", "workload=saturate/listeners=1"},
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
		"steady:arrival=poisson,cost=0.25ms,work=spin": {
			"steady:rate=20000,listeners=1,cost=250us,work=spin,arrival=poisson",
			"workload=steady/rate=20000/listeners=1/cost=250us/work=spin/arrival=poisson",
		},
		"cluster":          {"cluster", "workload=cluster"},
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

// anyWorkload is the rest of the message about an unknown workload.
const anyWorkload = `: expected one of burst, cluster, endpointslices, `

type wrongLabel struct{ label, want string }

func testWrongLabels(t *testing.T, labels []wrongLabel) {
	t.Helper()
	for _, tc := range labels {
		w, err := ParseWorkload(tc.label)
		require.ErrorContains(t, err, tc.want, "%q", tc.label)
		assert.True(t, strings.HasPrefix(err.Error(), "loadgen: "), err)
		assert.NotContains(t, err.Error(), "\n")
		assert.Zero(t, w)
	}
}

func TestParseWorkloadSaysWhatItExpects(t *testing.T) {
	testWrongLabels(t, []wrongLabel{
		{"", `loadgen: unknown workload ""` + anyWorkload},
		{"saturated", `unknown workload "saturated"` + anyWorkload},
		{"Saturate", `unknown workload "Saturate"`},
		{" saturate", `unknown workload " saturate"`},
		{"saturate listeners=1", `unknown workload "saturate listeners=1"`},
		{"saturate:", `workload saturate: found unknown option "", expected one that there is, such as`},
		{"saturate:listner=5", `found unknown option "listner", expected one that there is, such as listeners`},
		{"saturate:Rate=5", `found unknown option "Rate", expected one that there is, such as rate`},
		{"saturate:rounds=5", `found unknown option "rounds"`},
		{"saturate:listeners", `found option listeners without a value, expected a whole number from 0 to 4096`},
		{"saturate:listeners=", `workload saturate: found listeners=, expected a whole number from 0 to 4096`},
		{"saturate:listeners=-1", `found listeners=-1, expected a whole number from 0 to 4096`},
		{"saturate:listeners=4097", `found listeners=4097, expected a whole number from 0 to 4096`},
		{"saturate:listeners=eight", `found listeners=eight, expected a whole number`},
		{"saturate:listeners=1.5", `found listeners=1.5, expected a whole number`},
		{"saturate:listeners=1e3", `found listeners=1e3, expected a whole number`},
		{"saturate:keys=0", `found keys=0, expected a whole number from 1 to 10000000`},
		{"saturate:keys=1,keys=2", `found option keys a second time, expected it once`},
		{"saturate:keys=1,,", `found unknown option ""`},
		{"saturate:events=-5", `found events=-5, expected a whole number from 1 to 100000000, or auto`},
		{"saturate:events=99999999999999", `expected a whole number from 1 to 100000000, or auto`},
		{"saturate:size=-1", `found size=-1, expected a whole number from 0 to 1048576`},
		{"saturate:churn=101", `found churn=101, expected a percentage from 0 to 100`},
		{"saturate:seed=-1", `found seed=-1, expected a whole number from 0 to 18446744073709551615`},
		{"saturate:seed=x", `found seed=x, expected a whole number from 0`},
		{"saturate:cost=5", `found cost=5, expected a duration from 0s to 1h, such as 250ms`},
		{"saturate:cost=-1ms", `found cost=-1ms, expected a duration`},
		{"saturate:cost=2h", `found cost=2h, expected a duration`},
		{"saturate:work=play", `found work=play, expected one of sleep, spin`},
		{"saturate:costs=", `found costs=, expected one of fixed, exponential, pareto`},
		{"steady:rate=-5", `found rate=-5, expected a number from 0 to 10000000`},
		{"steady:rate=NaN", `found rate=NaN, expected a number from 0`},
		{"steady:rate=Inf", `found rate=Inf, expected a number from 0`},
		{"freeze:seconds=-1", `found seconds=-1, expected a number from 0 to 3600`},
		{"freeze:prefill=-1", `found prefill=-1, expected a whole number from 0 to 100000000`},
		{"replay:speed=fast", `found speed=fast, expected a number from 0 to 1000000, or max`},
		{"replay:speed=-1", `found speed=-1, expected a number from 0 to 1000000, or max`},
		{"replay:trace=a\nb", `expected the path of a trace, without commas`},
		{"replay:trace=a\xff", `expected the path of a trace, without commas`},
	})
}

// TestOptionsGoTogether breaks each rule between options.
func TestOptionsGoTogether(t *testing.T) {
	testWrongLabels(t, []wrongLabel{
		{"steady:listeners=0", `found listeners=0, expected at least one, whose latency is measured`},
		{"stall:stalled=2", `found stalled=2 with listeners=2, expected fewer, so that at least one runs`},
		{"stall:listeners=0", `found stalled=1 with listeners=0, expected fewer, so that at least one runs`},
		{"stall:stalled=3,stall=1s", `found stalled=3 with listeners=2, expected no more than listeners`},
		{"slow:slow=17", `found slow=17 with listeners=16, expected no more than listeners`},
		{"saturate:listeners=0,workers=2", `found workers=2 with listeners=0, expected a listener`},
		{"freeze:stall=1s", `found stall=1s with prefill=3900000, expected one of the two, the other 0`},
		{"slow:cost=61s", `found cost=1m1s, expected no more than 1m`},
		{"saturate:pick=zipf", `found skew=0 with pick=zipf, expected an exponent above 0 and up to 10`},
		{"saturate:pick=zipf,skew=90", `found skew=90 with pick=zipf, expected an exponent above 0 and up to 10`},
		{"saturate:pick=recent", `found skew=0 with pick=recent, expected an exponent above 0 and up to 10`},
		{"saturate:pick=hot,hot=5", `found skew=0 with pick=hot, expected a percentage of events above 0`},
		{"hotkey:hot=100", `found hot=100 with pick=hot, expected a percentage of keys above 0 and below 100`},
		{"grow:churn=60", `found churn=60 with grow=30, shrink=20, expected no more than 100 percent together`},
		{"overload:rate=5", `found utilization=150 with rate=5, expected one of the two, the other 0`},
		{"poisson:cost=0s", `found utilization=80 with cost=0s, expected handlers with a cost`},
		{"saturate:arrival=poisson", `found arrival=poisson with rate=0, expected a rate or a utilization above 0`},
		{"steady:arrival=bursts,peak=0.5", `found peak=0.5 with arrival=bursts, expected 0, or from 1`},
		{
			"steady:arrival=sine,peak=2.5",
			`found peak=2.5 with arrival=sine, expected 0, or from 1, and of ramp and sine to 2`,
		},
		{"steady:rate=9,arrival=sine,period=1ms", `found period=1ms with arrival=sine, rate=9, peak=0, expected`},
		{"saturate:seconds=5", `found seconds=5 with rate=0, expected a rate or a utilization above 0`},
		{"freeze:events=4000000", `found seconds=20 with events=4000000, expected one of the two`},
		{"stall:prefill=1000001", `found prefill=1000001 with events=1000000, expected no more than there are events`},
		{
			"freeze:prefill=99000000,rate=1000000,seconds=2",
			`found prefill=99000000 with rate=1e+06, seconds=2, expected at most 100000000 events in all`,
		},
		{
			"steady:speed=5",
			`found speed=5 with arrival=constant, rate=20000, expected max, as only a replay has a speed`,
		},
		{"steady:trace=x", `found trace=x with arrival=constant, expected none, or arrival=recorded`},
		{"saturate:size=1048576", `objects of at most 4294967296 bytes together`},
		{"relist:relists=1001,keys=100000", `relists=1001`},
		{"steady:relists=1000,keys=1000000", `lists of at most 100000000 objects together`},
		{"replay:keys=5", `found keys=5 with arrival=recorded, expected 1000, as the events come from elsewhere`},
		{"replay:rate=5", `found speed=100 with arrival=recorded, rate=5, expected max, as only a replay has a speed`},
		{"poisson:cost=1ns", `found utilization=80 with cost=1ns, expected at most 10000000 events per second`},
		{"overload:arrival=sine,period=1us", `found period=1us with arrival=sine, rate=0, peak=0, expected a time`},
		{"replay:seconds=5", `found seconds=5 with rate=0, expected a rate`},
		{"replay:prefill=5", `found prefill=5 with arrival=recorded, expected 0, as the events come from elsewhere`},
		{"cluster:rate=5", `found rate=5 with mix=pods+leases+events+endpointslices, expected 0`},
		{"cluster:arrival=recorded", `found arrival=recorded with mix=pods+leases+events+endpointslices`},
		{"saturate:mix=pods+none", `found mix=pods+none, expected different built-in workloads joined by +`},
		{"saturate:mix=pods+pods", `found mix=pods+pods, expected different built-in workloads joined by +`},
		{"saturate:mix=cluster", `found mix=cluster, expected different built-in workloads joined by +, no mixes`},
		{"saturate:mix=replay", `no mixes and no replays`},
		{"saturate:mix=pods+freeze", `found mix=pods+freeze, expected different built-in workloads`},
		{"saturate:mix=../workloads/pods", `found mix=../workloads/pods, expected different built-in workloads`},
	})
}

// TestControlsChangeOneOption switches off what a workload is about and leaves
// the rest as it is: what then has no effect is no mistake.
func TestControlsChangeOneOption(t *testing.T) {
	for _, label := range []string{
		"stall:stalled=0", "freeze:stalled=0", "hotkey:pick=uniform", "burst:arrival=constant", "slow:cost=0s",
		"relist:relists=0", "visitors:visitors=0", "panic:panics=0", "reconcile:workers=0", "resync:resync=0s",
		"grow:grow=0", "cluster:seed=7", "replay:objects=fresh", "burst:period=0s",
		"stall:stalled=0,listeners=1", "steady:rate=0", "replay:listeners=0", "pods:sigma=0",
	} {
		w, err := ParseWorkload(label)
		require.NoError(t, err, label)
		_, setting, _ := strings.Cut(label, ":")
		assert.Contains(t, w.String(), setting, "the label tells it")
	}
}

// TestSettingsWin sets options as a flag does, over those of the label.
func TestSettingsWin(t *testing.T) {
	w, err := ParseWorkload("saturate:keys=5,churn=3", "keys=1000", "listeners=9")
	require.NoError(t, err)
	assert.Equal(t, "saturate:listeners=9,churn=3", w.String())
	_, err = ParseWorkload("saturate", "keys=5", "keys=6")
	require.ErrorContains(t, err, "found option keys a second time, expected it once")
	_, err = ParseWorkload("saturate", "colour=red")
	require.ErrorContains(t, err, `found unknown option "colour"`)
}

func TestWorkloadsAreComplete(t *testing.T) {
	var names []string
	for _, w := range Workloads() {
		names = append(names, w.Name)
		parsed, err := ParseWorkload(w.Name)
		require.NoError(t, err)
		assert.Equal(t, w, parsed)
		content, err := builtinFiles.ReadFile(builtinFolder + "/" + w.Name + fileEnding)
		require.NoError(t, err)
		assert.Less(t, strings.Count(string(content), "\n"), 15, w.Name)
		assert.True(t, strings.HasPrefix(string(content), "# "), "%s says which situation it is", w.Name)
	}
	for _, name := range []string{"saturate", "steady", "stall", "freeze", "replay"} {
		assert.Contains(t, names, name)
	}
}

// TestOptionsCoverAllFields changes each field of a workload and expects the
// description to change: none is without an option.
func TestOptionsCoverAllFields(t *testing.T) {
	none := reflect.ValueOf(Workload{}).Type()
	described := Workload{}.Describe()
	for i := range none.NumField() {
		if !none.Field(i).IsExported() {
			continue
		}
		var w Workload
		switch field := reflect.ValueOf(&w).Elem().Field(i); field.Kind() {
		case reflect.Int, reflect.Int64:
			field.SetInt(7)
		case reflect.Uint64:
			field.SetUint(7)
		case reflect.Float64:
			field.SetFloat(7)
		case reflect.String:
			field.SetString("seven")
		}
		assert.NotEqual(t, described, w.Describe(), none.Field(i).Name)
	}
	named := map[string]bool{}
	for _, g := range optionGroups {
		for _, o := range g.options {
			assert.False(t, named[o.name], o.name)
			named[o.name] = true
			assert.NotEmpty(t, o.meaning)
			w := defaultWorkload
			assert.True(t, o.set(&w, o.get(&w)), "%s: its default is a value", o.name)
			assert.Equal(t, defaultWorkload, w, o.name)
		}
	}
}

func TestWorkloadAsText(t *testing.T) {
	for _, label := range []string{"steady:rate=500", "cluster", "replay:trace=/my dir/ä%b\".ndjson,speed=max"} {
		w, err := ParseWorkload(label)
		require.NoError(t, err)
		content, err := json.Marshal(map[string]Workload{"workload": w})
		require.NoError(t, err)
		var back map[string]Workload
		require.NoError(t, json.Unmarshal(content, &back))
		assert.Equal(t, w, back["workload"])
		assert.True(t, w == back["workload"], "workloads are comparable")
		label, err := json.Marshal(map[string]string{"workload": w.String()})
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(label, &back))
		assert.Equal(t, w, back["workload"], "a label does as well")
	}
	var w Workload
	assert.ErrorContains(t, w.UnmarshalText([]byte("x")), "unknown workload")
	assert.EqualError(t, w.UnmarshalText([]byte("summary = 'x'\n")),
		`loadgen: workload:1:1: found "" for name, expected letters, digits and dashes, at most 60`)
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
	bad := filepath.Join("trace", "testdata", "malformed", "unknown-type.ndjson")
	w, err = ParseWorkload("replay:trace=" + bad)
	require.NoError(t, err)
	_, err = w.Loads()
	assert.ErrorContains(t, err, bad+":4:34: found type")
	assert.Empty(t, Workload{}.String())
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
	recorders := w.NewRecorders(Handling{Expect: expect})
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
		"saturate:listeners=3,stalled=2": {true, 2},
		"stall":                          {true, 1}, "stall:stalled=0": {true, 1}, "freeze:stalled=0": {true, 1},
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
	for i, r := range w.NewRecorders(Handling{Expect: loads[0].Expect(), Level: true}) {
		assert.Equal(t, i > 0, r.Latency() != nil, "the one that stops is not timed")
	}
}

func FuzzParseWorkload(f *testing.F) {
	for _, w := range Workloads() {
		f.Add(w.String())
		f.Add(w.Name)
		for _, g := range optionGroups {
			for _, o := range g.options {
				f.Add(w.Name + ":" + o.name + "=" + o.get(&w))
			}
		}
	}
	f.Add("stall:listeners=9,stalled=8,churn=3,seed=18446744073709551615")
	f.Fuzz(func(t *testing.T, label string) {
		if name, _, _ := strings.Cut(label, ":"); strings.Contains(name, "/") || strings.HasSuffix(name, fileEnding) {
			return // a file of this machine
		}
		w, err := ParseWorkload(label)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "loadgen: "))
			require.NotContains(t, err.Error(), "\n")
			return
		}
		again, err := ParseWorkload(w.String())
		require.NoError(t, err, "%q prints as %q", label, w.String())
		require.Equal(t, w, again)
		require.NotContains(t, w.BenchName(), " ")
	})
}

// With a rate, a recording only says when: the events are drawn.
func TestWorkloadAtRecordedTimes(t *testing.T) {
	w, err := ParseWorkload("steady:arrival=recorded,rate=5000,events=20000,keys=50")
	require.NoError(t, err)
	loads, err := w.Loads()
	require.NoError(t, err)
	require.Len(t, loads, 1)
	checkLoad(t, loads[0])
	assert.Equal(t, 20_001, loads[0].Len())
	gap := 0
	for i, due := range loads[0].Due[1:] {
		if due-loads[0].Due[i] > 20*time.Millisecond {
			gap++
		}
	}
	assert.Positive(t, gap, "a cluster is quiet at times: a hundred times the mean gap")
	assert.Contains(t, w.String(), "arrival=recorded")
	w.Trace = "nowhere"
	_, err = w.Loads()
	assert.ErrorContains(t, err, "nowhere")
}
