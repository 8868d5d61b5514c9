package null

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/buffer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDiscardsAllAndSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var discarded []int
		b := New(buffer.Params[int]{Discard: func(item int, why buffer.Reason) {
			assert.Equal(t, buffer.Closed, why)
			discarded = append(discarded, item)
		}})
		ended := false
		go func() {
			assert.Zero(t, b.Pop(make([]int, 3)))
			ended = true
		}()
		b.Push([]int{1, 2})
		b.Push(nil)
		synctest.Wait()
		assert.False(t, ended)
		assert.Zero(t, b.Len())
		b.Close()
		b.Close()
		synctest.Wait()
		assert.True(t, ended)
		b.Push([]int{3})
		assert.Equal(t, []int{1, 2, 3}, discarded)
		assert.Zero(t, b.Pop(make([]int, 3)))
		assert.Equal(t, buffer.Gauges{WakeUps: 1}, b.(buffer.Gauged).Gauges())
	})
}

func TestPopIntoNothingPanics(t *testing.T) {
	b := New(buffer.Params[int]{})
	require.PanicsWithValue(t, "null: Pop: empty dst", func() { b.Pop(nil) })
	b.Close()
	require.Zero(t, b.Pop(make([]int, 1)))
}
