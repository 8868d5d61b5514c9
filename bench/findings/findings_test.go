package findings

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/bench/chart/charttest"
	"informerlab/bench/run"
	"informerlab/loadgen"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files instead of comparing")

// asProbe is the environment variable that turns this test binary into a probe,
// which counts its calls in the file that it names.
const asProbe = "INFORMERLAB_TEST_PROBE"

func TestMain(m *testing.M) {
	if file := os.Getenv(asProbe); file != "" {
		os.Exit(fakeProbe(file, os.Args[len(os.Args)-1]))
	}
	flag.Parse()
	goleak.VerifyTestMain(m)
}

// fakeProbe notes the arm and answers a figure, until the file is long enough.
func fakeProbe(file, arm string) int {
	known, _ := os.ReadFile(file)
	if calls := strings.Count(string(known), "\n"); calls == 7 {
		fmt.Fprintln(os.Stderr, "probe: no more")
		return 1
	}
	if err := os.WriteFile(file, append(known, arm+"\n"...), 0o666); err != nil {
		return 2
	}
	fmt.Printf(`{"ns":%d.23456}`, len(arm))
	return 0
}

// sample returns made-up data of a finding, the same each time: facts of a few
// resources, and of each arm blocks around a value that is drawn by its name.
func sample(f *Finding) *Data {
	d := &Data{
		Schema: schema, Finding: f.Name, Seed: 1, Blocks: 6, Loads: []float64{.5, .25, 1, 2, .75, .5},
		Environment: run.Environment{Commit: "0123456789abcdef", Go: "go1.26.0", Cores: 2, CPU: "Some CPU"},
		Facts:       map[string]map[string]float64{}, Measured: map[string]map[string][]float64{},
	}
	draw := func(name string, low, high float64) float64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(name))
		return digits4(low * math.Pow(high/low, float64(h.Sum64()>>40)/(1<<24)))
	}
	for _, resource := range []string{"pods", "events", "leases", "nodes", "jobs", "cronjobs", "services"} {
		for _, times := range []int{1, busier} {
			row := factRow(resource, times)
			events := draw(resource, 50, 60_000)
			columns := map[string]float64{eventsColumn: math.Round(events)}
			for i, b := range behaviours {
				peak := math.Round(draw(row+b.name, 1, 30*math.Pow(4, float64(i))) * float64(times))
				columns[b.name] = peak
				_, slots := grown(1024, int(peak))
				if f.Name == "never-shrinks" {
					d.Facts[row+", "+b.name] = map[string]float64{
						heldPeak: peak, heldSlots: float64(slots), heldNeeded: draw(row, .01, 60),
					}
				}
			}
			if f.Name == "ring-size" {
				d.Facts[row] = columns
			}
		}
	}
	units := map[string][2]float64{
		idleBytes: {900, 9e5}, perNotification: {300, 330},
		keptBytes: {1e3, 2e7}, gcWith: {1e6, 2e6}, gcWithout: {9e5, 1e6},
		neighboursP99: {1e5, 5e6}, neighboursMax: {5e6, 5e7}, generatorLate: {1e5, 3e6}, mostPending: {10, 1e5},
		mostBytes: {1e3, 1e7}, notTold: {1, 1e5},
	}
	for slots := 16; slots <= mostDoubled; slots *= 2 {
		units[doublingUnit(slots)] = [2]float64{float64(slots), 8 * float64(slots)}
	}
	arms := f.required()
	for _, p := range f.pipelines {
		arms[p.arm(outside)] = nil
	}
	for arm := range arms {
		d.Measured[arm] = map[string][]float64{}
		for unit, span := range units {
			for block := range d.Loads {
				value := draw(arm+unit, span[0], span[1]) * (1 + float64(block)/50)
				d.Measured[arm][unit] = append(d.Measured[arm][unit], digits4(value))
			}
		}
	}
	return d
}

func textOf(t *testing.T, d *Data) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.json")
	require.NoError(t, d.save(path))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return text
}

// TestPages renders made-up data, twice, and compares with what was looked at.
func TestPages(t *testing.T) {
	for _, f := range All() {
		text := textOf(t, sample(f))
		files, broken, err := f.Files("x.json", text)
		require.NoError(t, err, f.Name)
		again, _, err := f.Files("x.json", text)
		require.NoError(t, err)
		assert.Equal(t, files, again, "the same bytes")
		assert.NotEmpty(t, broken, "made-up data show nothing")
		golden := filepath.Join("testdata", f.Name+".md")
		if *rewrite {
			require.NoError(t, replace(golden, files[f.Name+".md"]))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(files[f.Name+".md"]), f.Name)

		figure := files[f.Name+".svg"]
		assert.Empty(t, charttest.Faults(figure), f.Name)
		assert.Contains(t, string(figure), `<svg xmlns="http://www.w3.org/2000/svg" `)
		assert.Contains(t, string(figure), "color-scheme: light dark")
		assert.Contains(t, string(files[f.Name+".md"]), "]("+f.Name+".svg)")
	}
}

// TestKeptPagesFollowFromTheirData makes the pages of this repository again.
func TestKeptPagesFollowFromTheirData(t *testing.T) {
	const folder = "../../results/findings"
	for _, f := range All() {
		path := filepath.Join(folder, f.Name+dataSuffix)
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // it has not been measured yet
		}
		require.NoError(t, err)
		files, broken, err := f.Files(path, text)
		require.NoError(t, err)
		assert.Empty(t, broken)
		for name, content := range files {
			kept, err := os.ReadFile(filepath.Join(folder, name))
			require.NoError(t, err)
			assert.Equal(t, string(content), string(kept), "%s: make it again: lab finding -render %s", name, f.Name)
		}
	}
}

// TestBadData gives Files what is no data of the finding: one clear line.
func TestBadData(t *testing.T) {
	f := ringSize()
	change := func(change func(*Data)) []byte {
		d := sample(f)
		change(d)
		text, err := json.Marshal(d)
		require.NoError(t, err)
		return text
	}
	for want, text := range map[string][]byte{
		"x.json: found no data of a finding (EOF)":            nil,
		"x.json: found no data of a finding (unexpected EOF)": []byte(`{"schema":1,`),
		`unknown field "colour"`:                              []byte(`{"schema":1,"colour":"red"}`),
		"cannot unmarshal string":                             []byte(`{"schema":"1"}`),
		"x.json: found 0 blocks":                              []byte(`{"schema":1,"finding":"ring-size"}`),
		"x.json: found schema 2, expected 1":                  change(func(d *Data) { d.Schema = 2 }),
		`x.json: found data of "x", expected of "ring-size"`:  change(func(d *Data) { d.Finding = "x" }),
		"found 6 blocks, expected the 8 that were planned":    change(func(d *Data) { d.Blocks = 8 }),
		"doubling: 16-ns: found 1 values, expected one for each of 6": change(func(d *Data) {
			d.Measured[doublingArm]["16-ns"] = []float64{1}
		}),
		`found nothing of "initial=64/idle", expected all`: change(func(d *Data) {
			delete(d.Measured, idleArm(64))
		}),
		`x.json: doubling: found no "16-ns", expected`: change(func(d *Data) {
			delete(d.Measured[doublingArm], "16-ns")
		}),
		"found no facts of the recorded trace, expected those that": change(func(d *Data) { d.Facts = nil }),
		`x.json: facts of "pods ×20": found no "comes late", expected it`: change(func(d *Data) {
			delete(d.Facts["pods ×20"], "comes late")
		}),
	} {
		_, _, err := f.Files("x.json", text)
		require.Error(t, err, want)
		assert.Contains(t, err.Error(), want)
		assert.True(t, strings.HasPrefix(err.Error(), "findings: "), err.Error())
		assert.NotContains(t, err.Error(), "\n")
	}
	_, err := Find("ring")
	assert.EqualError(t, err,
		`findings: unknown finding "ring": expected one of ring-size, never-shrinks, slow-neighbours`)
	_, err = f.Probe("initial=5")
	assert.ErrorContains(t, err, `no probe "initial=5"`)
	assert.ErrorContains(t, f.Render(t.TempDir(), nil), "ring-size.json")
}

// TestMeasureResumes lets a measurement fail in its second block of three, and goes
// on.
func TestMeasureResumes(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	folder := t.TempDir()
	calls := filepath.Join(folder, "calls")
	var told []string
	o := Options{
		Folder: folder, Probe: []string{"/usr/bin/env", asProbe + "=" + calls, self}, Seed: 3,
		Tell: func(line string) { told = append(told, line) },
	}
	f := &Finding{
		Name: "ring-size", blocks: 3, claims: ringClaims, words: ringWords,
		figure: func(*Data) string { return "<svg ></svg>" },
		probes: []probe{{name: "a"}, {name: "bb"}, {name: "ccc"}},
		facts: func() (map[string]map[string]float64, error) {
			return map[string]map[string]float64{"pods": {"peak": 3}}, nil
		},
	}
	err = f.Measure(context.Background(), o)
	assert.ErrorContains(t, err, "probe: no more")
	assert.NoFileExists(t, filepath.Join(folder, "ring-size.json"))
	order, err := os.ReadFile(calls)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(calls, nil, 0o666))

	other := o
	other.Seed = 4
	err = f.Measure(context.Background(), other)
	assert.ErrorContains(t, err, "of another program, machine or plan")
	assert.ErrorIs(t, err, ErrInput)
	require.NoError(t, f.Measure(context.Background(), o))
	assert.NoFileExists(t, filepath.Join(folder, "ring-size.partial.json"))
	text, err := os.ReadFile(filepath.Join(folder, "ring-size.json"))
	require.NoError(t, err)
	d, err := parse("x.json", text)
	require.NoError(t, err)
	assert.Len(t, d.Loads, 3)
	assert.Equal(t, map[string]map[string][]float64{
		"a": {"ns": {1.235, 1.235, 1.235}}, "bb": {"ns": {2.235, 2.235, 2.235}}, "ccc": {"ns": {3.235, 3.235, 3.235}},
	}, d.Measured)
	rest, err := os.ReadFile(calls)
	require.NoError(t, err)
	assert.Len(t, bytes.Fields(order), 7)
	assert.Len(t, bytes.Fields(rest), 3, "only the third block was missing")
	assert.Contains(t, strings.Join(told, "\n"), "going on after block 2 of 3")

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.ErrorIs(t, f.Measure(ctx, o), context.Canceled)
}

// TestProbesMeasure runs one probe of each kind.
func TestProbesMeasure(t *testing.T) {
	figures, err := ringSize().Probe(burstArm(16, 64))
	require.NoError(t, err)
	assert.Positive(t, figures[perNotification])
	figures = doublings()
	assert.Greater(t, figures[doublingUnit(mostDoubled)], 10*figures[doublingUnit(16)])
	for _, f := range All() {
		arms := len(f.probes)
		for _, p := range f.pipelines {
			_, err := loadgen.ParseWorkload(p.workload)
			assert.NoError(t, err)
			for _, name := range p.buffers {
				if name != outside {
					arms++
				}
			}
		}
		assert.Len(t, f.required(), arms, "no two arms of %s share a name", f.Name)
	}
}
