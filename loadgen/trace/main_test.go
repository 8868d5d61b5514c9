package trace

import (
	"bytes"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/loadgen/recorded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openRecorded() (*Reader, error) { return NewReader(recorded.Open(), recorded.Name) }

// recording returns what opens the recording: all of it, or where tests are short as
// much of its beginning as has events of all resources.
func recording(t testing.TB) func() (*Reader, error) {
	t.Helper()
	if !testing.Short() {
		return openRecorded
	}
	text, err := beginning()
	require.NoError(t, err)
	return func() (*Reader, error) { return NewReader(bytes.NewReader(text), recorded.Name) }
}

var beginning = sync.OnceValues(func() ([]byte, error) {
	var text bytes.Buffer
	_, err := Cut(openRecorded, &text, Plain, CutOptions{To: 100 * time.Second})
	return text.Bytes(), err
})

// eachRecord hands use the records of a trace, which are valid until it returns.
func eachRecord(t testing.TB, open func() (*Reader, error), use func(*Record)) {
	t.Helper()
	r, err := open()
	require.NoError(t, err)
	defer r.Close()
	var rec Record
	for err = r.Next(&rec); err == nil; err = r.Next(&rec) {
		use(&rec)
	}
	require.ErrorIs(t, err, io.EOF)
}

// allRecords returns the records of a trace, with texts of their own.
func allRecords(t testing.TB, open func() (*Reader, error)) (all []*Record) {
	t.Helper()
	eachRecord(t, open, func(rec *Record) { all = append(all, rec.clone()) })
	return all
}
