package loadgen

import (
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAlarm(t *testing.T) {
	var a alarm
	begun := time.Now()
	require.True(t, a.wait(time.Millisecond))
	assert.GreaterOrEqual(t, time.Since(begun), time.Millisecond/2, "it slept")
	a.close()
	a.close()
	assert.True(t, a.wait(time.Microsecond), "a closed alarm opens again")
	a.close()
	synctest.Test(t, func(t *testing.T) {
		var a alarm
		assert.False(t, a.wait(time.Microsecond), "the clock of a bubble stands still meanwhile")
		assert.True(t, a.frozen)
		a.close()
	})
}

// BenchmarkAlarm reports how late waits of 0.2 ms end, with an alarm and with a
// Go timer, in an idle process and in one whose processors are all busy
// switching between goroutines.
func BenchmarkAlarm(b *testing.B) {
	var a alarm
	defer a.close()
	waits := map[string]func(time.Duration){
		"alarm": func(d time.Duration) { a.wait(d) }, "timer": time.Sleep,
	}
	for _, load := range []string{"idle", "busy"} {
		for _, by := range []string{"alarm", "timer"} {
			b.Run("load="+load+"/by="+by, func(b *testing.B) {
				if load == "busy" {
					defer occupy(runtime.GOMAXPROCS(0))()
				}
				const wait = 200 * time.Microsecond
				var late []time.Duration
				for b.Loop() {
					begun := time.Now()
					waits[by](wait)
					late = append(late, time.Since(begun)-wait)
				}
				slices.Sort(late)
				b.ReportMetric(float64(late[len(late)/2]), "late-p50-ns")
			})
		}
	}
}

// occupy keeps n goroutines running until the function that it returns is called.
func occupy(n int) (release func()) {
	quit := make(chan struct{})
	for range n {
		go func() {
			for {
				select {
				case <-quit:
					return
				default:
					runtime.Gosched() // as goroutines that hand events to one another do
				}
			}
		}()
	}
	return func() { close(quit) }
}
