package cost

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// A clock that stands still must not make spinning endless, nor spoil what
// others use.
func TestSpinEndsInSimulatedTime(t *testing.T) {
	before := measured.pace
	measured.pace = 0
	synctest.Test(t, func(t *testing.T) {
		s := Cost{Mean: time.Millisecond, Law: "fixed", Work: "spin"}.Begin(1)
		begun := time.Now()
		assert.Equal(t, time.Millisecond, s.Spend())
		assert.Zero(t, time.Since(begun))
	})
	assert.Zero(t, measured.pace, "a guess is not kept")
	measured.pace = before
}

func TestSpinIsAFixedAmountOfWork(t *testing.T) {
	s := Cost{Mean: time.Microsecond, Law: "fixed", Work: "spin"}.Begin(1)
	s.pace = 0.25
	s.Spend()
	assert.Equal(t, burn(1, 250), s.state)
	s.Spend()
	assert.Equal(t, burn(1, 500), s.state)
}

func TestPaceIsMeasuredOnce(t *testing.T) {
	c := Cost{Mean: time.Microsecond, Law: "fixed", Work: "spin"}
	first := c.Begin(1).pace
	assert.Positive(t, first)
	assert.Equal(t, first, c.Begin(2).pace)
}
