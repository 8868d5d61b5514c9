package worker_test

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/worker"
)

// TestWatchSeesTheEndMeanwhile ends the input while its reader is busy with the first
// line, for too long or not, and while it waits.
func TestWatchSeesTheEndMeanwhile(t *testing.T) {
	const patience = time.Second
	for busy, wantGone := range map[time.Duration]bool{
		0: false, patience - 1: false, patience + 1: true, time.Hour: true,
	} {
		synctest.Test(t, func(t *testing.T) {
			in, driver := io.Pipe()
			gone := make(chan time.Time, 1)
			lines := bufio.NewScanner(worker.Watch(in, patience, func() { gone <- time.Now() }))
			go func() {
				_, err := io.WriteString(driver, "run\n")
				assert.NoError(t, err)
				assert.NoError(t, driver.Close())
			}()
			require.True(t, lines.Scan())
			assert.Equal(t, "run", lines.Text())
			synctest.Wait()
			ended := time.Now()
			time.Sleep(busy)
			if wantGone {
				assert.Equal(t, patience, (<-gone).Sub(ended), busy)
				return
			}
			assert.False(t, lines.Scan())
			assert.NoError(t, lines.Err())
			assert.False(t, lines.Scan(), "again")
			synctest.Wait()
			assert.Empty(t, gone, busy)
		})
	}
}

// TestWatchPassesAllOn compares what the reader returns with what it reads.
func TestWatchPassesAllOn(t *testing.T) {
	text := strings.Repeat("a request\n", 2000)
	for _, in := range []io.Reader{
		strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text)),
		iotest.DataErrReader(strings.NewReader(text)),
	} {
		got, err := io.ReadAll(worker.Watch(in, time.Hour, nil))
		require.NoError(t, err)
		assert.Equal(t, text, string(got))
	}
	broken := errors.New("broken pipe")
	_, err := io.ReadAll(worker.Watch(iotest.ErrReader(broken), time.Hour, nil))
	assert.ErrorIs(t, err, broken)
}
