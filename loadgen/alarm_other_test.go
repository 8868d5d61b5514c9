//go:build !linux

package loadgen

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAlarmLeavesWaitingToTimers(t *testing.T) {
	var a alarm
	assert.False(t, a.wait(time.Millisecond))
	assert.True(t, a.frozen)
	a.close()
}
