package findings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// set gives a figure of an arm another value, in all blocks.
func (d *Data) set(arm, unit string, value float64) {
	for i := range d.Measured[arm][unit] {
		d.Measured[arm][unit][i] = value
	}
}

// committed returns the data of a finding that this repository keeps.
func committed(t *testing.T, f *Finding) *Data {
	t.Helper()
	path := filepath.Join("..", "..", "results", "findings", f.Name+dataSuffix)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	d, err := parse(path, text)
	require.NoError(t, err)
	require.NoError(t, d.complete(f, path))
	return d
}

// TestClaimsHold compares each conclusion of the pages with the committed data.
func TestClaimsHold(t *testing.T) {
	for _, f := range All() {
		assert.NotEmpty(t, f.claims)
		assert.Empty(t, f.Broken(committed(t, f)), f.Name)
		page, err := pages.ReadFile("pages/" + f.Name + ".md")
		require.NoError(t, err)
		for name := range f.claims {
			assert.Contains(t, string(page), `claim "`+name+`"`, "its sentence says so")
		}
	}
}

// TestClaimsCanBreak changes the committed data so that one conclusion is wrong: the page
// then says so behind its sentence.
func TestClaimsCanBreak(t *testing.T) {
	arm := func(c, name string) string { return pipeline{name: c}.arm(name) }
	const million = 1_000_000
	for name, change := range map[string]func(*Data){
		"128 slots are enough, 64 are not":          func(d *Data) { d.set(doublingArm, doublingUnit(128), 1e7) },
		"none that keeps up lets 128 slots grow":    func(d *Data) { d.Facts[factRow("pods", 1)][keepsUp] = 129 },
		"128 slots take less than a third of 1,024": func(d *Data) { d.set(idleArm(128), idleBytes, 1e4) },

		"a collection takes longer": func(d *Data) { d.set(keptArm("reference", million), gcWith, 1e6) },
		"the largest ring is that of a late comer for events": func(d *Data) {
			d.Facts[factRow("pods", 1)+", slow, 3 ms"][heldSlots] = 1 << 20
		},
		"six buffers keep less than 64 KiB": func(d *Data) { d.set(keptArm("spsc", million), keptBytes, little) },
		"pipelines with reference keep four times as much behind four handlers": func(d *Data) {
			d.set(arm(stoppedFour, "reference"), keptBytes, 1e6)
		},
		"pipelines with ring keep less than 64 KiB": func(d *Data) { d.set(arm(stoppedOne, "ring"), keptBytes, 1e6) },

		"reference harms in a freeze only": func(d *Data) { d.set(arm("stop", "reference"), neighboursP99, 1e8) },
		"client-go harms in a freeze only": func(d *Data) { d.set(arm("freeze", outside), neighboursP99, 1e5) },
		"four buffers are harmless":        func(d *Data) { d.set(arm("slow", "chunked"), neighboursP99, 1e9) },
		"those that block harm in an overload": func(d *Data) {
			d.set(arm("overload", "bounded:block"), neighboursP99, 1e5)
		},
	} {
		found := false
		for _, f := range All() {
			if f.claims[name] == nil {
				continue
			}
			found = true
			d := committed(t, f)
			change(d)
			assert.Contains(t, f.Broken(d), name)
			files, err := d.files(f)
			require.NoError(t, err)
			text := strings.Join(strings.Fields(string(files[f.Name+".md"])), " ")
			assert.Contains(t, text, "**(The data below do not show this: "+name+".)**")
		}
		assert.True(t, found, name)
	}
	for _, f := range All() {
		for name := range f.claims {
			assert.Empty(t, f.Broken(committed(t, f)), "%s: the change was of a copy", name)
		}
	}
}

// TestWithoutClientGo leaves out sentences about what was not measured.
func TestWithoutClientGo(t *testing.T) {
	for _, f := range []*Finding{neverShrinks(), slowNeighbours()} {
		d := committed(t, f)
		for _, p := range f.pipelines {
			delete(d.Measured, p.arm(outside))
		}
		files, err := d.files(f)
		require.NoError(t, err)
		answer, _, _ := strings.Cut(string(files[f.Name+".md"]), "\n| ")
		assert.NotContains(t, answer, "`client-go`")
	}
}
