package findings

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// set gives a figure of an arm another value, in all blocks.
func (d *Data) set(arm, unit string, value float64) {
	for i := range d.Measured[arm][unit] {
		d.Measured[arm][unit][i] = value
	}
}

// TestRingAnswers changes what decides, and looks at what is concluded.
func TestRingAnswers(t *testing.T) {
	answer := func(doubling, keepingUp float64) string {
		d := sample(ringSize())
		for unit := range d.Measured[doublingArm] {
			d.set(doublingArm, unit, doubling)
		}
		for _, columns := range d.Facts {
			columns[keepsUp] = keepingUp
		}
		for _, initial := range initials {
			d.set(idleArm(initial), idleBytes, float64(1000+16*initial))
		}
		return ringPage(d)["answer"]
	}
	cheap := answer(1e-3, 10)
	assert.Contains(t, cheap, "**No slots are needed at first**: in the worst of 35 cases")
	assert.Contains(t, cheap, "16 are so many that in the recorded cluster no handler which keeps up lets the ring "+
		"grow; a listener at rest then holds 1.23 KiB, against 17 KiB with client-go's 1,024 slots: "+
		"7.69 MiB less for 500 listeners.")
	assert.NotContains(t, cheap, "; with ")
	dear := answer(1e6, 10)
	assert.Contains(t, dear, "**1,024 slots are enough**")
	assert.Contains(t, dear, "; with 512 it is ")
	assert.Contains(t, dear, "In the recorded cluster no handler which keeps up lets such a ring grow; ")
	assert.Contains(t, dear, ": the same for 500 listeners.")
	assert.Contains(t, answer(1e-3, 3000), "4,096 are so many")
	assert.Contains(t, answer(1e-3, 3000), "MiB more for 500 listeners.")
	assert.Contains(t, answer(1e-3, 1e6), "All rings measured grow behind some handler that keeps up there; a listener")
}

func TestHeldAnswers(t *testing.T) {
	answer := func(change func(*Data)) string {
		d := sample(neverShrinks())
		for _, name := range burstBuffers {
			d.set(keptArm(name, 1_000_000), keptBytes, 1e5)
		}
		change(d)
		return heldPage(d)["answer"]
	}
	plain := answer(func(*Data) {})
	assert.Contains(t, plain, "keeps **97.7 KiB** for each handler that was behind")
	assert.Contains(t, plain, "every garbage collection takes ")
	assert.NotContains(t, plain, "keep less than")
	assert.Contains(t, answer(func(d *Data) { d.set(keptArm("chunked", 1_000_000), keptBytes, 1e4) }),
		" `chunked` keep less than 64 KiB after the same burst.")
	assert.Contains(t, answer(func(d *Data) { d.set(keptArm("reference", 1_000_000), gcWith, 0) }),
		"what that costs a garbage collection is too little to be measured here")
	assert.NotContains(t, answer(func(d *Data) {
		for _, f := range d.Facts {
			f[heldSlots] = 1024
		}
	}), "In the recorded cluster")
}

func TestNeighboursAnswers(t *testing.T) {
	arm := func(c, name string) string { return pipeline{name: c}.arm(name) }
	answer := func(change func(*Data)) string {
		d := sample(slowNeighbours())
		for arm := range d.Measured {
			d.set(arm, neighboursP99, 2e5)
			d.set(arm, generatorLate, 1e5)
		}
		change(d)
		return neighboursPage(d)["answer"]
	}
	const fine = ", no neighbour hears later than behind the best buffer"
	assert.Equal(t, "Behind client-go's buffer, `reference`"+fine+"; behind the real informer, `client-go`"+fine+
		". **Harmless in every case:** `reference`, `ring` and `chunked` (holding all that waits); "+
		"`coalescing` and `bounded:drop-oldest` (bounding it, and not telling every change). "+
		"Behind `bounded:block`"+fine+". Behind `bounded:block-timeout`"+fine+".", answer(func(*Data) {}))
	late := answer(func(d *Data) {
		d.set(arm("freeze", "reference"), neighboursP99, 4e7)
		d.set(arm("overload", "reference"), neighboursP99, 3e6)
		d.set(arm("slow", "ring"), neighboursP99, 1.1e6) // but 0.9 ms later
		d.set(arm("stop", "chunked"), generatorLate, 2e6)
		delete(d.Measured, arm(control, outside))
	})
	assert.Contains(t, late, "`reference`, neighbours hear late in overload (p99 3 ms, behind the best "+
		"buffer 200 µs) and freeze (p99 40 ms, behind the best buffer 200 µs). **Harmless in every case:** "+
		"`ring` (holding all")
	assert.NotContains(t, late, "real informer")
	assert.Contains(t, answer(func(d *Data) { d.set(arm("stop", "reference"), generatorLate, 2e6) }),
		"`reference`"+fine+" (not known of stop: too much noise)")
	assert.Contains(t, answer(func(d *Data) {
		for arm := range d.Measured {
			d.set(arm, generatorLate, 2e6)
		}
	}), "`reference`, it is not known what neighbours feel: too much noise; behind the real informer")
	assert.Contains(t, answer(func(d *Data) {
		d.set(arm("overload", "bounded:block"), neighboursP99, 1.5e8)
		d.set(arm("overload", "bounded:block"), generatorLate, 3e7)
	}), "Behind `bounded:block`, neighbours hear late in overload (p99 150 ms, behind the best buffer 200 µs).")
	assert.NotContains(t, answer(func(d *Data) {
		d.set(arm("freeze", "ring"), neighboursP99, 4e7)
		d.Measured[arm("freeze", "ring")][neighboursP99][3] = 3e5
	}), "hear late", "not in every block")
	assert.Contains(t, answer(func(d *Data) {
		d.set(arm("overload", "bounded:block"), neighboursP99, 4e7)
		d.Measured[arm("overload", "bounded:block")][neighboursP99][3] = 3e5
	}), "Behind `bounded:block`"+fine+" (not known of overload: too much noise)")
	none := answer(func(d *Data) {
		for _, name := range patientBuffers[1:] {
			d.set(arm("stop", name), neighboursP99, 4e7)
		}
		d.set(arm("freeze", "reference"), neighboursP99, 4e7)
	})
	assert.Contains(t, none, "No buffer measured is known to be harmless in every case.")
	assert.Contains(t, answer(func(d *Data) { delete(d.Measured, arm("freeze", "ring")) }),
		"**Harmless in every case:** `reference` and `chunked` (", "of what was not measured nothing is known")
}
